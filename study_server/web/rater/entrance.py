"""How raters get in: what the link says of them, who is known already, the consent page."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, current_app, make_response, redirect, render_template, request
from flask import session as cookie
from sqlalchemy import Row, select
from werkzeug.wrappers import Response as AnyResponse

from study_server.config import StudyFile
from study_server.sessions.entering import leases
from study_server.sessions.entering.arrivals import (
    Arrival,
    InvitationUsedError,
    Known,
    UnprovedError,
    arrive,
    find_known,
)
from study_server.sessions.entering.providers import (
    INVITATION_PARAMETER,
    SIGNATURE_PARAMETER,
    SIMULATION_PARAMETER,
    Panel,
    UnfilledError,
    identifier,
    panel_of,
)
from study_server.storage.identity import (
    link_signature,
    new_token,
    panel_hash,
    simulation_pass,
    token_hash,
)
from study_server.storage.models import Invitation, RaterSession, Study
from study_server.web.context import this_site
from study_server.web.rater.i18n import current_language, offer
from study_server.web.rater.messages import about, message
from study_server.web.throttle import limiter
from study_server.words import in_language

entrance = Blueprint("entrance", __name__)

BROWSER = "browser"  # in the cookie: a random number by which a rater's browser is known again


@dataclass(frozen=True)
class Link:
    """A study's link as a browser opened it."""

    slug: str
    state: str  # of the study
    file: StudyFile
    arrival: Arrival


def _is_simulated() -> bool:
    """Return whether a simulated rater sent this request; those are not limited."""
    slug = (request.view_args or {}).get("slug", "")
    expected = simulation_pass(this_site().settings.secret, slug)
    return hmac.compare_digest(
        request.args.get(SIMULATION_PARAMETER, "").encode(), expected.encode()
    )


@entrance.get("/s/<slug>/")
@limiter.limit(lambda: current_app.config["FOOLRATE_LOOK_LIMIT"], exempt_when=_is_simulated)
def entry(slug: str) -> AnyResponse:
    """Show the consent page; nothing is stored, so that link previewers may look."""
    link = _newcomer(slug)
    file = link.file
    page = render_template(
        "rater/consent.html",
        study=about(file, link.arrival.simulated),
        minutes=file.study.minutes,
        trials=file.design.trials + file.catch.trials,
        pay=in_language(file.study.pay, current_language()) if file.study.pay else None,
        step=0,
    )
    return make_response(page)


@entrance.post("/s/<slug>/")
@limiter.limit(lambda: current_app.config["FOOLRATE_ENTRY_LIMIT"], exempt_when=_is_simulated)
def consent(slug: str) -> AnyResponse:
    """Make the session of a rater who agrees, or note that one does not."""
    link = _newcomer(slug)
    if request.form.get("agree") not in ("yes", "no"):
        abort(message("bad-form", about(link.file)))
    site = this_site()
    try:
        token = arrive(site.database, site.settings.secret, link.arrival)
    except InvitationUsedError:
        abort(message("used", about(link.file)))
    except UnprovedError:
        abort(message("begun", about(link.file)))
    return _lead_to(link, token)


def _lead_to(link: Link, token: str) -> AnyResponse:
    cookie[f"study:{link.slug}"] = token
    return redirect(f"/r/{token}/", 303)


def _newcomer(slug: str) -> Link:
    """Return the link of a rater who may begin; end the request for all others."""
    link = _read(slug)
    site = this_site()
    known = find_known(site.database, site.settings.secret, link.arrival)
    if known and not known.proved:
        abort(message("begun", about(link.file)))
    if known and not _may_try_again(link, known):
        abort(_lead_to(link, known.token))
    if link.state != "open":
        abort(message("paused" if link.state == "paused" else "closed", about(link.file)))
    return link


def _may_try_again(link: Link, known: Known) -> bool:
    """Return whether a rater was told that the study is full, and now it is not."""
    full = known.outcome == "full" and link.state == "open"
    return full and leases.has_place(this_site().database, known.study_id)


def _read(slug: str) -> Link:
    """Return what a link says of its study and rater, or end the request with what is wrong."""
    study = latest(slug)
    file = this_site().book.file(study.id)
    offer(file.study.languages)
    cookie.permanent = True  # the browser may be closed in between
    cookie.setdefault(BROWSER, new_token())
    arrival = Arrival(
        study_id=study.id,
        agrees=request.form.get("agree") == "yes",
        provider=file.provider.kind,
        language=current_language(),
        lease_ms=int(min(file.lease.first_minutes, file.lease.minutes) * 60_000),
        invitation_id=_invitation(study.id, slug, file),
        simulated=_is_simulated(),
        browser_hash=token_hash(cookie[BROWSER]),
        held=cookie.get(f"study:{slug}"),
        **_of_panel(slug, file),
    )
    return Link(slug, study.state, file, arrival)


def latest(slug: str) -> Row[int, str]:
    """Return id and state of a study's latest version, or end the request with 404."""
    query = (
        select(Study.id, Study.state)
        .where(Study.slug == slug, Study.state != "draft")
        .order_by(Study.version.desc())
        .limit(1)
    )
    with this_site().database.read() as connection:
        study = connection.execute(query).first()
    if study is None:
        abort(message("not-found"))
    return study


def _of_panel(slug: str, file: StudyFile) -> dict[str, Any]:
    """Return what the panel says of the rater, as fields of an arrival."""
    panel = panel_of(file.provider)
    panel_id, submission = _identifiers(panel, file)
    if panel_id is None and panel.needs_id:
        abort(message("missing-id", about(file), parameter=panel.id_parameter))
    secret = this_site().settings.secret
    signed = panel_id is not None and _is_signed(secret, slug, panel_id)
    if file.provider.signed_links and not signed:
        abort(message("missing-id", about(file), parameter=SIGNATURE_PARAMETER))
    return {
        "panel_id": panel_id,
        "panel_hash": panel_hash(secret, slug, panel_id) if panel_id else None,
        "submission_hash": panel_hash(secret, slug, submission) if submission else None,
        "signed": signed,
    }


def _identifiers(panel: Panel, file: StudyFile) -> tuple[str | None, str | None]:
    try:
        return (
            identifier(request.args, panel.id_parameter, panel.id_pattern),
            identifier(request.args, panel.submission_parameter, panel.submission_pattern),
        )
    except UnfilledError as error:
        abort(message("unfilled", about(file), parameter=error.parameter))


def _is_signed(secret: bytes, slug: str, panel_id: str) -> bool:
    given = request.args.get(SIGNATURE_PARAMETER, "")
    return hmac.compare_digest(given.encode(), link_signature(secret, slug, panel_id).encode())


def _invitation(study_id: int, slug: str, file: StudyFile) -> int | None:
    """Return the id of an unused invitation; None where the study has none, or it is ours."""
    if file.provider.kind != "invitation":
        return None
    hashed = token_hash(request.args.get(INVITATION_PARAMETER, ""))
    query = select(Invitation.id, Invitation.session_id).where(
        Invitation.study_id == study_id, Invitation.token_hash == hashed
    )
    site = this_site()
    with site.database.read() as connection:
        row = connection.execute(query).first()
        if row is None:
            abort(message("not-found", about(file)))
        if row.session_id is None:
            return int(row.id)
        used_by = select(RaterSession.token_hash).where(RaterSession.id == row.session_id)
        holder = connection.execute(used_by).scalar_one()
    held = cookie.get(f"study:{slug}")
    if not held or token_hash(held) != holder:
        abort(message("used", about(file)))
    return None
