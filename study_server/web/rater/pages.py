"""The pages of a rater who is in: device check, instructions, trials, comment, debrief."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
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
from study_server.sessions.payment_ids import payment_id
from study_server.sessions.providers import panel_of, return_link
from study_server.sessions.trials import BlockOfTrials
from study_server.sessions.withdrawal import withdraw_session
from study_server.storage.clock import now_ms
from study_server.storage.events import record
from study_server.storage.identity import token_hash
from study_server.storage.models import OutcomeCode, RaterSession, Study, Tombstone
from study_server.web.context import this_site
from study_server.web.rater.device import FIELDS, Device, Panels, Room, chequers, fits
from study_server.web.rater.messages import about, message, question

pages = Blueprint("rater", __name__)

STEP = {"device": 1, "instructions": 2, "run": 3, "comment": 4, "end": 4}
MAX_COMMENT = 2000


@dataclass(frozen=True)
class Visit:
    """One request of a rater who is in: the session as stored, and its study."""

    token: str
    rater: RaterSession
    state: str  # of the study
    slug: str
    file: StudyFile

    @property
    def block(self) -> BlockOfTrials:
        """Return the rater's trials."""
        return this_site().book.block(self.rater.block_id or 0)

    def page(self, name: str, **context: Any) -> Response:
        """Return a page of this rater's study."""
        html = render_template(
            f"rater/{name}.html",
            study=about(self.file, self.rater.simulated),
            step=STEP.get(self.rater.stage),
            withdraw_url=self._withdrawal,
            **context,
        )
        return make_response(html)

    def message(self, kind: str) -> Response:
        """Return a page that says one thing."""
        study = about(self.file, self.rater.simulated)
        return message(kind, study, withdraw_url=self._withdrawal)

    def go(self, step: str = "") -> AnyResponse:
        """Return the way to a step; without one, to the step where the rater is."""
        return redirect(f"/r/{self.token}/{step}", 303)

    @property
    def _withdrawal(self) -> str:
        return f"/r/{self.token}/withdraw"


View = Callable[[Visit], AnyResponse]
_VISIT = select(RaterSession, Study.state, Study.slug).join(
    Study, Study.id == RaterSession.study_id
)


def _visit(token: str) -> Visit:
    """Return the visit of a session's token, or end the request: no session, or a withdrawn one."""
    query = _VISIT.where(RaterSession.token_hash == token_hash(token))
    with this_site().database.reading() as db_session:
        row = db_session.execute(query).first()
    if row is None:
        abort(_gone(token))
    rater, state, slug = row
    return Visit(token, rater, state, slug, this_site().book.file(rater.study_id))


def _gone(token: str) -> Response:
    query = select(Tombstone.id).where(Tombstone.token_hash == token_hash(token))
    with this_site().database.read() as connection:
        withdrawn = connection.execute(query).first()
    return message("withdrawn" if withdrawn else "not-found")


def anywhere(view: View) -> Callable[[str], AnyResponse]:
    """Return a view of a token out of one that takes the visit, at whatever step it is."""

    @wraps(view)
    def found(token: str) -> AnyResponse:
        return view(_visit(token))

    return found


def at(stage: str) -> Callable[[View], Callable[[str], AnyResponse]]:
    """Return a decorator for the view of one step; a rater who is elsewhere is led there."""

    def decorate(view: View) -> Callable[[str], AnyResponse]:
        @wraps(view)
        def checked(visit: Visit) -> AnyResponse:
            if visit.rater.stage != stage:
                return visit.go(visit.rater.stage)
            if stage != "end" and visit.rater.outcome is None and visit.state != "open":
                return _stopped(visit)
            return view(visit)

        return anywhere(checked)

    return decorate


def _stopped(visit: Visit) -> AnyResponse:
    if visit.state == "paused":
        return visit.message("paused")
    _end(visit.rater, "timed_out")
    return visit.go("end")


