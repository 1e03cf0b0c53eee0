"""What a purge deletes of studies that were closed long ago, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from actors import Rater
from click.testing import CliRunner
from small_study import MakeStudy, app_on
from sqlalchemy import func, select, update

from study_server.cli import study as commands
from study_server.export.export import export_study
from study_server.export.verify import verify_export
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.models import Judgment, PaymentId, RaterSession, Study
from study_server.storage.upkeep.retention import DAY_MS, KeepDays, purge
from study_server.studies.states import find_study, set_state

KEEPS = (
    "[practice]",
    '[provider]\nkind = "url"\nid_parameter = "who"\nkeep_ids_for_payment = true\n[practice]',
)


def never(study: Study) -> KeepDays:
    """Return that a study gives its questionnaires and reasons no time of their own."""
    return KeepDays(None, None)


def closed(database: Database, make_study: MakeStudy, days: int) -> Rater:
    """Return a rater of a study that was closed some days ago."""
    make_study(database, KEEPS)
    rater = Rater(app_on(database), query="?who=panel-id-1").begin()
    rater.answer_all()
    rater.form(f"/r/{rater.token}/comment", comment="I am Jane Doe.")
    with database.session() as db_session:
        set_state(db_session, find_study(db_session, "small"), "closed", "test")
    with database.write() as connection:
        connection.execute(update(Study).values(closed_at=now_ms() - days * DAY_MS - 1))
    return rater


@pytest.mark.slow
def test_what_leads_back_goes_and_the_judgments_stay(
    database: Database, make_study: MakeStudy, tmp_path: Path
) -> None:
    rater = closed(database, make_study, 400)
    listed = purge(database, 365, keep_days=never, really=False)
    assert [(each.study, each.sessions, each.payment_ids) for each in listed] == [("small", 1, 1)]
    assert purge(database, 365, keep_days=never, really=True) == listed
    assert purge(database, 365, keep_days=never, really=False) == []
    with database.read() as connection:
        row = connection.execute(select(RaterSession)).one()
        assert connection.execute(select(func.count()).select_from(PaymentId)).scalar_one() == 0
        assert connection.execute(select(func.count()).select_from(Judgment)).scalar_one() == 7
    gone = (row.panel_hash, row.submission_hash, row.browser_hash, row.device, row.comment)
    assert gone == (None,) * 5
    assert rater.client.get(f"/r/{rater.token}/end").status_code == 404
    export_study(database, "small", tmp_path / "export")
    assert verify_export(tmp_path / "export") == []
    assert "Jane Doe" not in (tmp_path / "export/sessions.csv").read_text()


def test_studies_that_are_open_or_closed_of_late_are_left(
    sqlite: Database, make_study: MakeStudy
) -> None:
    closed(sqlite, make_study, 364)
    assert purge(sqlite, 365, keep_days=never, really=True) == []


def test_the_command_lists_first_and_deletes_only_with_yes(
    sqlite: Database, make_study: MakeStudy
) -> None:
    closed(sqlite, make_study, 2)
    url = str(sqlite.url)
    ask = ["purge", "--older-than", "1", "--database", url]
    listed = CliRunner().invoke(commands, ask)
    assert "1 sessions, 1 encrypted ids, 0 answers" in listed.output
    assert "nothing was deleted: add --yes" in listed.output
    assert CliRunner().invoke(commands, [*ask, "--yes"]).output.endswith("deleted\n")
    assert CliRunner().invoke(commands, ask).output == "nothing to delete\n"
