"""Whether the database can store something now: a full disk still answers every question."""

from __future__ import annotations

import time
from threading import Lock

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from study_server.storage.database import Database

FRESH_S = 2.0  # how long an answer counts, so that asking often costs nothing
_CHANGE_NOTHING = text("UPDATE alembic_version SET version_num = version_num")


class WriteProbe:
    """Tries to write, at most once in `FRESH_S`."""

    def __init__(self, database: Database) -> None:
        """Know nothing yet."""
        self._database = database
        self._lock = Lock()
        self._tried_at: float | None = None
        self._trouble: str | None = None

    def trouble(self) -> str | None:
        """Return why nothing can be stored, in the database's words, None if something can."""
        with self._lock:
            now = time.monotonic()
            if self._tried_at is None or now - self._tried_at > FRESH_S:
                self._trouble = self._try()
                self._tried_at = time.monotonic()
            return self._trouble

    def _try(self) -> str | None:
        try:
            with self._database.write_soon() as connection:
                connection.execute(_CHANGE_NOTHING)
        except SQLAlchemyError as error:
            return reason_of(error)
        return None


def reason_of(error: Exception) -> str:
    """Return the database's own words for an error, one line, without statements and values."""
    words = str(getattr(error, "orig", None) or error).strip().splitlines()
    return words[0] if words else type(error).__name__
