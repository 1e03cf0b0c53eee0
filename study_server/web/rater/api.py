"""The JSON of the trial page. See docs/study-http.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import Blueprint, Response, abort, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select, update

from study_server.config import StudyFile
from study_server.sessions.answering import answers
from study_server.sessions.answering.answers import Refusal, SessionRow
from study_server.sessions.answering.questions import Answer
from study_server.sessions.answering.trials import BlockOfTrials
from study_server.sessions.entering import leases
from study_server.storage.clock import now_ms
from study_server.storage.events import record
from study_server.storage.identity import token_hash
from study_server.storage.models import RaterSession, Tombstone
from study_server.web.context import this_site
from study_server.web.rater.i18n import current_language, offer
from study_server.web.rater.messages import asked, reason_asked
from study_server.web.security import same_site
from study_server.web.throttle import within

api = Blueprint("rater_api", __name__)

Body = TypeVar("Body", bound=BaseModel)
MAX_BODY = 16 * 1024
RETRY_SECONDS = {"paused": 20, "busy": 1}
EVENT_LIMIT = "10 per hour"  # of one kind and session: each is a commit


class Heartbeat(BaseModel):
    """The body of a heartbeat."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    page: str = Field(max_length=64)


class Opening(BaseModel):
    """The body of an opening: nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def reply(status: int, body: dict[str, Any]) -> Response:
    """Return a JSON response."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return Response(text, status, content_type="application/json")


def refuse(refusal: Refusal, **more: Any) -> Response:
    """Return the response to a request that is refused."""
    response = reply(refusal.status, {"error": refusal.code, **more})
    if refusal.code in RETRY_SECONDS:
        response.headers["Retry-After"] = str(RETRY_SECONDS[refusal.code])
    return response


def takes(
    model: type[Body],
) -> Callable[[Callable[[str, SessionRow, Body], Response]], Callable[[str], Response]]:
    """Return a decorator for a view of (token, session, body); others are refused before it."""

    def decorate(view: Callable[[str, SessionRow, Body], Response]) -> Callable[[str], Response]:
        @wraps(view)
        def checked(token: str) -> Response:
            body = _body(model)
            return view(token, _session(token), body)

        return checked

    return decorate


@api.post("/r/<token>/open")
@takes(Opening)
def open_page(token: str, session: SessionRow, _body: Opening) -> Response:
    """Take the session over for this tab and say where it is."""
    session = _placed(token, session)
    site = this_site()
    file, block = _file(session), site.book.block(session.block_id or 0)
    page = answers.take_over(site.database, session, _lease_ms(file))
    _note_start(session)
    offer(file.study.languages)
    settings = {
        "exposure_ms": file.design.exposure_ms,
        "answer_while_shown": file.design.answer_while_shown,
        "break_every": file.design.break_every,
        "question": file.study.asks(block.task, current_language()),
        "questions": asked(file, block.real_side),
        "task": block.task,
        "heartbeat_s": file.lease.heartbeat_s,
        "flicker": file.images.flicker,
        "reason": reason_asked(file),
    }
    return reply(200, {"page": page, "settings": settings} | _state(token, session, block))


def _placed(token: str, session: SessionRow) -> SessionRow:
    """Return the session with a block of its own, if it lost one before its first answer."""
    if session.position > 0 or session.outcome:
        return session
    first_ms = int(_file(session).lease.first_minutes * 60_000)
    leases.change_lost_place(this_site().database, session.id, first_ms)
    return _session(token)


def _note_start(session: SessionRow) -> None:
    started = update(RaterSession).where(
        RaterSession.id == session.id, RaterSession.started_at.is_(None)
    )
    with this_site().database.write() as connection:
        connection.execute(started.values(started_at=now_ms()))


