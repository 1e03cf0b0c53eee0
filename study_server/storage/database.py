"""Opening the database: an SQLite file by default, PostgreSQL by URL, the same code on both.

SQLite has one write lock. Reading never takes it: readers have connections of their own, which
cannot write (``query_only``), and see the database as it was when they began, no matter who writes
meanwhile. Writing begins with BEGIN IMMEDIATE: a deferred BEGIN that reads first and writes later
fails under load ("database is locked") instead of waiting its turn.

``synchronous=FULL`` makes each commit survive a loss of power, because a browser that was told
"stored" forgets its copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from study_server.errors import DatabaseError
from study_server.storage.throughput.prepared import HotPath
from study_server.storage.throughput.turns import Queue, Turn

BUSY_TIMEOUT_MS = 15_000
SOON_MS = 500
# PostgreSQL: a row is held for milliseconds, so whoever waits longer waits for a whole table.
LOCK_TIMEOUT_MS = 2_000


class Database:
    """Two ways of reading (`read`, `reading`) and two of writing (`write`, `session`)."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        """Prepare the engine; nothing is opened yet. Raises `DatabaseError` for a URL of no use."""
        self.url = parse_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self._reader = create_engine(self.url, pool_size=pool_size, max_overflow=8)
        if self.sqlite:
            self._reader = create_engine(self.url, pool_size=pool_size, max_overflow=8)
            _configure_sqlite(self.engine, "BEGIN IMMEDIATE")
            _configure_sqlite(self._reader, "BEGIN", read_only=True)
        else:
            _configure_postgresql(self.engine)
        self._autocommit = self._reader.execution_options(isolation_level="AUTOCOMMIT")
        # On SQLite every transaction is a snapshot.
        snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._snapshot = self._reader.execution_options(**({} if self.sqlite else snapshot))
        self._turn = Turn() if self.sqlite else Queue()
        self.hot = HotPath(self.engine, self._turn)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection in autocommit: each statement sees the latest commit."""
        with self._autocommit.connect() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield an ORM session that sees one state of the database, and cannot change it."""
        with Session(self._snapshot, expire_on_commit=False, autoflush=False) as db_session:
            yield db_session

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection inside one write transaction, committed at the end."""
        with self._turn, self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write_soon(self) -> Iterator[Connection]:
        """Yield a connection for one statement, which fails soon if another process is writing."""
        if not self.sqlite:
            with self.engine.begin() as connection:
                yield connection
            return
        autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        with self._turn, autocommit.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {SOON_MS}")
            try:
                yield connection
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Yield an ORM session inside one write transaction, committed at the end."""
        with (
            self._turn,
            Session(self.engine, expire_on_commit=False) as db_session,
            db_session.begin(),
        ):
            yield db_session

    def dispose(self) -> None:
        """Close every connection."""
        self.hot.close()
        self.engine.dispose()
        self._reader.dispose()


def parse_url(url: str) -> URL:
    """Return the URL with its driver filled in. Raises `DatabaseError`."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError(
            f"--database {url!r}: not a URL, expected sqlite:///file.sqlite3 or postgresql://…"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise DatabaseError(
                f"--database {url!r}: names no file, expected sqlite:///file.sqlite3"
            )
        return parsed
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise DatabaseError(f"--database {url!r}: is {backend}, expected sqlite:/// or postgresql://")


def sqlite_path(url: URL) -> Path:
    """Return the file of an SQLite URL."""
    return Path(str(url.database))


def _configure_sqlite(engine: Engine, begin: str, *, read_only: bool = False) -> None:
    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA cache_size = -65536")
        if read_only:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        # What the engine was told, not what SQLite answers: it knows no such level as AUTOCOMMIT.
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql(begin)


def _configure_postgresql(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def set_timeout(connection: Any, _record: Any) -> None:
        # Psycopg begins a transaction by itself, and what is set in it goes if it is rolled back.
        connection.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
        connection.commit()


def connect_or_explain(database: Database) -> None:
    """Open one connection. Raises `DatabaseError` with one line when that is not possible."""
    try:
        with database.read() as connection:
            connection.exec_driver_sql("SELECT 1")
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        shown = database.url.render_as_string(hide_password=True)
        raise DatabaseError(f"{shown}: cannot be opened ({reason})") from None
