"""Images in front of Flask: two of three requests are for an image, and need nothing of Flask.

The gate answers ``GET /i/<token>`` from memory with the headers that every page has, and lets
everything else through.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from study_server.sessions.delivery import TRIAL
from study_server.web import monitoring
from study_server.web.security import headers_of

if TYPE_CHECKING:
    from study_server.web.context import Site

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
PREFIX = "/i/"
ROUTE = "/i/<token>"


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
        png = self._image(path.removeprefix(PREFIX))
        status, kind, body = "200 OK", "image/png", png
        if body is None:
            status, kind, body = "404 NOT FOUND", "application/json", b'{"error":"not-found"}'
        length = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        start_response(status, [*length, *self._headers])
        monitoring.observe(ROUTE, int(status[:3]), time.perf_counter() - started)
        return [body]

    def _image(self, token: str) -> bytes | None:
        seen = self._site.tokens.read(token)
        if seen is None or seen.panel == TRIAL:
            return None
        return self._site.stimuli.get(seen.stimulus_id)
