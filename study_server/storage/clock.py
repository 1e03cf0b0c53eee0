"""Time as this package stores it: whole milliseconds since 1970, UTC."""

import time
from datetime import UTC, datetime

CLOCKS_DIFFER_MS = 60_000  # what lies further ahead was stored before the clock was set back


def now_ms() -> int:
    """Return the present time in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def iso(ms: int | None) -> str | None:
    """Return stored milliseconds as ISO 8601 in UTC, to the millisecond; None stays None."""
    if ms is None:
        return None
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
