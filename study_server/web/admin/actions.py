"""What the admin site can change: a study's state, a rater's data. Each is logged."""

from __future__ import annotations

from flask import Response, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from study_server.errors import StateError, StudyError
from study_server.export import panel_list
from study_server.export.reconcile import to_csv
from study_server.sessions.entering.withdrawal import withdraw_session
from study_server.storage.events import audit
from study_server.storage.models import Study
from study_server.studies.states import set_state
from study_server.web.admin.pages import find, rater_id
from study_server.web.admin.zipped import zipped_export
from study_server.web.context import this_site

SAID = {
    "open": "The study is open: raters can come.",
    "paused": "The study is paused: no new raters, and those under way wait.",
    "closed": "The study is closed.",
}


def set_study_state(study_id: int) -> ResponseReturnValue:
    """Open, pause, resume or close a study."""
    wanted = request.form.get("state", "")
    if wanted not in SAID:
        abort(400)
    try:
        with this_site().database.session() as db_session:
            study = db_session.get(Study, study_id) or abort(404)
            set_state(db_session, study, wanted, g.admin.name)
    except StateError as error:
        flash(str(error), "error")
    else:
        flash(SAID[wanted], "done")
    return redirect(url_for("admin.study", study_id=study_id), 303)


def withdraw(study_id: int, number: int) -> ResponseReturnValue:
    """Delete a rater's data, once the number was typed again."""
    if request.form.get("confirm", "").strip() != str(number):
        flash(f"Nothing was deleted: type {number} to confirm.", "error")
        return redirect(url_for("admin.confirm_withdraw", study_id=study_id, number=number), 303)
    session_id = rater_id(study_id, number)
    if session_id is None:
        abort(404)
    try:
        with this_site().database.session() as db_session:
            count = withdraw_session(db_session, session_id, g.admin.name)
    except StateError as error:
        flash(str(error), "error")
    else:
        flash(f"Rater {number} was withdrawn; {count} judgments were deleted.", "done")
    return redirect(url_for("admin.study", study_id=study_id), 303)


def export(study_id: int) -> ResponseReturnValue:
    """Return the study's export folder as a zip file."""
    study = find(study_id)
    with this_site().database.session() as db_session:
        audit(db_session, g.admin.name, "export", study_id)
    try:
        data = zipped_export(this_site().database, study)
    except StudyError as error:
        flash(str(error), "error")
        return redirect(url_for("admin.study", study_id=study_id), 303)
    name = f"{study.slug}-v{study.version}.zip"
    response = Response(data, mimetype="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def reconcile_list(study_id: int) -> ResponseReturnValue:
    """Compare an uploaded list with the database, and show or download the suggestions."""
    study = find(study_id)
    upload = request.files.get("list")
    try:
        if upload is None or not upload.filename:
            raise StudyError("no file was chosen, expected the panel's CSV")
        text = panel_list.decode(upload.read(), upload.filename)
        columns = {k: v for k in panel_list.ROLES if (v := request.form.get(k, "").strip())}
        site = this_site()
        found = panel_list.compare(
            site.database, site.settings.secret, study, text, name=upload.filename, columns=columns
        )
    except StudyError as error:
        page = render_template("admin/reconcile.html", study=study, found=None, error=str(error))
        return page, 422
    if request.form.get("as") == "csv":
        response = Response(to_csv(found), mimetype="text/csv")
        response.headers["Content-Disposition"] = 'attachment; filename="reconciled.csv"'
        return response
    return render_template("admin/reconcile.html", study=study, found=found, error=None)
