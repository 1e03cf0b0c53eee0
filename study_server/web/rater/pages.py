"""The pages of a rater who is in: device check, instructions, trials, comment, debrief."""

from __future__ import annotations

import json
from typing import Any

from flask import (
    Blueprint,
    Response,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask import session as cookie
from sqlalchemy import select, update
from werkzeug.wrappers import Response as AnyResponse

from study_server.config import StudyFile
from study_server.sessions import leases
from study_server.sessions.providers import panel_of, return_link
from study_server.sessions.withdrawal import withdraw_session
from study_server.storage.clock import now_ms
from study_server.storage.events import record
from study_server.storage.identity import token_hash
from study_server.storage.models import OutcomeCode, RaterSession, Study, Tombstone
from study_server.web.context import this_site
from study_server.web.rater.device import FIELDS, Device, Panels, Room, chequers, fits
from study_server.web.rater.messages import about, message

pages = Blueprint("rater", __name__)

STEP = {"device": 1, "instructions": 2, "run": 3, "comment": 4, "end": 4}
MAX_COMMENT = 2000


_ROW = select(RaterSession, Study.state, Study.slug).join(Study, Study.id == RaterSession.study_id)


def _row(token: str) -> Any:
    with this_site().database.reading() as db_session:
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
        return _message("paused", token, rater, file)
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
    if request.method == "GET":
        block = this_site().book.block(rater.block_id or 0)
        return _page(
            "device",
            token,
            rater,
            file,
            fields=FIELDS,
            task=block.task,
            question=file.study.question.get(block.task),
            test_image=url_for("rater.test_image"),
        )
    measured, room = Device.from_form(request.form), Room.from_form(request.form)
    if measured is None or room is None:
        return _message("bad-form", token, rater, file)
    text = json.dumps(measured.stored(), sort_keys=True)
    if not (measured.decode_ok and fits(room, _panels(rater))):
        _end(rater, "screened_out", device=text)
        return redirect(f"/r/{token}/end", 303)
    _move(rater, "instructions", device=text)
    return redirect(f"/r/{token}/instructions", 303)


@pages.get("/r/<token>/device/fits")
def device_fits(token: str) -> AnyResponse:
    """Say whether the images would fit into the room that the page measured."""
    found = _at(token, "device")
    if isinstance(found, AnyResponse):
        return found
    rater, file = found
    room = Room.from_form(request.args)
    if room is None:
        return _message("bad-form", token, rater, file)
    return jsonify(fits=fits(room, _panels(rater)))


def _panels(rater: RaterSession) -> Panels:
    trials = this_site().book.block(rater.block_id or 0).trials
    count = 3 if any(trial.input_id for trial in trials) else 2
    widest, tallest = max(each.width for each in trials), max(each.height for each in trials)
    return Panels(count, widest, tallest)


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
        token,
        rater,
        file,
        task=block.task,
        question=file.study.question.get(block.task),
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
        token,
        rater,
        file,
        api=f"/r/{token}",
        task=block.task,
        question=file.study.question.get(block.task),
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
        return _page("comment", token, rater, file)
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
        token,
        rater,
        file,
        outcome=rater.outcome,
        code=code,
        return_url=return_link(panel, code),
        provider=panel.name,
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
        return _page("withdraw", token, rater, file)
    if request.form.get("confirm") != "yes":
        return redirect(f"/r/{token}/", 303)
    with this_site().database.session() as db_session:
        withdraw_session(db_session, rater.id, actor="the rater")
    cookie.pop(f"study:{row.slug}", None)
    return message("withdrawn", about(file))


def _page(name: str, token: str, rater: RaterSession, file: StudyFile, **context: Any) -> Response:
    page = render_template(
        f"rater/{name}.html",
        study=about(file, rater.simulated),
        step=STEP.get(rater.stage),
        withdraw_url=_withdrawal(token),
        **context,
    )
    return make_response(page)


def _message(kind: str, token: str, rater: RaterSession, file: StudyFile) -> Response:
    return message(kind, about(file, rater.simulated), withdraw_url=_withdrawal(token))


def _withdrawal(token: str) -> str:
    return f"/r/{token}/withdraw"


@pages.get("/test.png")
def test_image() -> Response:
    """Return a small image that is no stimulus, for the device check."""
    return Response(chequers(), content_type="image/png")
