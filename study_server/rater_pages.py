"""The pages of a rater: consent, device check, instructions, trials, comment, debrief, withdrawal."""

from __future__ import annotations

import json
from typing import Any

from flask import (
    Blueprint,
    Response,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask import session as cookie
from sqlalchemy import select, update
from werkzeug.wrappers import Response as AnyResponse

from study_server import leases
from study_server.admin.throttle import limiter
from study_server.clock import now_ms
from study_server.config import StudyFile
from study_server.device import Device, chequers, screens_out
from study_server.events import record
from study_server.i18n import current_language
from study_server.identity import panel_hash, simulation_pass, token_hash
from study_server.models import Invitation, OutcomeCode, RaterSession, Study, Tombstone
from study_server.providers import (
    INVITATION_PARAMETER,
    SIMULATION_PARAMETER,
    identifier,
    panel_of,
    return_link,
)
from study_server.site import this_site
from study_server.withdrawal import withdraw_session

pages = Blueprint("rater", __name__)

STEP = {"consent": 0, "device": 1, "instructions": 2, "run": 3, "comment": 4, "end": 4}
MAX_COMMENT = 2000
_MESSAGE_STATUS = {
    "not-found": 404,
    "closed": 410,
    "withdrawn": 410,
    "used": 410,
    "expired": 410,
    "paused": 503,
    "full": 409,
    "bad-form": 400,
    "missing-id": 400,
    "too-many": 429,
    "error": 500,
}


def message(kind: str, study: dict[str, Any] | None = None) -> Response:
    """Return a page that says one thing, with the status that fits."""
    page = render_template("rater/message.html", kind=kind, study=study, step=None)
    return make_response(page, _MESSAGE_STATUS.get(kind, 200))


def _about(file: StudyFile, simulated: bool = False) -> dict[str, Any]:
    text = file.study.consent
    return {
        "title": file.study.title,
        "contact": file.study.contact,
        "simulated": simulated,
        "consent_text": [part.strip() for part in text.split("\n\n")] if text else None,
    }


# ── entry ────────────────────────────────────────────────────────────────────────────────────────


@pages.get("/s/<slug>/")
def entry(slug: str) -> AnyResponse:
    """Show the consent page; nothing is stored, so that link previewers may look."""
    found = _entry(slug)
    if isinstance(found, AnyResponse):
        return found
    study, file, arrival = found
    known = _known(study, arrival)
    if known:
        return redirect(f"/r/{known}/", 303)
    if study.state != "open":
        return message("paused" if study.state == "paused" else "closed", _about(file))
    page = render_template(
        "rater/consent.html",
        study=_about(file, arrival.simulated),
        minutes=file.study.minutes,
        trials=file.design.trials + file.catch.trials,
        pay=file.study.pay,
        step=STEP["consent"],
    )
    return make_response(page)


@pages.post("/s/<slug>/")
@limiter.limit(lambda: current_app.config["FOOLRATE_ENTRY_LIMIT"])
def consent(slug: str) -> AnyResponse:
    """Make the session of a rater who agrees, or note that one does not."""
    found = _entry(slug)
    if isinstance(found, AnyResponse):
        return found
    study, file, arrival = found
    known = _known(study, arrival)
    if known:
        return redirect(f"/r/{known}/", 303)
    if study.state != "open":
        return message("paused" if study.state == "paused" else "closed", _about(file))
    if request.form.get("agree") not in ("yes", "no"):
        return message("bad-form", _about(file))
    site = this_site()
    try:
        token = leases.arrive(site.database, site.settings.secret, arrival)
    except leases.InvitationUsedError:
        return message("used", _about(file))
    cookie[f"study:{slug}"] = token
    return redirect(f"/r/{token}/", 303)


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
    panel = panel_of(file.provider)
    panel_id = identifier(request.args, panel.id_parameter)
    submission = identifier(request.args, panel.submission_parameter)
    if panel.needs_id and panel_id is None:
        return message("missing-id", _about(file))
    invitation = None
    if file.provider.kind == "invitation":
        invitation = _invitation(study.id)
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


def _invitation(study_id: int) -> Any:
    hashed = token_hash(request.args.get(INVITATION_PARAMETER, ""))
    query = select(Invitation.id, Invitation.session_id).where(
        Invitation.study_id == study_id, Invitation.token_hash == hashed
    )
    site = this_site()
    with site.database.read() as connection:
        row = connection.execute(query).first()
        if row is None:
            return message("not-found")
        if row.session_id is None:
            return row.id
        used_by = select(RaterSession.number).where(RaterSession.id == row.session_id)
        number = connection.execute(used_by).scalar_one()
    token = leases.session_token(site.settings.secret, study_id, number)
    if cookie.get(f"invitation:{row.id}") == token:
        return redirect(f"/r/{token}/", 303)
    return message("used")


def _known(study: Any, arrival: leases.Arrival) -> str | None:
    site = this_site()
    known = leases.known_token(site.database, site.settings.secret, study.id, arrival.panel_hash)
    if known or arrival.panel_hash:
        return known
    token = cookie.get(f"study:{study.slug}")
    return token if token and _row(token) else None


# ── a rater's own pages ──────────────────────────────────────────────────────────────────────────

_ROW = select(RaterSession, Study.state, Study.slug).join(Study, Study.id == RaterSession.study_id)


def _row(token: str) -> Any:
    with this_site().database.session() as db_session:
        return db_session.execute(_ROW.where(RaterSession.token_hash == token_hash(token))).first()


def _at(token: str, stage: str) -> Any:
    """Return (session, its study's file) when the rater is at this stage, else where to go."""
    row = _row(token)
    if row is None:
        return _gone(token)
    rater, state, _ = row
    file = this_site().book.file(rater.study_id)
    if rater.stage != stage:
        return redirect(f"/r/{token}/{rater.stage}", 303)
    if stage != "end" and rater.outcome is None and state != "open":
        return _stopped(rater, token, state, file)
    return rater, file


def _gone(token: str) -> Response:
    query = select(Tombstone.id).where(Tombstone.token_hash == token_hash(token))
    with this_site().database.read() as connection:
        withdrawn = connection.execute(query).first()
    return message("withdrawn" if withdrawn else "not-found")


def _stopped(rater: RaterSession, token: str, state: str, file: StudyFile) -> AnyResponse:
    if state == "paused":
        return message("paused", _about(file, rater.simulated))
    _end(rater, "timed_out")
    return redirect(f"/r/{token}/end", 303)


def _move(rater: RaterSession, stage: str, **values: Any) -> None:
    now = now_ms()
    lease = int(this_site().book.file(rater.study_id).lease.minutes * 60_000)
    statement = (
        update(RaterSession)
        .where(RaterSession.id == rater.id, RaterSession.stage == rater.stage)
        .values(stage=stage, last_seen_at=now, lease_until=now + lease, **values)
    )
    with this_site().database.write() as connection:
        connection.execute(statement)


def _end(rater: RaterSession, outcome: str, **values: Any) -> None:
    statement = (
        update(RaterSession)
        .where(RaterSession.id == rater.id, RaterSession.outcome.is_(None))
        .values(stage="end", outcome=outcome, finished_at=now_ms(), **values)
    )
    with this_site().database.write() as connection:
        if connection.execute(statement).rowcount:
            leases.release(connection, rater.id)
            record(connection, outcome, rater.study_id, rater.number)


@pages.get("/r/<token>/")
def resume(token: str) -> AnyResponse:
    """Lead to the step where this rater is."""
    row = _row(token)
    return _gone(token) if row is None else redirect(f"/r/{token}/{row[0].stage}", 303)


@pages.route("/r/<token>/device", methods=["GET", "POST"])
def device(token: str) -> AnyResponse:
    """Check that the images can be shown here."""
    found = _at(token, "device")
    if isinstance(found, AnyResponse):
        return found
    rater, file = found
    needed = _side_needed(rater)
    if request.method == "GET":
        return _page(
            "device", rater, file, min_side_px=needed, test_image=url_for("rater.test_image")
        )
    measured = Device.from_form(request.form)
    if measured is None:
        return message("bad-form", _about(file, rater.simulated))
    text = json.dumps(measured.stored(), sort_keys=True)
    if screens_out(measured, needed):
        _end(rater, "screened_out", device=text)
        return redirect(f"/r/{token}/end", 303)
    _move(rater, "instructions", device=text)
    return redirect(f"/r/{token}/instructions", 303)


def _side_needed(rater: RaterSession) -> int:
    """Return the CSS pixels that one image needs; a browser may scale larger ones down to fit."""
    block = this_site().book.block(rater.block_id or 0)
    widest = max(max(trial.width, trial.height) for trial in block.trials)
    return min(widest, 320)


@pages.route("/r/<token>/instructions", methods=["GET", "POST"])
def instructions(token: str) -> AnyResponse:
    """Say what to do."""
    found = _at(token, "instructions")
    if isinstance(found, AnyResponse):
        return found
    rater, file = found
    if request.method == "POST":
        _move(rater, "run")
        return redirect(f"/r/{token}/run", 303)
    block = this_site().book.block(rater.block_id or 0)
    return _page(
        "instructions",
        rater,
        file,
        task=block.task,
        question=file.study.question.get(block.task),  # type: ignore[call-overload]
        exposure_ms=file.design.exposure_ms,
        answer_while_shown=file.design.answer_while_shown,
        practice_count=block.practice,
        trial_count=len(block.trials) - block.practice,
        example=None,
    )


@pages.get("/r/<token>/run")
def run(token: str) -> AnyResponse:
    """Show the trial page; its script asks for the rest."""
    found = _at(token, "run")
    if isinstance(found, AnyResponse):
        return found
    rater, file = found
    block = this_site().book.block(rater.block_id or 0)
    return _page(
        "trial",
        rater,
        file,
        api=f"/r/{token}",
        task=block.task,
        question=file.study.question.get(block.task),  # type: ignore[call-overload]
        exposure_ms=file.design.exposure_ms,
        practice_count=block.practice,
    )


@pages.route("/r/<token>/comment", methods=["GET", "POST"])
def comment(token: str) -> AnyResponse:
    """Ask for a comment, and take none for an answer."""
    found = _at(token, "comment")
    if isinstance(found, AnyResponse):
        return found
    rater, file = found
    if request.method == "GET":
        return _page("comment", rater, file)
    text = request.form.get("comment", "").strip()[:MAX_COMMENT]
    _move(rater, "end", comment=text.replace("\0", "") or None)
    return redirect(f"/r/{token}/end", 303)


@pages.get("/r/<token>/end")
def end(token: str) -> AnyResponse:
    """Show the outcome and its code, the same for ever."""
    found = _at(token, "end")
    if isinstance(found, AnyResponse):
        return found
    rater, file = found
    query = select(OutcomeCode.code).where(
        OutcomeCode.study_id == rater.study_id, OutcomeCode.outcome == rater.outcome
    )
    with this_site().database.read() as connection:
        code = connection.execute(query).scalar_one()
    panel = panel_of(file.provider)
    return _page(
        "debrief",
        rater,
        file,
        outcome=rater.outcome,
        code=code,
        return_url=return_link(panel, code),
        provider=panel.name,
        withdraw_url=f"/r/{token}/withdraw",
    )


@pages.route("/r/<token>/withdraw", methods=["GET", "POST"])
def withdraw(token: str) -> AnyResponse:
    """Delete this rater's data on request."""
    row = _row(token)
    if row is None:
        return _gone(token)
    rater = row[0]
    file = this_site().book.file(rater.study_id)
    if request.method == "GET":
        return _page("withdraw", rater, file)
    if request.form.get("confirm") != "yes":
        return redirect(f"/r/{token}/", 303)
    with this_site().database.session() as db_session:
        withdraw_session(db_session, rater.id, actor="the rater")
    cookie.pop(f"study:{row.slug}", None)
    return message("withdrawn", _about(file))


def _page(name: str, rater: RaterSession, file: StudyFile, **context: Any) -> Response:
    step = STEP.get(rater.stage)
    about = _about(file, rater.simulated)
    return make_response(render_template(f"rater/{name}.html", study=about, step=step, **context))


@pages.get("/test.png")
def test_image() -> Response:
    """Return a small image that is no stimulus, for the device check."""
    return Response(chequers(), content_type="image/png")
