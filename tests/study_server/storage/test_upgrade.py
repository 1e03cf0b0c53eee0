"""Databases that older programs made come to today's version with their data, and are served.

``first_version.json`` holds every row of one, and ``first_version.csv`` what that program exported:
commit 8183542^ of this repository, before the second migration, served the small study (images of
8 x 8) to a rater who finished, to one who left after three trials and to one who declined.
``release_0_2_0.json`` and ``.csv`` are the same of 0.2.0, the first release (commit 895477b), where
a researcher had logged in, too, and the rater who finished sent more measures.
"""

from __future__ import annotations

import base64
import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from actors import Rater
from researchers import Researcher, cheap_hashing
from small_study import app_on
from sqlalchemy import Connection, MetaData, Table, inspect, select, text

from study_server.errors import DatabaseError
from study_server.export.export import export_study
from study_server.export.verify import verify_export
from study_server.sessions.entering.withdrawal import withdraw_session
from study_server.storage.database import Database
from study_server.storage.schema import current_revision, head_revision, open_database, upgrade

HERE = Path(__file__).parent
__all__ = ["cheap_hashing"]  # a fixture that every test here uses
FINISHED, HALFWAY = "ZJL3z4eJwkqSaI8oi6WbdQ", "gdcUL5gS6n4_2mGCkPSpCw"  # session tokens
Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Old:
    """A database as an older program left it: its name here, and its rows by table."""

    name: str
    database: Database
    rows: Rows

    def exported(self) -> list[dict[str, str]]:
        """Return the judgments.csv that the program of that day wrote."""
        return _csv(HERE / f"{self.name}.csv")


@pytest.fixture
def first(database_url: str) -> Old:
    """Return a database at the first version."""
    return _as_left(database_url, "first_version")


@pytest.fixture(params=["first_version", "release_0_2_0"])
def old(request: pytest.FixtureRequest, database_url: str) -> Old:
    """Return a database of each older program in turn."""
    return _as_left(database_url, request.param)


@pytest.fixture
def released(database_url: str) -> Old:
    """Return a database of the first release."""
    return _as_left(database_url, "release_0_2_0")


def _as_left(database_url: str, name: str) -> Old:
    database = Database(database_url)
    rows: Rows = json.loads((HERE / f"{name}.json").read_text(), object_hook=_bytes)
    [version] = rows.pop("alembic_version")
    upgrade(database, version["version_num"])
    with database.write() as connection:
        _defer_foreign_keys(connection)
        tables = _tables(connection).tables
        for table, given in rows.items():
            if given:
                connection.execute(tables[table].insert(), given)
    if not database.sqlite:
        _number_on(database, rows)
    return Old(name, database, rows)


def _bytes(given: dict[str, Any]) -> Any:
    return base64.b64decode(given["base64"]) if list(given) == ["base64"] else given


def _defer_foreign_keys(connection: Connection) -> None:
    # A block names its session and a session its block: one of them has to come first.
    sqlite = connection.dialect.name == "sqlite"
    text_of = (
        "PRAGMA defer_foreign_keys = ON" if sqlite else "SET session_replication_role = replica"
    )
    connection.execute(text(text_of))


def _number_on(database: Database, rows: Rows) -> None:
    # Rows that came with their ids did not move PostgreSQL's counters.
    with database.write() as connection:
        connection.execute(text("SET session_replication_role = origin"))
        for name, given in rows.items():
            if given and "id" in given[0]:
                last = max(row["id"] for row in given)
                connection.execute(
                    text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {last})")
                )


def _tables(connection: Connection) -> MetaData:
    tables = MetaData()
    tables.reflect(connection)
    return tables


def _contents(database: Database, columns: Rows) -> Rows:
    """Return the rows of the first version's tables, of its columns alone."""
    with database.read() as connection:
        tables = _tables(connection).tables
        return {name: _rows(connection, tables[name], given) for name, given in columns.items()}


def _rows(connection: Connection, table: Table, given: list[dict[str, Any]]) -> list[Any]:
    names = list(given[0]) if given else []
    query = select(*(table.c[name] for name in names)).order_by(*table.primary_key)
    return [dict(row) for row in connection.execute(query).mappings()] if names else []


