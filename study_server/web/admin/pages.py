"""The pages of the admin site: they read and show, and change nothing."""

from __future__ import annotations

from typing import Any

from flask import abort, current_app, jsonify, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from study_server.storage.clock import iso, now_ms
from study_server.storage.models import RaterSession, Study
from study_server.studies.states import MOVES, study_file
from study_server.web.admin.dashboard import queries
from study_server.web.admin.dashboard.judged import judged_of
from study_server.web.admin.dashboard.panels import build
from study_server.web.context import this_site

PANELS = ("headline", "rates", "funnel", "coverage", "times", "trouble", "raters")


def per_cent(share: float | None, digits: int = 0) -> str:
    """Return a share as per cent, an en dash for None."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def when(ms: int | None) -> str:
    """Return stored milliseconds as UTC to the minute, an en dash for None."""
    text = iso(ms)
    return "–" if text is None else text[:16].replace("T", " ")


def seconds(ms: float | None) -> str:
    """Return milliseconds as seconds, an en dash for None."""
    return "–" if ms is None else f"{ms / 1000:.1f} s"


def find(study_id: int) -> Study:
    """Return a study, or end the request with 404."""
    with this_site().database.reading() as db_session:
        study = db_session.get(Study, study_id)
    if study is None:
        abort(404)
    return study


def studies() -> ResponseReturnValue:
    """Return the list of studies, or go to the only one."""
    with this_site().database.read() as connection:
        rows = queries.studies(connection)
    if len(rows) == 1:
        return redirect(url_for("admin.study", study_id=rows[0].id), 303)
    return render_template("admin/studies.html", rows=rows)


def view_of(study: Study) -> dict[str, Any]:
    """Return everything the dashboard's templates need of one study, now."""
    now = now_ms()
    kept = current_app.extensions["foolrate judged"]
    file = study_file(study)
    judged = kept.setdefault(study.id, judged_of(study.id, file))
    with judged.lock, this_site().database.reading() as db_session:
        connection = db_session.connection()
        numbers = build(connection, judged, file, this_site().live_interval, now)
    return {"study": study, "moves": MOVES[study.state], "now": now, **numbers}


def study(study_id: int) -> ResponseReturnValue:
    """Return a study's dashboard."""
    return render_template("admin/study.html", **view_of(find(study_id)))


def live(study_id: int) -> ResponseReturnValue:
    """Return the dashboard's panels as they are now, and its main numbers, as JSON."""
    view = view_of(find(study_id))
    panels = {name: render_template(f"admin/panels/{name}.html", **view) for name in PANELS}
    numbers = {name: view[name] for name in ("judgments", "got", "planned", "funnel", "blocks")}
    return jsonify(at=iso(view["now"]), state=view["study"].state, panels=panels, numbers=numbers)


def confirm_close(study_id: int) -> ResponseReturnValue:
    """Return the page that asks whether a study is to be closed for good."""
    return render_template("admin/close.html", **view_of(find(study_id)))


def confirm_withdraw(study_id: int, number: int) -> ResponseReturnValue:
    """Return the page that asks whether a rater's data are to be deleted."""
    found = find(study_id)
    if rater_id(study_id, number) is None:
        abort(404)
    return render_template("admin/withdraw.html", study=found, number=number)


def rater_id(study_id: int, number: int) -> int | None:
    """Return the session id of a rater by number, None when there is none."""
    query = select(RaterSession.id).where(
        RaterSession.study_id == study_id, RaterSession.number == number
    )
    with this_site().database.read() as connection:
        return connection.execute(query).scalar_one_or_none()


def reconcile_form(study_id: int) -> ResponseReturnValue:
    """Return the page that takes the panel's list."""
    return render_template("admin/reconcile.html", study=find(study_id), found=None, error=None)


def audit_log() -> ResponseReturnValue:
    """Return who did what."""
    with this_site().database.read() as connection:
        entries = queries.audit_entries(connection)
        failed = queries.failed_logins(connection, now_ms())
    return render_template("admin/log.html", entries=entries, failed=failed)
