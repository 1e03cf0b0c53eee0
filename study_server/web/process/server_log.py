"""gunicorn's own log as lines of JSON, without what a client sent: paths hold tokens."""

from __future__ import annotations

import json
import sys
import time
import traceback
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]


class ServerLog(Logger):  # type: ignore[misc]
    """Writes warnings and worse; of a request that failed, only how."""

    def warning(self, message: Any, *arguments: Any, **_options: Any) -> None:
        """Log a warning, without the address that gunicorn puts into some."""
        if str(message).startswith("Invalid request"):
            _write("warning", "invalid request", reason=_kind())
        else:
            _write("warning", _filled(message, arguments))

    def error(self, message: Any, *arguments: Any, **_options: Any) -> None:
        """Log an error."""
        _write("error", _filled(message, arguments))

    def critical(self, message: Any, *arguments: Any, **_options: Any) -> None:
        """Log what ends the server."""
        _write("critical", _filled(message, arguments))

    def exception(self, message: Any, *arguments: Any, **_options: Any) -> None:
        """Log the exception at hand; its words only where no request can have put them there."""
        _, error, trace = sys.exc_info()
        more = {"exception": _kind(), "trace": "".join(traceback.format_tb(trace))}
        if "request" in str(message).lower():
            _write("error", "a request failed", **more)
        else:
            _write("error", _filled(message, arguments), words=str(error), **more)


def _kind() -> str:
    return type(sys.exc_info()[1]).__name__


def _filled(message: Any, arguments: tuple[Any, ...]) -> str:
    return str(message) % arguments if arguments else str(message)


def _write(level: str, event: str, **more: str) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"source": "gunicorn", "event": event, **more, "level": level, "timestamp": at}
    print(json.dumps(line, ensure_ascii=False), file=sys.stderr, flush=True)
