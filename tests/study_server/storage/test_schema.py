"""Databases of other versions: older ones are upgraded with their data, newer ones refused."""

from __future__ import annotations

from inspect import unwrap
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from study_server.errors import DatabaseError
from study_server.storage.database import Database
from study_server.storage.models import Base
from study_server.storage.schema import open_database


def test_the_migrations_make_what_the_models_say(database: Database) -> None:
    inspector = inspect(database.engine)
    for table in Base.metadata.sorted_tables:
        columns = {column["name"]: column for column in inspector.get_columns(table.name)}
        assert set(columns) == {column.name for column in table.columns}
        for column in table.columns:
            assert columns[column.name]["nullable"] == column.nullable, (table.name, column.name)
    tables = set(inspector.get_table_names())
    assert tables == {table.name for table in Base.metadata.sorted_tables} | {"alembic_version"}


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


def test_sqlite_survives_a_loss_of_power(
    empty_sqlite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the site opens it: the databases of other tests do not wait for the disk (`thrift`)."""
    monkeypatch.setattr(Database, "__init__", unwrap(Database.__init__))
    database = open_database(f"sqlite:///{empty_sqlite}")
    with database.read() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    with database.write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    database.dispose()
    assert found == ["wal", 2, 1]  # synchronous 2 is FULL
