"""Logging in and out. The cookie holds an account's id and when its password was last changed."""

from __future__ import annotations

from typing import Any

from flask import (
    Response,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from werkzeug.wrappers import Response as WerkzeugResponse

from study_server.storage.clock import now_ms
from study_server.storage.events import audit
from study_server.storage.models import AdminAccount
from study_server.web.admin import accounts
from study_server.web.context import this_site

LONGEST_SESSION_MS = 12 * 3600 * 1000
OPEN_ENDPOINTS = ("admin.login", "admin.log_in")


def require_login() -> WerkzeugResponse | tuple[dict[str, str], int] | None:
    """Let a request pass only with a live login; runs before every route of the admin site."""
    g.admin = current_account()
    if g.admin is not None or request.endpoint in OPEN_ENDPOINTS:
        return None
    if request.path.endswith(".json"):
        return {"error": "login"}, 401
    session.pop("admin", None)
    return redirect(url_for("admin.login"), 303)


def current_account() -> AdminAccount | None:
    """Return whose login this request carries, None without one that still counts."""
    held: Any = session.get("admin")
    if not isinstance(held, dict) or now_ms() - int(held.get("at", 0)) > LONGEST_SESSION_MS:
        return None
    account = accounts.account_by_id(this_site().database, int(held.get("id", 0)))
    if account is None or account.changed_at != held.get("stamp"):
        return None
    return account


def show_form(error: str | None = None, status: int = 200) -> Response:
    """Return the login page."""
    return make_response(render_template("admin/login.html", error=error), status)


def log_in() -> Response | WerkzeugResponse:
    """Check name and password, and start a session that cannot have been fixed beforehand."""
    name = request.form.get("name", "")[:64]
    account = accounts.verify(this_site().database, name, request.form.get("password", ""))
    with this_site().database.session() as db_session:
        # The name as typed is not kept: people type their password into the wrong field.
        actor = account.name if account else "unknown"
        audit(db_session, actor, "login" if account else "login failed")
    if account is None:
        return show_form("The name or the password is wrong.", 401)
    session.clear()
    session["admin"] = {"id": account.id, "stamp": account.changed_at, "at": now_ms()}
    return redirect(url_for("admin.studies"), 303)


def log_out() -> WerkzeugResponse:
    """End the session."""
    with this_site().database.session() as db_session:
        audit(db_session, g.admin.name, "logout")
    session.clear()
    return redirect(url_for("admin.login"), 303)