@pytest.mark.slow
def test_every_row_is_there_after_the_upgrade(old: Old, database_url: str) -> None:
    database, rows = old.database, old.rows
    version = "0001" if old.name == "first_version" else "0003"
    assert current_revision(database) == version != head_revision()
    columns = {column["name"] for column in inspect(database.engine).get_columns("judgment")}
    assert columns >= {"layout", "views"} or version == "0001"
    assert "answers" not in columns
    with pytest.raises(DatabaseError, match="run `study migrate`"):
        open_database(database_url)
    upgrade(database)
    assert current_revision(database) == head_revision()
    assert _contents(database, rows) == rows
    assert len(rows["judgment"]) == 10
    database.dispose()


@pytest.mark.slow
def test_raters_go_on_after_the_upgrade(old: Old, tmp_path: Path) -> None:
    database = old.database
    upgrade(database)
    app = app_on(database)
    halfway = Rater(app)
    halfway.token = HALFWAY
    state = halfway.open()
    assert state["trials"][0]["position"] == 3  # three were answered before the upgrade
    assert halfway.client.get(state["trials"][0]["left"]).data.startswith(b"\x89PNG")
    halfway.answer_all()
    assert halfway.finish().status_code == 200
    finished = Rater(app)
    finished.token = FINISHED
    assert finished.step() == "end"
    Rater(app).begin().answer_all()
    export_study(database, "small", tmp_path / "export")
    assert verify_export(tmp_path / "export") == []
    exported = _csv(tmp_path / "export" / "judgments.csv")
    assert len(exported) == 3 * 7
    now = {row["trial_id"]: row for row in exported}
    for row in old.exported():  # the rater who went on is no longer left out
        then = {name: said for name, said in row.items() if name not in ("excluded", "exclusion")}
        assert then.items() <= now[row["trial_id"]].items()
    database.dispose()


@pytest.mark.slow
def test_the_export_says_what_the_older_program_said(old: Old, tmp_path: Path) -> None:
    upgrade(old.database)
    export_study(old.database, "small", tmp_path / "export")
    then, now = old.exported(), _csv(tmp_path / "export" / "judgments.csv")
    assert [{name: row[name] for name in then[0]} for row in now] == then
    assert len(then) == 10
    old.database.dispose()


@pytest.mark.slow
def test_a_researcher_of_the_release_finds_the_study_as_it_was(released: Old) -> None:
    upgrade(released.database)
    researcher = Researcher(app_on(released.database))
    assert researcher.log_in().status_code == 303  # by the password of that day
    dashboard = researcher.client.get("/admin/studies/1/").text
    counted = [row["kind"] for row in released.exported()].count("main")
    assert f"Counted judgments</dt><dd>{counted}<small> of 24<" in dashboard
    released.database.dispose()


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_session_ids_go_on_above_all_that_were_given(first: Old) -> None:
    """The last rater of the old version withdraws: nobody gets that id, or those addresses."""
    database = first.database
    last = max(row["id"] for row in first.rows["rater_session"])
    upgrade(database)
    app = app_on(database)
    halfway = Rater(app)
    halfway.token = HALFWAY
    with database.session() as db_session:
        withdraw_session(db_session, last, "test")
    newcomer = Rater(app).begin()
    assert newcomer.row().id > last
    newcomer.form(f"/r/{newcomer.token}/withdraw", confirm="yes")
    assert Rater(app).begin().row().id > last + 1
    with database.read() as connection:
        if database.sqlite:
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.dispose()


def test_the_upgraded_tables_refer_to_each_other_as_before(first: Old) -> None:
    database = first.database
    before = _references(database)
    upgrade(database)
    now = _references(database)
    before["trial"] |= {("other_id", "condition", "id")}
    renamed = ("uq_trial_block_id_item_id",), ("uq_trial_block_id_item_id_showing",)
    if renamed[0] in before["trial"]:  # PostgreSQL keeps a unique constraint as an index
        before["trial"] ^= set(renamed)
    assert {table: found for table, found in now.items() if table in before} == before
    assert set(now) - set(before) == {
        *("admin_session", "panel_study", "panel_change", "questionnaire_answer", "check_attempt"),
        "judgment_reason",
    }
    database.dispose()


def _references(database: Database) -> dict[str, set[tuple[str, ...]]]:
    with database.read() as connection:
        tables = inspect(connection)
        return {
            table: {
                (*key["constrained_columns"], key["referred_table"], *key["referred_columns"])
                for key in tables.get_foreign_keys(table)
            }
            | {(str(index["name"]),) for index in tables.get_indexes(table)}
            for table in tables.get_table_names()
        }
