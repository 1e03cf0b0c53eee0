"""`study recruit` on the command line, against the fake on loopback, and where its token goes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_prolific import TOKEN, FakeProlific, served
from panel_raters import PANEL, SITE, take
from researchers import logged_in
from served import wait_until
from small_study import SECRET, MakeStudy, app_on
from sqlalchemy import select, update

import manage
from study_server.export.export import export_study
from study_server.recruit import client
from study_server.recruit.client import Prolific
from study_server.storage.database import Database
from study_server.storage.models import PanelChange, PanelStudy, RaterSession
from study_server.studies.states import find_study
from study_server.web.serve import free_port

SONA = "sona-5ecret-of-the-experiment"
ROOT = Path(__file__).parents[3]
IDS = [f"5f0d1c2b3a4e5f607182930{n}" for n in range(4)]


class Terminal:
    """A researcher's terminal: every process that it started, and all that they printed."""

    def __init__(self, database: Database, fake: FakeProlific, token: str = TOKEN) -> None:
        """Set the environment as the guide says."""
        self.printed, self.listed, self.environments = "", "", ""
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

    def run(self, *arguments: str) -> str:
        """Run Python with the researcher's settings and return what it printed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return done.stdout + done.stderr

    def with_file(self, path: Path) -> None:
        """From now on, give the token by a private file."""
        path.write_text(self.environment.pop("PROLIFIC_TOKEN"))
        path.chmod(0o600)
        self.environment["FOOLRATE_PANEL_TOKEN_FILE"] = str(path)

    def _list_processes(self, method: str, path: str) -> None:
        """Note what /proc shows of all processes, while a command is at the panel."""
        self.listed += proc("cmdline")
        if "PROLIFIC_TOKEN" not in self.environment:
            self.environments += proc("environ")


def proc(name: str) -> str:
    """Return what a file of /proc says of all processes that may be read."""
    found = ""
    for file in Path("/proc").glob(f"[0-9]*/{name}"):
        try:
            found += file.read_bytes().decode(errors="replace")
        except OSError:
            continue
    return found


def family(server: subprocess.Popen[bytes]) -> list[int]:
    """Return the process ids of a server and of all that it has started."""
    found, waiting = [], [server.pid]
    while waiting:
        found.append(waiting.pop())
        children = Path(f"/proc/{found[-1]}/task/{found[-1]}/children").read_text()
        waiting += [int(child) for child in children.split()]
    return found


@contextmanager
def site(terminal: Terminal, folder: Path) -> Iterator[tuple[httpx.Client, list[int]]]:
    """Yield a browser at the served site, started with all of the terminal's settings."""
    folder.mkdir()
    bind = f"127.0.0.1:{free_port()}"
    settings = terminal.environment | {"FOOLRATE_SONA_TOKEN": SONA, "TMPDIR": str(folder)}
    command = [sys.executable, "manage.py", "study", "serve", "--bind", bind]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, env=settings, stdout=log, stderr=log) as server,
        httpx.Client(base_url=f"http://{bind}") as browser,
    ):
        try:
            wait_until(lambda: ready(browser), "the site does not answer")
            yield browser, family(server)
        finally:
            server.terminate()
            server.wait(60)


def ready(browser: httpx.Client) -> bool:
    """Return whether the site answers."""
    try:
        return browser.get("/readyz").status_code == 200
    except httpx.HTTPError:
        return False


FAULT = """
import sys, traceback
import manage
from study_server.recruit import panel_study
def fault(*_):
    raise RuntimeError("a fault of ours, with the panel at hand")
panel_study.number = fault
try:
    code = manage.run(["study", "recruit", "status", "small"])
except RuntimeError as error:
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in told.stack if "/study_server/" in frame.filename]
    told.stack = traceback.StackSummary.from_list(ours)
    sys.exit("".join(told.format()))
"""


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
    terminal.with_file(tmp_path.parent / f"{tmp_path.name}-token")
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
    terminal.environment["PROLIFIC_TOKEN"] = TOKEN  # as in the shell that the site is started from
    with site(terminal, tmp_path / "site") as (browser, processes):
        for path in ("/", f"/s/small/?PROLIFIC_PID={IDS[0]}", "/admin/", "/metrics", "/r/x/open"):
            browser.get(path)
        browser.post("/s/small/", data={"agree": "yes"})
        theirs = [Path(f"/proc/{pid}/environ").read_text() for pid in processes]
    assert len(processes) >= 3  # the server and its workers
    fault = terminal.run("-c", FAULT)
    assert "RuntimeError: a fault of ours" in fault
    assert "panel = <study_server.recruit.client.Prolific" in fault  # and what was at hand

    export_study(sqlite, "small", tmp_path / "export")
    places = [terminal.printed, terminal.listed, terminal.environments, dashboard, *theirs, fault]
    places += [
        path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()
    ]
    assert "manage.py" in terminal.listed
    assert "FOOLRATE_PANEL_TOKEN_FILE" in terminal.environments
    assert "refused" in (tmp_path / "site/log").read_text()
    assert not [text for text in places if TOKEN in text or SONA in text]
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
    make_study(sqlite, PANEL)
    with sqlite.reading() as db_session:
        study = find_study(db_session, "small")
    take(sqlite, study, [(IDS[0], "completed")])
    with sqlite.write() as connection:
        connection.execute(update(RaterSession).values(simulated=True))
    code, text = Terminal(sqlite, fake).recruit("draft", "small", "--site", SITE)
    assert (code, text.count("\n")) == (1, 1)
    assert "has 1 simulated raters, expected people only" in text