def _move(rater: RaterSession, stage: str, **values: Any) -> None:
    """Lead a rater to the next step. Only answers hold a place: the lease stays as it is."""
    statement = (
        update(RaterSession)
        .where(RaterSession.id == rater.id, RaterSession.stage == rater.stage)
        .values(stage=stage, last_seen_at=now_ms(), **values)
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
@anywhere
def resume(visit: Visit) -> AnyResponse:
    """Lead to the step where this rater is."""
    return visit.go(visit.rater.stage)


@pages.get("/r/<token>/device")
@at("device")
def device(visit: Visit) -> AnyResponse:
    """Show the check that the images can be shown here."""
    task = visit.block.task
    return visit.page(
        "device",
        fields=FIELDS,
        task=task,
        question=question(visit.file, task),
        test_image=url_for("rater.test_image"),
    )


@pages.post("/r/<token>/device")
@at("device")
def check_device(visit: Visit) -> AnyResponse:
    """Store what the check measured; who cannot see the images is screened out."""
    measured, room = Device.from_form(request.form), Room.from_form(request.form)
    if measured is None or room is None:
        return visit.message("bad-form")
    text = json.dumps(measured.stored(), sort_keys=True)
    if not (measured.decode_ok and fits(room, _panels(visit.block))):
        _end(visit.rater, "screened_out", device=text)
        return visit.go("end")
    _move(visit.rater, "instructions", device=text)
    return visit.go("instructions")


@pages.get("/r/<token>/device/fits")
@at("device")
def device_fits(visit: Visit) -> AnyResponse:
    """Say whether the images would fit into the room that the page measured."""
    room = Room.from_form(request.args)
    if room is None:
        return visit.message("bad-form")
    return jsonify(fits=fits(room, _panels(visit.block)))


def _panels(block: BlockOfTrials) -> Panels:
    count = 3 if any(trial.input_id for trial in block.trials) else 2
    widest = max(each.width for each in block.trials)
    return Panels(count, widest, max(each.height for each in block.trials))


@pages.get("/r/<token>/instructions")
@at("instructions")
def instructions(visit: Visit) -> AnyResponse:
    """Say what to do."""
    block, file = visit.block, visit.file
    return visit.page(
        "instructions",
        task=block.task,
        question=question(file, block.task),
        exposure_ms=file.design.exposure_ms,
        answer_while_shown=file.design.answer_while_shown,
        practice_count=block.practice,
        trial_count=len(block.trials) - block.practice,
        example=None,
    )


@pages.post("/r/<token>/instructions")
@at("instructions")
def begin(visit: Visit) -> AnyResponse:
    """Lead a rater who has read them to the trials."""
    _move(visit.rater, "run")
    return visit.go("run")


@pages.get("/r/<token>/run")
@at("run")
def run(visit: Visit) -> AnyResponse:
    """Show the trial page; its script asks for the rest."""
    block = visit.block
    return visit.page(
        "trial",
        api=f"/r/{visit.token}",
        task=block.task,
        question=question(visit.file, block.task),
        exposure_ms=visit.file.design.exposure_ms,
        practice_count=block.practice,
    )


@pages.get("/r/<token>/comment")
@at("comment")
def comment(visit: Visit) -> AnyResponse:
    """Ask for a comment."""
    return visit.page("comment")


@pages.post("/r/<token>/comment")
@at("comment")
def keep_comment(visit: Visit) -> AnyResponse:
    """Store the comment; none is fine."""
    text = request.form.get("comment", "").strip()[:MAX_COMMENT]
    _move(visit.rater, "end", comment=text.replace("\0", "") or None)
    return visit.go("end")


@pages.get("/r/<token>/end")
@at("end")
def end(visit: Visit) -> AnyResponse:
    """Show the outcome and its code; the page never changes."""
    rater = visit.rater
    query = select(OutcomeCode.code).where(
        OutcomeCode.study_id == rater.study_id, OutcomeCode.outcome == rater.outcome
    )
    with this_site().database.read() as connection:
        code = connection.execute(query).scalar_one()
    panel = panel_of(visit.file.provider)
    return visit.page(
        "debrief",
        outcome=rater.outcome,
        code=code,
        return_url=return_link(panel, code, _kept_id(visit, panel.return_url)),
        provider=panel.name,
    )


def _kept_id(visit: Visit, return_url: str | None) -> str | None:
    """Return the panel's own id of a rater, for a link back that holds it."""
    if "{id}" not in (return_url or ""):
        return None
    return payment_id(this_site().database, this_site().settings.secret, visit.rater.id)


@pages.post("/r/<token>/end")
@at("end")
def look_again(visit: Visit) -> AnyResponse:
    """Let a rater in who was told that the study is full, if there is a place now."""
    if visit.state == "open":
        first_ms = int(visit.file.lease.first_minutes * 60_000)
        leases.seat_again(this_site().database, visit.rater.id, first_ms)
    return visit.go()


@pages.get("/r/<token>/withdraw")
@anywhere
def withdraw(visit: Visit) -> AnyResponse:
    """Ask whether this rater's data are to be deleted."""
    return visit.page("withdraw")


@pages.post("/r/<token>/withdraw")
@anywhere
def delete_data(visit: Visit) -> AnyResponse:
    """Delete this rater's data on request."""
    if request.form.get("confirm") != "yes":
        return visit.go()
    with this_site().database.session() as db_session:
        withdraw_session(db_session, visit.rater.id, actor="the rater")
    cookie.pop(f"study:{visit.slug}", None)
    return message("withdrawn", about(visit.file))


@pages.get("/test.png")
def test_image() -> Response:
    """Return a small image that is not a stimulus, for the device check."""
    return Response(chequers(), content_type="image/png")
