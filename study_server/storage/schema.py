"""The version of a database's tables: making them, upgrading them, refusing newer ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, inspect

from study_server.errors import DatabaseError
from study_server.storage.database import Database, connect_or_explain, parse_url, sqlite_path

MIGRATIONS = Path(__file__).parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


@cache  # for each process: Alembic runs all migrations' files to find it
def head_revision() -> str:
    """Return the version of the tables that this program is written for."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise DatabaseError(f"{MIGRATIONS}: holds no migrations")
    return head


@cache
def known_revisions() -> frozenset[str]:
    """Return every version that this program can upgrade from."""
    scripts = ScriptDirectory.from_config(_config())
    return frozenset(script.revision for script in scripts.walk_revisions())


def current_revision(database: Database) -> str | None:
    """Return the version of a database's tables, None when it has none."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(database: Database, revision: str = "head") -> None:
    """Make or upgrade the tables in one transaction. Raises `DatabaseError` for newer ones."""
    connect_or_explain(database)
    _refuse_newer(database)
    config = _config()
    with _foreign_keys_off(database), database.write() as connection:
        if not database.sqlite:
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")  # waits for whoever reads
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        _check_foreign_keys(connection)


@contextmanager
def _foreign_keys_off(database: Database) -> Iterator[None]:
    """Let SQLite make a table anew that others refer to; PostgreSQL changes tables in place.

    New connections have their foreign keys on (`database`): while these are off, there is one.
    """
    if not database.sqlite:
        yield
        return
    database.dispose()

    def turn_off(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA foreign_keys = OFF")

    event.listen(database.engine, "connect", turn_off)
    try:
        yield
    finally:
        event.remove(database.engine, "connect", turn_off)
        database.dispose()


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise DatabaseError(f"a row of {broken[0]} refers to one that is not there: restore")


def open_database(url: str, *, create: bool = False, pool_size: int = 8) -> Database:
    """Return a database whose tables are at this program's version.

    With `create`, a missing or empty database is made. Raises `DatabaseError` for one that is
    missing, holds other tables, is newer, or is older (`study migrate` upgrades it).
    """
    database = Database(url, pool_size=pool_size)
    if database.sqlite and not create and not sqlite_path(database.url).exists():
        raise DatabaseError(f"{database.url.database}: no such database, `study create` makes one")
    if database.sqlite and create:
        _make_private(sqlite_path(database.url))
    try:
        _prepare(database, create)
    except BaseException:
        database.dispose()
        raise
    return database


def new_sqlite_file(url: str) -> Path | None:
    """Return the file that an SQLite database of this URL would be made in, or None."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite" or sqlite_path(parsed).exists():
        return None
    return sqlite_path(parsed)


def remove_without_study(database: Database, path: Path) -> None:
    """Remove the database's file unless somebody has made a study in it meanwhile."""
    with database.read() as connection:
        if connection.exec_driver_sql("SELECT count(*) FROM study").scalar_one():
            return
    database.dispose()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _make_private(path: Path) -> None:
    """Make a missing file that only its owner can read; SQLite gives its side files that mode."""
    try:
        path.touch(mode=0o600)
    except OSError as error:
        raise DatabaseError(f"{path}: cannot be made ({error.strerror})") from None


def _prepare(database: Database, create: bool) -> None:
    connect_or_explain(database)
    found = current_revision(database)
    if found is None:
        _require_empty(database, create)
        upgrade(database)
    elif found != head_revision():
        _refuse_newer(database)
        raise DatabaseError(
            f"{_shown(database)}: tables are at version {found}, expected {head_revision()}:"
            " run `study migrate`"
        )


def _require_empty(database: Database, create: bool) -> None:
    with database.read() as connection:
        tables = inspect(connection).get_table_names()
    if tables or not create:
        what = (
            f"holds tables that are not ours ({', '.join(sorted(tables)[:3])})"
            if tables
            else "is empty"
        )
        raise DatabaseError(f"{_shown(database)}: {what}, expected a foolrate database")


def _refuse_newer(database: Database) -> None:
    found = current_revision(database)
    if found is not None and found not in known_revisions():
        raise DatabaseError(
            f"{_shown(database)}: tables are at version {found}, newer than this program's"
            f" {head_revision()}: upgrade foolrate"
        )


def _shown(database: Database) -> str:
    return database.url.render_as_string(hide_password=True)
