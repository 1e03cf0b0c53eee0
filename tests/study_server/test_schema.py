"""Databases of other versions: older ones are upgraded with their data, newer ones refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from actors import Rater
from small_study import MakeStudy, app_on
from sqlalchemy import inspect, text

from study_server.database import Database
from study_server.errors import DatabaseError
from study_server.models import Base
from study_server.schema import current_revision, head_revision, open_database, upgrade


def test_the_migrations_make_what_the_models_say(database: Database) -> None:
    inspector = inspect(database.engine)
    for table in Base.metadata.sorted_tables:
        columns = {column["name"]: column for column in inspector.get_columns(table.name)}
        assert set(columns) == {column.name for column in table.columns}
        for column in table.columns:
            assert columns[column.name]["nullable"] == column.nullable, (table.name, column.name)
    tables = set(inspector.get_table_names())
    assert tables == {table.name for table in Base.metadata.sorted_tables} | {"alembic_version"}


def test_a_database_of_the_first_version_is_upgraded_with_its_data(
    database_url: str, make_study: MakeStudy
) -> None:
    # A study is taken at the head, then the columns that came later are taken away again, which
    # leaves what the first migration would have made, with data in it.
    first = Database(database_url)
    upgrade(first, "0001")
    assert {"layout", "views"} & _columns(first) == set()
    upgrade(first)
    make_study(first)
    rater = Rater(app_on(first)).begin()
    rater.answer_all()
    with first.write() as connection:
        for column in ("layout", "views"):
            connection.execute(text(f"ALTER TABLE judgment DROP COLUMN {column}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        before = connection.execute(_JUDGMENTS).all()
    with pytest.raises(DatabaseError, match="run `study migrate`"):
        open_database(database_url)
    upgrade(first)
    assert current_revision(first) == head_revision()
    with first.read() as connection:
        assert connection.execute(_JUDGMENTS).all() == before
        assert len(before) == 7
    Rater(app_on(first)).begin().answer_all()
    first.dispose()


_JUDGMENTS = text("SELECT session_id, position, key, choice, chain FROM judgment ORDER BY 1, 2")


def _columns(database: Database) -> set[str]:
    return {column["name"] for column in inspect(database.engine).get_columns("judgment")}


def test_a_newer_database_is_refused_in_one_line(database: Database, database_url: str) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match="version 9999, newer than this program's"):
        open_database(database_url)


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/theirs.sqlite3"
    theirs = Database(url)
    with theirs.write() as connection:
        connection.execute(text("CREATE TABLE recipes (id INTEGER)"))
    theirs.dispose()
    with pytest.raises(DatabaseError, match=r"not ours \(recipes\)"):
        open_database(url, create=True)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///nowhere/x.sqlite3", "no such database"),
        ("sqlite://", "names no file"),
        ("mysql://x/y", "is mysql, expected"),
        ("x", "not a URL"),
        ("postgresql://nobody@127.0.0.1:1/x", "cannot be opened"),
    ],
)
def test_databases_that_cannot_be_opened_are_explained(url: str, words: str) -> None:
    with pytest.raises(DatabaseError, match=words) as refusal:
        open_database(url)
    assert "\n" not in str(refusal.value)


def test_sqlite_survives_a_loss_of_power(sqlite: Database) -> None:
    with sqlite.read() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert found == ["wal", 2, 1]  # synchronous 2 is FULL