@api.post("/r/<token>/answer")
@takes(Answer)
def answer_trial(token: str, session: SessionRow, answer: Answer) -> Response:
    """Store one answer and say what comes next."""
    site = this_site()
    block = site.book.block(session.block_id or 0)
    file = _file(session)
    outcome = answers.store(
        site.database, site.tokens, session, block, answer, file=file, lease_ms=_lease_ms(file)
    )
    if isinstance(outcome, Refusal):
        _note(outcome, session)
        return refuse(outcome)
    state = _state(token, session, block, at=outcome.now_at)
    preferred = file.design.trial == "preference"
    feedback = None if preferred else _feedback(block, outcome.position, outcome.side)
    return reply(200, state | {"feedback": feedback, "stored": True})


def _note(refusal: Refusal, session: SessionRow) -> None:
    """Record a refusal that says something about the study, so many times a session."""
    if refusal.code == "elsewhere":
        detail: dict[str, int] = {}
    elif refusal.position is not None:
        detail = {"position": refusal.position}
    else:
        return
    if within(EVENT_LIMIT, "event", refusal.code, str(session.id)):
        with this_site().database.write() as connection:
            record(connection, refusal.code, session.study_id, session.number, **detail)


def _feedback(block: BlockOfTrials, position: int, choice: str | None) -> dict[str, bool] | None:
    """Return whether a practised answer was right: preferences have no right ones."""
    trial = block.trials[position]
    if trial.kind != "practice" or choice is None:
        return None
    return {"correct": choice != trial.model_side}


@api.post("/r/<token>/heartbeat")
@takes(Heartbeat)
def heartbeat(token: str, session: SessionRow, body: Heartbeat) -> Response:
    """Keep the block for this rater."""
    if session.outcome:
        return refuse(Refusal(410, "finished"), next_url=f"/r/{token}/{session.stage}")
    if not answers.renew(this_site().database, session, body.page, _lease_ms(_file(session))):
        return refuse(Refusal(409, "elsewhere"))
    return reply(200, {})


def _file(session: SessionRow) -> StudyFile:
    return this_site().book.file(session.study_id)


def _lease_ms(file: StudyFile) -> int:
    return int(file.lease.minutes * 60_000)


def _state(
    token: str, session: SessionRow, block: BlockOfTrials, at: int | None = None
) -> dict[str, Any]:
    position = session.position if at is None else at
    done = position >= len(block.trials)
    return {
        "phase": block.phase(position),
        "progress": block.progress(position),
        "trials": this_site().book.ahead(session.id, block, position, _file(session)),
        "next_url": f"/r/{token}/comment" if done else None,
    }


def _body(model: type[Body]) -> Body:
    """Return the request's body, or end the request."""
    if not same_site():
        abort(refuse(Refusal(403, "origin")))
    if (request.content_length or 0) > MAX_BODY:
        abort(refuse(Refusal(413, "too-large")))
    if request.mimetype != "application/json":
        abort(refuse(Refusal(400, "bad-request")))
    try:
        return model.model_validate_json(request.get_data(cache=False))
    except ValidationError:
        abort(refuse(Refusal(400, "bad-request")))


def _session(token: str) -> SessionRow:
    """Return the session's row, or end the request with why it cannot be gone on with."""
    hashed = token_hash(token)
    session = answers.read_session(this_site().database, hashed)
    if session is None:
        abort(refuse(_gone(hashed)))
    if session.block_id is None or (session.outcome and session.outcome != "completed"):
        abort(refuse(Refusal(410, "finished"), next_url=f"/r/{token}/end"))
    if session.state == "paused":
        abort(refuse(Refusal(503, "paused")))
    if session.state == "closed" and session.outcome is None:
        abort(refuse(Refusal(410, "closed")))
    if session.stage in ("device", "instructions"):
        abort(refuse(Refusal(409, "conflict")))  # the page loads again, and leads to that step
    return session


def _gone(hashed: str) -> Refusal:
    with this_site().database.read() as connection:
        query = select(Tombstone.id).where(Tombstone.token_hash == hashed)
        withdrawn = connection.execute(query).first()
    return Refusal(410, "withdrawn") if withdrawn else Refusal(401, "not-found")
