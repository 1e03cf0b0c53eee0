"""The routes of the admin site. All but the login page need a login; every change is a POST."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, g, make_response, render_template, request
from flask import Response as FlaskResponse
from flask.typing import RouteCallable
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from study_server.web.admin import actions, login, pages, reasons
from study_server.web.throttle import seconds_to_wait

LARGEST_LIST = 8 * 2**20  # bytes of a panel's CSV


def register(app: Flask) -> None:
    """Mount the admin site on an application whose other parts are in place."""
    app.extensions["foolrate judged"] = {}  # study id -> what this worker has read of it
    app.register_blueprint(make_blueprint())


def make_blueprint() -> Blueprint:
    """Return the admin site's blueprint, mounted at /admin."""
    admin = Blueprint("admin", __name__, url_prefix="/admin")
    admin.url_value_preprocessor(_allow_uploads)
    admin.before_request(login.require_login)
    admin.app_template_filter("per_cent")(pages.per_cent)
    admin.app_template_filter("when")(pages.when)
    admin.app_template_filter("seconds")(pages.seconds)
    admin.context_processor(lambda: {"admin": g.get("admin")})
    _add_login(admin)
    _add_pages(admin)
    _add_actions(admin)
    admin.register_error_handler(CSRFError, _stale_form)
    admin.register_error_handler(HTTPException, _refused)
    return admin


def _add_login(admin: Blueprint) -> None:
    admin.add_url_rule("/login", "login", login.show_form, methods=["GET"])
    admin.add_url_rule("/login", "log_in", login.log_in, methods=["POST"])
    admin.add_url_rule("/logout", "log_out", login.log_out, methods=["POST"])


def _add_pages(admin: Blueprint) -> None:
    admin.add_url_rule("/", "studies", pages.studies)
    admin.add_url_rule("/log", "audit_log", pages.audit_log)
    study = "/studies/<int:study_id>"
    admin.add_url_rule(f"{study}/", "study", pages.study)
    admin.add_url_rule(f"{study}/live.json", "live", pages.live)
    admin.add_url_rule(f"{study}/close", "confirm_close", pages.confirm_close)
    rater = f"{study}/raters/<int:number>/withdraw"
    admin.add_url_rule(rater, "confirm_withdraw", pages.confirm_withdraw)
    admin.add_url_rule(f"{study}/reconcile", "reconcile", pages.reconcile_form)
    admin.add_url_rule(f"{study}/reasons", "reasons", reasons.reasons)
    image = f"{study}/images/<int:stimulus>.png"
    admin.add_url_rule(image, "thumbnail", reasons.thumbnail)


def _add_actions(admin: Blueprint) -> None:
    study = "/studies/<int:study_id>"
    rules: dict[str, tuple[str, RouteCallable]] = {
        f"{study}/state": ("set_state", actions.set_study_state),
        f"{study}/export.zip": ("export", actions.export),
        f"{study}/raters/<int:number>/withdraw": ("withdraw", actions.withdraw),
        f"{study}/reconcile": ("reconcile_list", actions.reconcile_list),
    }
    for rule, (endpoint, view) in rules.items():
        admin.add_url_rule(rule, endpoint, view, methods=["POST"])


def _allow_uploads(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    # Runs before the form is parsed for its CSRF token.
    if endpoint == "admin.reconcile_list" and login.current_account() is not None:
        request.max_content_length = LARGEST_LIST


def _stale_form(_error: Exception) -> FlaskResponse:
    return _say("The form is out of date", "Nothing was changed. Go back, reload, try again.", 400)


def _refused(error: Exception) -> FlaskResponse:
    status = getattr(error, "code", None) or 500
    if status == 429:
        response = login.show_form("Too many attempts. Wait a minute, then try again.", 429)
        response.headers["Retry-After"] = str(seconds_to_wait())
        return response
    titles = {404: "There is no such page", 413: "The file is too large"}
    response = _say(titles.get(status, "That did not work"), "Nothing was changed.", status)
    for name, value in getattr(error, "get_headers", list)():
        if name in ("Allow", "Location"):
            response.headers[name] = value
    return response


def unreadable() -> FlaskResponse:
    """Return the page that says that a form held what cannot be stored."""
    return _say("That did not work", "Nothing was changed.", 400)


def busy() -> FlaskResponse:
    """Return the page that says that the database cannot be used at present."""
    return _say("The database is busy", "Nothing was changed. Try again in a moment.", 503)


def _say(title: str, text: str, status: int) -> FlaskResponse:
    page = render_template("admin/message.html", heading=title, text=text)
    return make_response(page, status)
