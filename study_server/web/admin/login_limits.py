"""How many log-ins are tried, by whom: each sender, each network, all together, known browsers.

Guessing from many addresses is stopped by the limit for all together. So that it cannot lock
researchers out, a browser that has logged in before is counted by itself, by a cookie that only we
can make; and whoever comes from the host itself (an SSH tunnel) is not in that count either.
"""

from __future__ import annotations

import secrets

from flask import request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from study_server.storage.identity import derive
from study_server.web.context import this_site
from study_server.web.throttle import from_this_host, network, sender, within

COOKIE = "known_browser"
COOKIE_S = 180 * 24 * 3600
SENDER_LIMIT = "5 per minute; 30 per hour"
NETWORK_LIMIT = "10 per minute; 60 per hour"
TOTAL_LIMIT = "20 per minute; 200 per hour"
KNOWN_LIMIT = "10 per minute; 60 per hour"


def may_try() -> bool:
    """Count a log-in, and return whether it may be tried. The narrowest limit is looked at first.

    Who is over a narrow limit is not counted in the wider ones.
    """
    browser = _browser()
    if browser is not None:
        return _within(KNOWN_LIMIT, "browser", browser)
    return (
        _within(SENDER_LIMIT, "sender", sender())
        and _within(NETWORK_LIMIT, "network", network())
        and (from_this_host() or _within(TOTAL_LIMIT, "everybody"))
    )


def _within(limits: str, *key: str) -> bool:
    return all(within(limit, "log-in", *key) for limit in limits.split("; "))


def remember(response: Response, name: str) -> Response:
    """Return the response with the cookie by which this browser is known for an account."""
    value = _signer().dumps([secrets.token_hex(8), name])
    response.set_cookie(
        COOKIE,
        value,
        max_age=COOKIE_S,
        path="/admin",
        secure=this_site().settings.https,
        httponly=True,
        samesite="Strict",
    )
    return response


def _browser() -> str | None:
    """Return the browser's number, if it has logged in to the account that it now asks for."""
    try:
        browser, name = _signer().loads(request.cookies.get(COOKIE, ""), max_age=COOKIE_S)
    except (BadSignature, ValueError, TypeError):
        return None
    return str(browser) if name == request.form.get("name", "")[:64] else None


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(derive(this_site().settings.secret, "known browsers"))
