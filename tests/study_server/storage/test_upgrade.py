"""A database of the first version, made by the program of that day, comes to today's with its data.

``first_version.json`` holds every row of it, and ``first_version.csv`` what that program exported:
commit 8183542^ of this repository, before the second migration, served the small study (images of
8 x 8) to a rater who finished, to one who left after three trials and to one who declined.
"""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path
from typing import Any

import pytest
from actors import Rater
from small_study import app_on
from sqlalchemy import Connection, MetaData, Table, inspect, select, text

from study_server.errors import DatabaseError
from study_server.export.export import export_study
from study_server.export.verify import verify_export
from study_server.sessions.entering.withdrawal import withdraw_session
from study_server.storage.database import Database
from study_server.storage.schema import current_revision, head_revision, open_database, upgrade

HERE = Path(__file__).parent
FINISHED, HALFWAY = "ZJL3z4eJwkqSaI8oi6WbdQ", "gdcUL5gS6n4_2mGCkPSpCw"  # session tokens
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def first(database_url: str) -> tuple[Database, Rows]:
    """Return a database at the first version, and what it holds by table."""
    database = Database(database_url)
    upgrade(database, "0001")
    read = json.loads((HERE / "first_version.json").read_text(), object_hook=_bytes)
    rows = {name: given for name, given in read.items() if name != "alembic_version"}
    with database.write() as connection:
        _defer_foreign_keys(connection)
        tables = _tables(connection).tables
        for name, given in rows.items():
            if given:
                connection.execute(tables[name].insert(), given)
    if not database.sqlite:
        _number_on(database, rows)
    return database, rows


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
def test_every_row_is_there_after_the_upgrade(
    first: tuple[Database, Rows], database_url: str
) -> None:
    database, rows = first
    assert current_revision(database) == "0001" != head_revision()
    columns = {column["name"] for column in inspect(database.engine).get_columns("judgment")}
    assert not columns & {"layout", "views", "answers"}
    with pytest.raises(DatabaseError, match="run `study migrate`"):
        open_database(database_url)
    upgrade(database)
    assert current_revision(database) == head_revision()
    assert _contents(database, rows) == rows
    assert len(rows["judgment"]) == 10
    database.dispose()


def test_raters_go_on_after_the_upgrade(first: tuple[Database, Rows], tmp_path: Path) -> None:
    database, _ = first
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
    assert len(_csv(tmp_path / "export" / "judgments.csv")) == 3 * 7
    database.dispose()


def test_the_export_says_what_the_first_version_said(
    first: tuple[Database, Rows], tmp_path: Path
) -> None:
    database, _ = first
    upgrade(database)
    export_study(database, "small", tmp_path / "export")
    then, now = _csv(HERE / "first_version.csv"), _csv(tmp_path / "export" / "judgments.csv")
    assert [{name: row[name] for name in then[0]} for row in now] == then
    assert len(then) == 10
    database.dispose()


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_session_ids_go_on_above_all_that_were_given(first: tuple[Database, Rows]) -> None:
    """The last rater of the old version withdraws: nobody gets that id, or those addresses."""
    database, rows = first
    last = max(row["id"] for row in rows["rater_session"])
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


def test_the_upgraded_tables_refer_to_each_other_as_before(first: tuple[Database, Rows]) -> None:
    database, _ = first
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
