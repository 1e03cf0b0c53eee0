"""The application factory."""

from __future__ import annotations

import sqlite3
from typing import Any

from flask import Flask, Response, request
from flask_wtf.csrf import CSRFError, CSRFProtect
from sqlalchemy.exc import DataError, OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter, Map

from study_server.sessions.answering.answers import Refusal
from study_server.storage.database import Database
from study_server.storage.identity import derive
from study_server.storage.schema import open_database
from study_server.web import monitoring, security
from study_server.web.admin import blueprint as admin
from study_server.web.context import LiveInterval, make_site
from study_server.web.image_gate import ImageGate
from study_server.web.limit_store import SharedStorage  # noqa: F401 - registers shared://
from study_server.web.rater import i18n
from study_server.web.rater.api import api, refuse
from study_server.web.rater.entrance import entrance
from study_server.web.rater.messages import message
from study_server.web.rater.pages import pages
from study_server.web.results import page as results
from study_server.web.settings import Settings
from study_server.web.throttle import limiter, seconds_to_wait

MAX_FORM = 64 * 1024


class SmallNumber(IntegerConverter):
    """A number in a path that fits into a column of every database; others are no such page."""

    def __init__(self, url_map: Map, *arguments: Any, **options: Any) -> None:
        """Take the options of Werkzeug's converter."""
        super().__init__(url_map, *arguments, **({"max": 2**31 - 1} | options))


def create_app(
    settings: Settings,
    *,
    database: Database | None = None,
    live_interval: LiveInterval | None = None,
) -> Flask:
    """Return the site on a database that exists and is at this program's version.

    `live_interval` gives the dashboard the one interval that may be looked at while data come in;
    it is handed in, because this package imports no statistics.
    """
    app = Flask(__name__, static_url_path="/static")
    app.url_map.converters["int"] = SmallNumber
    app.session_interface = security.CookieSessions()
    _configure(app, settings)
    database = database or open_database(settings.database_url, pool_size=settings.pool_size)
    site = make_site(settings, database, live_interval)
    app.extensions["foolrate"] = site
    app.wsgi_app = ImageGate(app.wsgi_app, site)  # type: ignore[method-assign]
    security.install(app, settings)
    monitoring.install(app)
    i18n.install(app)
    csrf = CSRFProtect(app)
    limiter.init_app(app)
    app.register_blueprint(entrance)
    app.register_blueprint(pages)
    app.register_blueprint(api)
    limiter.exempt(api)
    csrf.exempt(api)  # JSON is guarded by Origin and Sec-Fetch-Site, see security.same_site
    admin.register(app)
    results.register(app)
    _handle_errors(app)
    return app


def _configure(app: Flask, settings: Settings) -> None:
    app.config.update(
        SECRET_KEY=derive(settings.secret, "cookies").hex(),
        # A browser takes a cookie of this name from this host only, and only by TLS: nobody can
        # give a rater a number of their own before the rater comes.
        SESSION_COOKIE_NAME="__Host-session" if settings.https else "session",
        SESSION_COOKIE_SECURE=settings.https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,  # a rater may read the consent page for as long as they like
        WTF_CSRF_SSL_STRICT=False,  # our pages send no referrer at all
        MAX_CONTENT_LENGTH=MAX_FORM,
        MAX_FORM_PARTS=100,
        RATELIMIT_STORAGE_URI=settings.limiter_storage,
        RATELIMIT_ENABLED=settings.limits,
        FOOLRATE_LOOK_LIMIT=settings.look_limit,
        FOOLRATE_ENTRY_LIMIT=settings.entry_limit,
        SESSION_REFRESH_EACH_REQUEST=False,  # a rater's cookie lasts a month, set once
    )
    app.wsgi_app = security.for_hosts(app.wsgi_app)  # type: ignore[method-assign,assignment]
    if settings.proxies:
        hops = settings.proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )


def _handle_errors(app: Flask) -> None:
    @app.errorhandler(CSRFError)
    def no_token(_error: CSRFError) -> Response:
        return message("bad-form")

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        return _refused(error)

    @app.errorhandler(OperationalError)
    @app.errorhandler(sqlite3.OperationalError)
    def database_busy(error: OperationalError | sqlite3.OperationalError) -> Response:
        monitoring.note_trouble(error)
        if request.blueprint == api.name:
            return refuse(Refusal(503, "busy"))
        page = admin.busy() if request.blueprint == "admin" else message("busy")
        page.headers["Retry-After"] = "1"
        return page

    @app.errorhandler(DataError)
    def not_storable(_error: DataError) -> Response:
        """Answer what no column of the database holds, as a NUL in a text of PostgreSQL's."""
        if request.blueprint == api.name:
            return refuse(Refusal(400, "bad-request"))
        return admin.unreadable() if request.blueprint == "admin" else message("bad-form")

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        monitoring.log.exception("failed", route=str(request.url_rule), exc_info=error)
        return message("error")


def _refused(error: HTTPException) -> Response:
    status = error.code or 500
    kind = {404: "not-found", 429: "too-many"}.get(status, "error" if status >= 500 else "bad-form")
    if request.is_json:
        response = refuse(Refusal(status, "too-large" if status == 413 else "bad-request"))
    else:
        response = message(kind)
        response.status_code = status
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After", "Location"):
            response.headers[name] = value
    if status == 429:
        response.headers.setdefault("Retry-After", str(seconds_to_wait()))
    return response
