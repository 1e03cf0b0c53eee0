"""The two statements of every answer, without SQLAlchemy's work on every call.

A Core statement is compiled once and then given to the driver. Each thread keeps a connection of
its own for them, so nothing is checked out or reset between requests.

On SQLite the answers of a worker that wait at the same time are committed together: one
``synchronous=FULL`` commit costs a flush of the disk, whatever it holds. None of them is
acknowledged before that commit. PostgreSQL does the same by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock, local
from typing import Any, TypeVar, cast

from sqlalchemy import Engine, Executable
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import IntegrityError, OperationalError

from study_server.storage.throughput.turns import Queue, Turn

Row = tuple[Any, ...]
T = TypeVar("T")

MOST_TOGETHER = 64  # answers of one commit


class Prepared:
    """A statement compiled for one database's driver."""

    def __init__(self, statement: Executable, engine: Engine) -> None:
        """Compile it."""
        compiled: Any = statement.compile(dialect=engine.dialect)  # type: ignore[attr-defined]
        self.text = str(compiled)
        self._names: list[str] | None = compiled.positiontup

    def values(self, given: Mapping[str, Any]) -> Mapping[str, Any] | list[Any]:
        """Return the values as the driver takes them: by position or by name."""
        if self._names is None:
            return given
        return [given[name] for name in self._names]


Run = Callable[[Executable, Mapping[str, Any]], int]  # executes a statement, returns its row count
Operation = Callable[[Run], bool]  # may be run again: the first commit may fail for another's sake


class _Waiting:
    """One operation, until it is committed or has failed."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.done = False
        self.result = False
        self.error: Exception | None = None

    def settle(self, result: bool, error: Exception | None = None) -> None:
        self.result, self.error, self.done = result, error, True

    def outcome(self) -> bool:
        if self.error is not None:
            raise self.error
        return self.result


class HotPath:
    """Runs prepared statements on connections that are kept, one a thread and one for writing."""

    def __init__(self, engine: Engine, turn: Turn | Queue) -> None:
        """Connect when first asked. `turn` is held while this process writes."""
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._turn = turn
        self._mine = local()
        self._all: list[DBAPIConnection] = []
        self._prepared: dict[Executable, Prepared] = {}  # which keeps them, so none is mistaken
        self._writer: DBAPIConnection | None = None
        self._queue: list[_Waiting] = []
        self._lock = Lock()

    def read(self, statement: Executable, values: Mapping[str, Any]) -> Row | None:
        """Return the first row as a tuple, or None, in autocommit.

        `statement` is a module's constant: it is compiled once, and never forgotten.
        """
        prepared = self._prepare(statement)
        return self._try(lambda cursor: _first(cursor, prepared, values))

    def write(self, operation: Operation) -> bool:
        """Run an operation in a transaction; what it returned, once that is committed.

        Raises SQLAlchemy's `IntegrityError`: nothing of it is stored. Raises `OperationalError`: it
        is not known to be stored, and may be sent again.
        """
        if not self._sqlite:
            with self._turn:
                return self._try(lambda cursor: operation(self._runner(cursor)))
        waiting = _Waiting(operation)
        with self._lock:
            self._queue.append(waiting)
        try:
            with self._turn:
                while not waiting.done:
                    self._commit_waiting()
        except OperationalError:
            self._give_up(waiting)
            raise
        return waiting.outcome()

    def _give_up(self, waiting: _Waiting) -> None:
        with self._lock, suppress(ValueError):  # where another thread is at it
            self._queue.remove(waiting)

    def close(self) -> None:
        """Close every connection; the next statement opens new ones."""
        with self._lock:
            connections, self._all, self._writer = self._all, [], None
            self._mine = local()
        for connection in connections:
            with suppress(Exception):
                connection.close()

    def _commit_waiting(self) -> None:
        with self._lock:
            batch, self._queue = self._queue[:MOST_TOGETHER], self._queue[MOST_TOGETHER:]
        try:
            results = self._together([waiting.operation for waiting in batch])
        except Exception as error:
            # A locked database or a full disk is the same for all.
            apart = len(batch) > 1 and not isinstance(error, OperationalError)
            for waiting in batch:
                self._alone(waiting) if apart else waiting.settle(False, error)
            return
        except BaseException:  # this thread is being stopped: let none of the others wait for it
            for waiting in batch:
                waiting.settle(False, OperationalError(None, None, Exception("stopped")))
            raise
        for waiting, result in zip(batch, results, strict=True):
            waiting.settle(result)

    def _alone(self, waiting: _Waiting) -> None:
        # One of several failed and took the others' work back with it: each by itself, then.
        try:
            waiting.settle(self._together([waiting.operation])[0])
        except Exception as error:
            waiting.settle(False, error)

    def _together(self, operations: list[Operation]) -> list[bool]:
        if self._writer is None:
            self._writer = self._connect()
        cursor = self._writer.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE")
            results = [operation(self._runner(cursor)) for operation in operations]
            cursor.execute("COMMIT")
        except BaseException as error:
            with suppress(Exception):
                cursor.execute("ROLLBACK")
            raise self._translated(error) from error
        finally:
            cursor.close()
        return results

    def _runner(self, cursor: DBAPICursor) -> Run:
        def run(statement: Executable, values: Mapping[str, Any]) -> int:
            prepared = self._prepare(statement)
            cursor.execute(prepared.text, prepared.values(values))
            count: int = cursor.rowcount
            return count

        return run

    def _prepare(self, statement: Executable) -> Prepared:
        found = self._prepared.get(statement)
        if found is None:
            found = self._prepared[statement] = Prepared(statement, self._engine)
        return found

    def _try(self, use: Callable[[DBAPICursor], T]) -> T:
        connection: DBAPIConnection | None = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._mine.connection = self._connect()
        try:
            cursor = connection.cursor()
            try:
                return use(cursor)
            finally:
                cursor.close()
        except Exception as error:
            translated = self._translated(error)
            if isinstance(translated, OperationalError):
                self._forget(connection)
            raise translated from error

    def _connect(self) -> DBAPIConnection:
        kept = self._engine.raw_connection()
        connection = cast(DBAPIConnection, kept.driver_connection)
        kept.detach()  # from the pool: it is ours until it is closed
        if not self._sqlite:
            connection.autocommit = True
        with self._lock:
            self._all.append(connection)
        return connection

    def _forget(self, connection: DBAPIConnection) -> None:
        self._mine.connection = None
        with self._lock, suppress(ValueError):
            self._all.remove(connection)
        with suppress(Exception):
            connection.close()

    def _translated(self, error: BaseException) -> BaseException:
        driver: Any = self._engine.dialect.dbapi
        # Without the values: errors are logged, and values are a person's.
        if isinstance(error, driver.IntegrityError):
            return IntegrityError(None, None, error)
        if isinstance(error, driver.OperationalError | driver.InterfaceError):
            return OperationalError(None, None, error)
        return error


def _first(cursor: DBAPICursor, statement: Prepared, values: Mapping[str, Any]) -> Row | None:
    # All rows are fetched: a statement left half read would keep its old view of the database.
    cursor.execute(statement.text, statement.values(values))
    rows = cursor.fetchall()
    return rows[0] if rows else None
