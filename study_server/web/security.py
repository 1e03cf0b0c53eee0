"""Headers on every response, and whether a request comes from our own pages."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, Response, abort, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import BadSignature

from study_server.web.settings import Settings

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
# A name, an IPv4 address, or an IPv6 address in brackets; then, perhaps, a port.
_HOST = re.compile(
    r"(?:(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)
_LONGEST_HOST = 253 + len(":65535")
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class CookieSessions(SecureCookieSessionInterface):
    """Flask's signed cookies, which stay good when the clock is set back.

    Flask refuses a cookie of the future: every rater on the site would lose their session's cookie,
    and could begin an open study a second time.
    """

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return what the request's cookie holds, nothing if it is forged or too old."""
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        try:
            cookie = request.cookies.get(self.get_cookie_name(app), "")
            data, signed = serializer.loads(cookie, return_timestamp=True)
        except BadSignature:
            return self.session_class()
        old = time.time() - signed.timestamp() > app.permanent_session_lifetime.total_seconds()
        return self.session_class() if old else self.session_class(data)


def install(app: Flask, settings: Settings) -> None:
    """Add the headers to everything the app answers; let no path through that has a NUL."""
    headers = headers_of(settings)

    @app.before_request
    def refuse_nul() -> None:
        if "\0" in request.path:  # PostgreSQL holds no such text, and says so with an error
            abort(404)

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in headers.items():
            response.headers[name] = value
        if response.location is not None:
            response.location = here(response.location)
            response.set_data(b"")  # the router's own pages repeat the address
        if request.endpoint != "static" and not response.cache_control.public:
            response.headers["Cache-Control"] = "no-store"
        return response


def headers_of(settings: Settings) -> dict[str, str]:
    """Return the headers that every response carries."""
    https = {"Strict-Transport-Security": "max-age=31536000"} if settings.https else {}
    return HEADERS | https


def same_site() -> bool:
    """Return whether the browser says that one of our own pages sent this request.

    A program that sends neither header is let through: it holds the session's token, and no browser
    can be made to leave them out for another site's benefit.
    """
    fetch_site = request.headers.get("Sec-Fetch-Site")
    if fetch_site not in (None, "same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def for_hosts(application: Application) -> Application:
    """Return an application that answers 400 to a `Host` that is neither a name nor an address.

    Werkzeug fails on some of them before the application's own errors are handled.
    """

    def checked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        if not host or (len(host) <= _LONGEST_HOST and _HOST.fullmatch(host)):
            return application(environ, start_response)
        body = b'{"error":"bad-request"}'
        kind = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("400 BAD REQUEST", [*kind, ("Cache-Control", "no-store"), *HEADERS.items()])
        return [body]

    return checked


def here(address: str) -> str:
    """Return an address without its host, which is what the client said: we only lead to ourselves.

    The path never begins with two slashes, which would be a host.
    """
    parts = urlsplit(address)
    path = "/" + parts.path.lstrip("/\\")
    return f"{path}?{parts.query}" if parts.query else path
