"""Logging in and out. The cookie holds a random number; the database says whose login it is."""

from __future__ import annotations

from flask import (
    Response,
    abort,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from werkzeug.wrappers import Response as WerkzeugResponse

from study_server.storage.events import audit
from study_server.storage.models import AdminAccount
from study_server.web.admin import accounts, login_limits
from study_server.web.admin.dashboard.queries import FAILED_LOGIN
from study_server.web.admin.passwords import BusyError
from study_server.web.context import this_site

OPEN_ENDPOINTS = ("admin.login", "admin.log_in")
COOKIE_KEY = "login"


def require_login() -> WerkzeugResponse | tuple[dict[str, str], int] | None:
    """Let a request pass only with a live login; runs before every route of the admin site."""
    g.admin = current_account()
    if g.admin is not None or request.endpoint in OPEN_ENDPOINTS:
        return None
    if request.path.endswith(".json"):
        return {"error": "login"}, 401
    session.pop(COOKIE_KEY, None)
    return redirect(url_for("admin.login"), 303)


def current_account() -> AdminAccount | None:
    """Return whose login this request carries, None without one that still counts."""
    token = session.get(COOKIE_KEY)
    return accounts.account_of(this_site().database, token) if isinstance(token, str) else None


def show_form(error: str | None = None, status: int = 200) -> Response:
    """Return the login page."""
    return make_response(render_template("admin/login.html", error=error), status)


def log_in() -> Response | WerkzeugResponse:
    """Check name and password, and start a session that cannot have been fixed beforehand."""
    if not login_limits.may_try():
        abort(429)
    name = request.form.get("name", "")[:64].replace("\0", "")
    site = this_site()
    try:
        account = accounts.verify(site.database, name, request.form.get("password", ""))
    except BusyError:
        response = show_form("Somebody else is logging in. Try again in a moment.", 503)
        response.headers["Retry-After"] = "1"
        return response
    with site.database.session() as db_session:
        if account is None:
            # The name as typed is not kept: people type their password into the wrong field.
            audit(db_session, "unknown", FAILED_LOGIN)
            return show_form("The name or the password is wrong.", 401)
        audit(db_session, account.name, "login")
        token = accounts.begin_login(db_session, account)
    session.clear()
    session[COOKIE_KEY] = token
    return login_limits.remember(redirect(url_for("admin.studies"), 303), account.name)


def log_out() -> WerkzeugResponse:
    """End the login, for every copy of its cookie."""
    with this_site().database.session() as db_session:
        accounts.end_login(db_session, session[COOKIE_KEY])
        audit(db_session, g.admin.name, "logout")
    session.clear()
    return redirect(url_for("admin.login"), 303)
