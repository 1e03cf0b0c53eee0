"""Images in front of Flask: two of three requests are for an image, and need nothing of Flask.

The gate answers ``GET /i/<token>`` from memory with the headers that every page has, and lets
everything else through.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from study_server.sessions.answering.tokens import TRIAL
from study_server.web import monitoring
from study_server.web.security import headers_of

if TYPE_CHECKING:
    from study_server.web.context import Site

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
PREFIX = "/i/"
ROUTE = "/i/<token>"


JSON = ("Content-Type", "application/json")
Reply = tuple[str, list[tuple[str, str]], bytes]  # status, headers, body
BUSY: Reply = ("503 SERVICE UNAVAILABLE", [JSON, ("Retry-After", "1")], b'{"error":"busy"}')


def _reply(png: bytes | None) -> Reply:
    if png is None:
        return "404 NOT FOUND", [JSON], b'{"error":"not-found"}'
    return "200 OK", [("Content-Type", "image/png")], png


class ImageGate:
    """A WSGI application that serves images, and asks another for the rest."""

    def __init__(self, application: Application, site: Site) -> None:
        """Stand before an application."""
        self._application, self._site = application, site
        headers = headers_of(site.settings) | {"Cache-Control": "no-store"}
        self._headers = [*headers.items()]

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX) or environ.get("REQUEST_METHOD") != "GET":
            return self._application(environ, start_response)
        started = time.perf_counter()
        try:
            status, headers, body = _reply(self._image(path.removeprefix(PREFIX)))
        except SQLAlchemyError as error:
            monitoring.note_trouble(error)
            status, headers, body = BUSY
        length = ("Content-Length", str(len(body)))
        start_response(status, [*headers, length, *self._headers])
        monitoring.observe(ROUTE, int(status[:3]), time.perf_counter() - started)
        return [body]

    def _image(self, token: str) -> bytes | None:
        seen = self._site.tokens.read(token)
        if seen is None or seen.panel == TRIAL:
            return None
        return self._site.stimuli.get(seen.stimulus_id)
