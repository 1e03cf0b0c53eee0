"""How raters get in: the consent page, what the link says of them, and who is known already."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, make_response, redirect, render_template, request
from flask import session as cookie
from sqlalchemy import select
from werkzeug.wrappers import Response as AnyResponse

from study_server.config import StudyFile
from study_server.sessions import leases
from study_server.sessions.providers import (
    INVITATION_PARAMETER,
    SIMULATION_PARAMETER,
    identifier,
    panel_of,
)
from study_server.storage.identity import panel_hash, session_token, simulation_pass, token_hash
from study_server.storage.models import Invitation, RaterSession, Study
from study_server.web.context import this_site
from study_server.web.rater.i18n import current_language, offer
from study_server.web.rater.messages import about, message
from study_server.web.throttle import limiter

entrance = Blueprint("entrance", __name__)


@entrance.get("/s/<slug>/")
def entry(slug: str) -> AnyResponse:
    """Show the consent page; nothing is stored, so that link previewers may look."""
    found = _newcomer(slug)
    if isinstance(found, AnyResponse):
        return found
    file, arrival = found
    page = render_template(
        "rater/consent.html",
        study=about(file, arrival.simulated),
        minutes=file.study.minutes,
        trials=file.design.trials + file.catch.trials,
        pay=file.study.pay,
        step=0,
    )
    return make_response(page)


@entrance.post("/s/<slug>/")
@limiter.limit(lambda: current_app.config["FOOLRATE_ENTRY_LIMIT"])
def consent(slug: str) -> AnyResponse:
    """Make the session of a rater who agrees, or note that one does not."""
    found = _newcomer(slug)
    if isinstance(found, AnyResponse):
        return found
    file, arrival = found
    if request.form.get("agree") not in ("yes", "no"):
        return message("bad-form", about(file))
    site = this_site()
    try:
        token = leases.arrive(site.database, site.settings.secret, arrival)
    except leases.InvitationUsedError:
        return message("used", about(file))
    cookie[f"study:{slug}"] = token
    return redirect(f"/r/{token}/", 303)


def _newcomer(slug: str) -> Any:
    """Return the study's file and an arrival that may begin; else what to answer."""
    found = _entry(slug)
    if isinstance(found, AnyResponse):
        return found
    study, file, arrival = found
    known = _known(study, arrival)
    if known:
        return redirect(f"/r/{known}/", 303)
    if study.state != "open":
        return message("paused" if study.state == "paused" else "closed", about(file))
    return file, arrival


def _entry(slug: str) -> Any:
    """Return (study's row, its file, what is known of the rater), or the page that says why not."""
    site = this_site()
    query = (
        select(Study.id, Study.slug, Study.state)
        .where(Study.slug == slug, Study.state != "draft")
        .order_by(Study.version.desc())
        .limit(1)
    )
    with site.database.read() as connection:
        study = connection.execute(query).first()
    if study is None:
        return message("not-found")
    file = site.book.file(study.id)
    offer(file.study.languages)
    panel = panel_of(file.provider)
    panel_id = identifier(request.args, panel.id_parameter)
    submission = identifier(request.args, panel.submission_parameter)
    if panel.needs_id and panel_id is None:
        return message("missing-id", about(file))
    invitation = None
    if file.provider.kind == "invitation":
        invitation = _invitation(study.id, slug, file)
        if isinstance(invitation, AnyResponse):
            return invitation
    secret = site.settings.secret
    arrival = leases.Arrival(
        study_id=study.id,
        agrees=request.form.get("agree") == "yes",
        provider=file.provider.kind,
        language=current_language(),
        lease_ms=int(file.lease.minutes * 60_000),
        panel_id=panel_id,
        panel_hash=panel_hash(secret, slug, panel_id) if panel_id else None,
        submission_hash=panel_hash(secret, slug, submission) if submission else None,
        invitation_id=invitation,
        simulated=request.args.get(SIMULATION_PARAMETER) == simulation_pass(secret, slug),
    )
    return study, file, arrival


def _invitation(study_id: int, slug: str, file: StudyFile) -> Any:
    hashed = token_hash(request.args.get(INVITATION_PARAMETER, ""))
    query = select(Invitation.id, Invitation.session_id).where(
        Invitation.study_id == study_id, Invitation.token_hash == hashed
    )
    site = this_site()
    with site.database.read() as connection:
        row = connection.execute(query).first()
        if row is None:
            return message("not-found", about(file))
        if row.session_id is None:
            return row.id
        used_by = select(RaterSession.number).where(RaterSession.id == row.session_id)
        number = connection.execute(used_by).scalar_one()
    token = session_token(site.settings.secret, study_id, number)
    if cookie.get(f"study:{slug}") == token:
        return redirect(f"/r/{token}/", 303)
    return message("used", about(file))


def _known(study: Any, arrival: leases.Arrival) -> str | None:
    site = this_site()
    known = leases.known_token(site.database, site.settings.secret, study.id, arrival.panel_hash)
    if known or arrival.panel_hash:
        return known
    token = cookie.get(f"study:{study.slug}")
    return token if token and _exists(token) else None


def _exists(token: str) -> bool:
    query = select(RaterSession.id).where(RaterSession.token_hash == token_hash(token))
    with this_site().database.read() as connection:
        return connection.execute(query).first() is not None
