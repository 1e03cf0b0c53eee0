"""Whose turn it is to write, among the threads of one process.

SQLite has one writer at a time, and those who wait for it sleep and try again. The threads of one
process take turns here instead, and wake as soon as it is theirs. While another process holds the
database's lock, only the thread whose turn it is waits for it; the others give up soon, so that
they can go on serving anybody who reads.
"""

from __future__ import annotations

import time
from collections import deque
from threading import Condition, Lock, get_ident, local
from types import TracebackType

from sqlalchemy.exc import OperationalError

PATIENCE_S = 2.0  # a transaction takes milliseconds


class Turn:
    """A lock that is had in order of coming, and not waited for while its holder is stuck.

    A holder is stuck after `PATIENCE_S`. How long somebody has waited says nothing of that: on a
    slow machine many may have had their turn meanwhile.
    """

    def __init__(self) -> None:
        """Start with nobody's turn."""
        self._changed = Condition()
        self._waiting: deque[object] = deque()
        self._holder: int | None = None
        self._since = 0.0
        self._depth = 0

    def __enter__(self) -> None:
        """Wait for the turn. Raises SQLAlchemy's `OperationalError` where its holder is stuck."""
        with self._changed:
            if self._holder != get_ident():
                self._wait()
                self._holder, self._since = get_ident(), time.monotonic()
            self._depth += 1

    def _wait(self) -> None:
        mine = object()
        self._waiting.append(mine)
        try:
            while self._holder is not None or self._waiting[0] is not mine:
                if self._patience() < 0:
                    raise OperationalError(
                        None, None, Exception("database is locked by another process")
                    )
                self._changed.wait(self._patience())
        finally:
            self._waiting.remove(mine)
            self._changed.notify_all()

    def _patience(self) -> float:
        held = 0.0 if self._holder is None else time.monotonic() - self._since
        return PATIENCE_S - held

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the turn to the next."""
        with self._changed:
            self._depth -= 1
            if not self._depth:
                self._holder = None
                self._changed.notify_all()


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
