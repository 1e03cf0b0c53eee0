"""Whose turn it is to write, among the threads of one process.

SQLite has one writer at a time, and those who wait for it sleep and try again. The threads of one
process take turns here instead, and wake as soon as it is theirs. While another process holds the
database's lock, only the thread whose turn it is waits for it; the others give up soon, so that
they can go on serving anybody who reads.
"""

from __future__ import annotations

import time
from threading import Lock, RLock, local
from types import TracebackType

from sqlalchemy.exc import OperationalError

PATIENCE_S = 2.0  # a transaction takes milliseconds


class Turn:
    """A lock that nobody waits for once its holder has been stuck for `PATIENCE_S`."""

    def __init__(self) -> None:
        """Start with nobody's turn."""
        self._lock = RLock()
        self._depth = 0
        self._since: float | None = None

    def __enter__(self) -> None:
        """Wait for the turn. Raises SQLAlchemy's `OperationalError` when it does not come."""
        since = self._since
        stuck = since is not None and time.monotonic() - since > PATIENCE_S
        if not self._lock.acquire(timeout=0 if stuck else PATIENCE_S):
            raise OperationalError(None, None, Exception("database is locked by another process"))
        if not self._depth:
            self._since = time.monotonic()
        self._depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the turn to the next."""
        self._depth -= 1
        if not self._depth:
            self._since = None
        self._lock.release()


class Queue:
    """Lets many write at a time, and one while writing is stuck: the others give up at once.

    For PostgreSQL, where a lock of a whole table would otherwise hold every thread of the site.
    """

    def __init__(self) -> None:
        """Start with nobody writing."""
        self._lock = Lock()
        self._mine = local()
        self._inside = 0
        self._stuck = False

    def __enter__(self) -> None:
        """Begin. Raises SQLAlchemy's `OperationalError` while stuck and another writer tries."""
        depth = getattr(self._mine, "depth", 0)
        if not depth:
            with self._lock:
                if self._stuck and self._inside:
                    raise OperationalError(None, None, Exception("a table is locked"))
                self._inside += 1
        self._mine.depth = depth + 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End: an `OperationalError` says that writing is stuck, anything else that it is not."""
        self._mine.depth -= 1
        if self._mine.depth:
            return
        with self._lock:
            self._inside -= 1
            self._stuck = isinstance(error, OperationalError)
