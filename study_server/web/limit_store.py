"""Rate limits that all workers of one host count together, in a file that dies with the server.

``shared://`` is what `study serve` uses unless it is given another storage. The file lies in the
server's own folder of temporary files; without a server (tests, one process) it is in memory.

Windows are measured by the clock that nobody can set, which all processes of a host share: set
back two days, the other would lock everybody out for two days.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from limits.storage import Storage

FOLDER_VARIABLE = "FOOLRATE_RUNTIME_FOLDER"  # set by `serve` for its workers
DEFAULT = "shared://"

_COUNT = """
INSERT INTO counter VALUES (:key, :amount, :now + :expiry) ON CONFLICT (key) DO UPDATE SET
count = CASE WHEN ends <= :now THEN :amount ELSE count + :amount END,
ends = CASE WHEN ends <= :now THEN :now + :expiry ELSE ends END
RETURNING count
"""


class SharedStorage(Storage):
    """Counters with an expiry, for windows that begin with the first request."""

    STORAGE_SCHEME = ["shared"]  # noqa: RUF012

    def __init__(
        self, uri: str | None = None, wrap_exceptions: bool = False, **options: Any
    ) -> None:
        """Open the file, which the first worker makes."""
        super().__init__(uri, wrap_exceptions=wrap_exceptions, **options)
        folder = os.environ.get(FOLDER_VARIABLE)
        file = str(Path(folder) / "limits.sqlite3") if folder else ":memory:"
        self._lock = Lock()
        self._database = sqlite3.connect(
            file, timeout=15, isolation_level=None, check_same_thread=False
        )
        # Lost counters harm nobody, so nothing waits for the disk.
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA journal_mode = MEMORY")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS counter (key TEXT PRIMARY KEY, count INTEGER, ends REAL)"
        )

    @property
    def base_exceptions(self) -> type[Exception]:
        """Return what this storage raises."""
        return sqlite3.Error

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, and return the count in the present window."""
        now = time.monotonic()
        values = {"key": key, "amount": amount, "now": now, "expiry": expiry}
        with self._cursor() as cursor:
            count: int = cursor.execute(_COUNT, values).fetchall()[0][0]
            cursor.execute("DELETE FROM counter WHERE ends <= ?", (now,))
        return count

    def get(self, key: str) -> int:
        """Return the count in the present window."""
        found = self._row(key)
        return found[0] if found else 0

    def get_expiry(self, key: str) -> float:
        """Return when the present window ends, in seconds since 1970."""
        found = self._row(key)
        return time.time() + (found[1] - time.monotonic() if found else 0.0)

    def _row(self, key: str) -> tuple[int, float] | None:
        query = "SELECT count, ends FROM counter WHERE key = ? AND ends > ?"
        with self._cursor() as cursor:
            return next(iter(cursor.execute(query, (key, time.monotonic())).fetchall()), None)

    def check(self) -> bool:
        """Return whether the file can be read."""
        try:
            self.get("")
        except sqlite3.Error:
            return False
        return True

    def reset(self) -> int:
        """Forget every count, and return how many there were."""
        with self._cursor() as cursor:
            return cursor.execute("DELETE FROM counter").rowcount

    def clear(self, key: str) -> None:
        """Forget one count."""
        with self._cursor() as cursor:
            cursor.execute("DELETE FROM counter WHERE key = ?", (key,))

    @contextmanager
    def _cursor(self) -> Iterator[sqlite3.Cursor]:
        with self._lock:
            cursor = self._database.cursor()
            try:
                yield cursor
            finally:
                cursor.close()
