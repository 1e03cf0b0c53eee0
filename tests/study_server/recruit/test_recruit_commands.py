"""`study recruit` on the command line, against the fake on loopback, and where its token goes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_prolific import TOKEN, FakeProlific, served
from panel_raters import PANEL, SITE, take
from researchers import logged_in
from small_study import SECRET, MakeStudy, app_on

from study_server.export.export import export_study
from study_server.storage.database import Database
from study_server.studies.states import find_study

ROOT = Path(__file__).parents[3]
IDS = [f"5f0d1c2b3a4e5f607182930{n}" for n in range(4)]


class Terminal:
    """A researcher's terminal: every process that it started, and all that they printed."""

    def __init__(self, database: Database, fake: FakeProlific, token: str = TOKEN) -> None:
        """Set the environment as the guide says."""
        self.printed, self.listed = "", ""
        self.database = database.url.render_as_string(hide_password=False)
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "PROLIFIC_TOKEN": token,
            "PROLIFIC_URL": fake.base,
            "FOOLRATE_DATABASE": self.database,
            "FOOLRATE_SECRET": SECRET.hex(),
        }
        fake.on_call = self._list_processes

    def recruit(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run a command; return its status and what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", "study", "recruit", *arguments],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.printed += done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    def _list_processes(self, method: str, path: str) -> None:
        """Note the command lines of all processes, while a command is at the panel."""
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.listed += line.read_bytes().decode(errors="replace")
            except OSError:
                continue


@pytest.fixture
def fake() -> Iterator[FakeProlific]:
    """Yield the panel, served on loopback."""
    panel = FakeProlific(page=2)
    server = served(panel)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield panel
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.integration
def test_from_draft_to_pay_and_the_token_is_nowhere(
    sqlite: Database, make_study: MakeStudy, fake: FakeProlific, tmp_path: Path
) -> None:
    make_study(sqlite, PANEL)
    terminal = Terminal(sqlite, fake)
    assert terminal.recruit("draft", "small", "--site", SITE)[0] == 0
    code, text = terminal.recruit("publish", "small")
    assert code == 0
    assert "cost: 20.00 with all fees" in text  # 6 places of 2.50 and a third
    assert "nothing was sent: add --yes" in text
    assert terminal.recruit("publish", "small", "--yes")[1].endswith("ACTIVE\n")
    with sqlite.reading() as db_session:
        study = find_study(db_session, "small")
    outcomes = ["completed", "completed", None, "completed"]
    take(sqlite, study, zip(IDS, outcomes, strict=True))
    for who, status in zip(
        IDS, ["AWAITING REVIEW", "RETURNED", "AWAITING REVIEW", "AWAITING REVIEW"], strict=True
    ):
        fake.rater(who, status)
    code, text = terminal.recruit("decide", "small")
    assert code == 0
    assert "to send: 4, bonuses of 2.50 in all" in text
    assert not fake.paid
    assert terminal.recruit("decide", "small", "--yes")[0] == 0
    assert terminal.recruit("decide", "small", "--yes")[0] == 0
    assert fake.payments == {IDS[0]: 1, IDS[1]: 1, IDS[3]: 1}
    assert terminal.recruit("watch", "small", "--looks", "1")[0] == 0
    dashboard = logged_in(app_on(sqlite)).client.get("/admin/studies/1/").text
    assert "On Prolific" in dashboard
    assert "3 of 6 places taken" in dashboard

    export_study(sqlite, "small", tmp_path / "export")
    places = [terminal.printed, terminal.listed, dashboard]
    places += [
        path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()
    ]
    assert "manage.py" in terminal.listed
    assert not [text for text in places if TOKEN in text]
    exported = "".join(p.read_text() for p in (tmp_path / "export").iterdir())
    assert not [who for who in IDS if who in exported]


@pytest.mark.integration
def test_a_token_that_is_wrong_shows_itself_nowhere(
    sqlite: Database, make_study: MakeStudy, fake: FakeProlific
) -> None:
    make_study(sqlite, PANEL)
    terminal = Terminal(sqlite, fake, "wrong-but-still-a-secret")
    code, text = terminal.recruit("draft", "small", "--site", SITE)
    assert code == 1
    assert text.startswith("error: Prolific does not take the token (401)")
    assert text.count("\n") == 1
    assert "wrong-but-still-a-secret" not in text
    code, text = terminal.recruit("draft", "small", "--site", SITE, PROLIFIC_TOKEN="")
    assert (code, text.count("\n")) == (1, 1)
    assert "no token of the panel's API" in text
    assert fake.studies == {}


@pytest.mark.integration
def test_simulated_raters_are_not_paid(
    sqlite: Database, make_study: MakeStudy, fake: FakeProlific
) -> None:
    from sqlalchemy import update

    from study_server.storage.models import RaterSession

    make_study(sqlite, PANEL)
    with sqlite.reading() as db_session:
        study = find_study(db_session, "small")
    take(sqlite, study, [(IDS[0], "completed")])
    with sqlite.write() as connection:
        connection.execute(update(RaterSession).values(simulated=True))
    code, text = Terminal(sqlite, fake).recruit("draft", "small", "--site", SITE)
    assert (code, text.count("\n")) == (1, 1)
    assert "has 1 simulated raters, expected people only" in text