@pytest.fixture
def at_terminal(
    sqlite: Database, make_study: MakeStudy, fake: FakeProlific, monkeypatch: pytest.MonkeyPatch
) -> Database:
    """Make this process the researcher's terminal, with a study that is on the panel."""
    make_study(sqlite, PANEL)
    for name, value in Terminal(sqlite, fake).environment.items():
        monkeypatch.setenv(name, value)
    assert manage.run(["study", "recruit", "draft", "small", "--site", SITE]) == 0
    assert manage.run(["study", "recruit", "publish", "small", "--yes"]) == 0
    return sqlite


@pytest.mark.integration
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("publish small --yes", "study small is ACTIVE on Prolific, expected UNPUBLISHED"),
        ("resume small", "study small is ACTIVE on Prolific, expected PAUSED"),
        ("more-places small 3", "3 places are fewer than the 6 on Prolific, which only takes more"),
        ("more-places small 600", "600 places, expected at most the 6 that the study has"),
        ("more-places small 0", "0 is not in the range 1<=x<=100000"),
        ("more-places small many", "'many' is not a valid integer range"),
        ("status smal", "no study 'smal', expected one of small"),
        ("watch small --every 1", "1 is not in the range 10<=x<=3600"),
        ("decide small --pay-again r0001 --yes", "--pay-again r0001: no bonus of this rater is in"),
        (
            "decide small --token-file nowhere",
            "nowhere: cannot be read (No such file or directory)",
        ),
        ("credit small", "provider.kind is 'prolific', expected 'sona'"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_sent(
    at_terminal: Database,
    fake: FakeProlific,
    capsys: pytest.CaptureFixture[str],
    command: str,
    words: str,
) -> None:
    before, rows = json.dumps(fake.studies), changes(at_terminal)
    capsys.readouterr()
    assert manage.run(["study", "recruit", *command.split()]) in (1, 2)
    said = capsys.readouterr().err.splitlines()
    assert words in said[-1]
    assert said[-1].lower().startswith("error: ")
    assert json.dumps(fake.studies) == before
    assert changes(at_terminal) == rows
    assert not fake.paid


@pytest.mark.integration
def test_watching_goes_on_while_the_panel_is_out_of_reach(
    at_terminal: Database,
    fake: FakeProlific,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(client, "_wait", lambda *_: 0.0)
    away = f"http://127.0.0.1:{free_port()}"
    answers = [away, fake.base, fake.base]
    asked = Prolific.get

    def get(panel: Prolific, path: str) -> Any:
        if path.endswith("/counts/") or not answers:
            return asked(panel, path)
        panel._base = answers.pop(0)
        return asked(panel, path)

    monkeypatch.setattr(Prolific, "get", get)
    capsys.readouterr()
    assert manage.run(["study", "recruit", "watch", "small", "--looks", "3"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "Prolific cannot be reached for GET /studies/" in said[0]
    assert "ACTIVE, 0 of 6 places taken" in said[1]
    assert len(said) == 3  # what has not changed is not said again
    assert waited.count(60) == 2


@pytest.mark.integration
@pytest.mark.parametrize(
    ("replaced", "site", "words"),
    [
        (
            ("reward = 2.50", "reward = 1.00"),
            SITE,
            "recruit.reward is 1.00 for 15 minutes, expected",
        ),
        (("reward = 2.50", ""), SITE, "the study file has no recruit.reward, which Prolific needs"),
        (
            ("reward = 2.50", "places = 7\nreward = 2.50"),
            SITE,
            "recruit.places is 7, expected at mos",
        ),
        (("", ""), "http://study.example.org", "expected the https:// address that raters come to"),
        (("", ""), "study.example.org", "expected the https:// address that raters come to"),
    ],
)
def test_a_study_that_the_panel_would_refuse_is_not_drafted(
    *,
    sqlite: Database,
    make_study: MakeStudy,
    fake: FakeProlific,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    replaced: tuple[str, str],
    site: str,
    words: str,
) -> None:
    make_study(sqlite, (PANEL[0], PANEL[1].replace(*replaced)))
    for name, value in Terminal(sqlite, fake).environment.items():
        monkeypatch.setenv(name, value)
    assert manage.run(["study", "recruit", "draft", "small", "--site", site]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert words in said
    assert [call for call in fake.calls if call[0] != "GET"] == []
    assert changes(sqlite) == []


def changes(database: Database) -> list[Any]:
    """Return what the database holds of the panel."""
    with database.read() as connection:
        return [*connection.execute(select(PanelStudy.mark, PanelStudy.panel_id)),
                *connection.execute(select(PanelChange.key, PanelChange.state))]  # fmt: skip
