"""`study plan` and `study reconcile` as a researcher types them."""

import pytest
from actors import Rater
from click.testing import CliRunner
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from study_server.cli import study
from study_server.errors import StudyError
from study_server.export.panel_list import decode, parse_columns
from study_server.storage.identity import load_secret, panel_hash
from study_server.storage.models import RaterSession


def test_plan_asks_the_planner_and_says_what_it_says():
    asked = {}

    def planner(**design):
        asked.update(design)
        return "150 raters"

    arguments = ["plan", "--raters", "50", "--conditions", "3", "--pay-per-hour", "12"]
    result = CliRunner().invoke(study, arguments, obj={"planner": planner})
    assert result.exit_code == 0, result.output
    assert (asked["raters"], asked["conditions"], asked["shared_raters"]) == (50, 3, None)
    assert result.output == "150 raters\n"


def test_plan_needs_raters_or_a_target():
    result = CliRunner().invoke(study, ["plan"], obj={"planner": lambda **_: ""})
    assert result.exit_code == 2
    assert "--target" in result.output


def test_plan_without_a_planner_is_explained():
    with pytest.raises(StudyError, match="no planner was given"):
        CliRunner().invoke(study, ["plan", "--raters", "9"], catch_exceptions=False)


@pytest.mark.slow
def test_reconcile_prints_what_to_settle_and_writes_a_private_file(sqlite_app, sqlite, tmp_path):
    rater = Rater(sqlite_app).begin()
    rater.answer_all()
    rater.finish()
    secret = load_secret(sqlite.url)  # the command's own, made on its first run
    with sqlite.session() as db_session:
        db_session.scalar(select(RaterSession)).panel_hash = panel_hash(secret, "small", "w-7")
    listed = tmp_path / "panel.csv"
    listed.write_text("worker,State\nw-7,Returned\nw-8,Active\n")
    url = sqlite.url.render_as_string(hide_password=False)
    arguments = ["reconcile", "small", str(listed), "--database", url]
    arguments += ["--column", "participant=worker", "--column", "status=State"]
    output = tmp_path / "to-do.csv"
    result = CliRunner().invoke(study, [*arguments, "-o", str(output)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "pay by bonus" in result.output
    assert "0 of 2 agree" in result.output
    assert output.stat().st_mode & 0o777 == 0o600


def test_a_list_that_is_not_there_is_explained(sqlite, tmp_path):
    url = sqlite.url.render_as_string(hide_password=False)
    arguments = ["reconcile", "small", str(tmp_path / "no.csv"), "--database", url]
    with pytest.raises(StudyError, match="no such file"):
        CliRunner().invoke(study, arguments, catch_exceptions=False)


@pytest.mark.parametrize("word", ["participant", "participant=", "rater=x", "=x"])
def test_a_column_that_is_no_role_is_explained(word):
    with pytest.raises(StudyError, match="expected one of participant"):
        parse_columns([word])


def test_a_spreadsheet_is_not_taken_for_csv():
    with pytest.raises(StudyError, match="spreadsheet"):
        decode(b"PK\x03\x04", "list.xlsx")


def test_a_file_that_is_no_database_is_one_line(tmp_path):
    (tmp_path / "study.toml").write_text("[study]\n" * 99)
    arguments = ["status", "--database", f"sqlite:///{tmp_path}/study.toml"]
    with pytest.raises(StudyError, match=r"cannot be opened \(file is not a database\)"):
        CliRunner().invoke(study, arguments, catch_exceptions=False)


def test_a_folder_is_no_study_file(tmp_path):
    with pytest.raises(StudyError, match=r": cannot be read \(Is a directory\)$"):
        CliRunner().invoke(study, ["create", str(tmp_path)], catch_exceptions=False)


def test_a_full_disk_is_one_line(tmp_path, study_text, monkeypatch):
    """SQLite says so at the first commit, before any study is there."""

    def full(_database):
        raise OperationalError("CREATE TABLE study", {}, Exception("database or disk is full"))

    monkeypatch.setattr("study_server.storage.schema.upgrade", full)
    (tmp_path / "s.toml").write_text(study_text)
    url = f"sqlite:///{tmp_path}/new.sqlite3"
    arguments = ["create", str(tmp_path / "s.toml"), "--database", url]
    with pytest.raises(StudyError, match=r"new\.sqlite3: database or disk is full$"):
        CliRunner().invoke(study, arguments, catch_exceptions=False)
