"""The JSON of the trial page. See docs/study-http.md."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from flask import Blueprint, Response, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select, update

from study_server.sessions import answers
from study_server.sessions.answers import Answer, Refusal
from study_server.sessions.trials import BlockOfTrials
from study_server.storage.clock import now_ms
from study_server.storage.events import record
from study_server.storage.identity import token_hash
from study_server.storage.models import RaterSession, Tombstone
from study_server.web.context import this_site
from study_server.web.security import same_site

api = Blueprint("rater_api", __name__)

Body = TypeVar("Body", bound=BaseModel)
MAX_BODY = 16 * 1024
RETRY_SECONDS = {"paused": 20, "busy": 1}


class Heartbeat(BaseModel):
    """The body of a heartbeat."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    page: str = Field(max_length=64)


class Opening(BaseModel):
    """The body of an opening: nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


@api.post("/r/<token>/open")
def open_page(token: str) -> Response:
    """Take the session over for this tab and say where it is."""
    session = _session_for(token, Opening)
    if isinstance(session, Response):
        return session
    site = this_site()
    file, block = site.book.file(session.study_id), site.book.block(session.block_id)
    lease_ms = int(file.lease.minutes * 60_000)
    page = answers.take_over(site.database, session, lease_ms)
    _note_start(session)
    settings = {
        "exposure_ms": file.design.exposure_ms,
        "answer_while_shown": file.design.answer_while_shown,
        "break_every": file.design.break_every,
        "question": file.study.question.get(block.task),  # type: ignore[call-overload]
        "task": block.task,
        "heartbeat_s": file.lease.heartbeat_s,
    }
    return reply(200, {"page": page, "settings": settings} | _state(token, session, block))


def _note_start(session: Any) -> None:
    started = update(RaterSession).where(
        RaterSession.id == session.id, RaterSession.started_at.is_(None)
    )
    with this_site().database.write() as connection:
        connection.execute(started.values(started_at=now_ms()))


@api.post("/r/<token>/answer")
def answer_trial(token: str) -> Response:
    """Store one answer and say what comes next."""
    body = _body(Answer)
    if isinstance(body, Response):
        return body
    session = _session(token)
    if isinstance(session, Response):
        return session
    site = this_site()
    file, block = site.book.file(session.study_id), site.book.block(session.block_id)
    outcome = answers.store(
        site.database,
        site.tokens,
        session,
        block,
        body,
        lease_ms=int(file.lease.minutes * 60_000),
    )
    if isinstance(outcome, Refusal):
        return _refuse_answer(outcome, session)
    state = _state(token, session, block, at=outcome.now_at)
    feedback = _feedback(block, outcome.position, outcome.choice)
    return reply(200, state | {"feedback": feedback, "stored": True})


def _refuse_answer(refusal: Refusal, session: Any) -> Response:
    if refusal.code == "elsewhere":
        with this_site().database.write() as connection:
            record(connection, "elsewhere", session.study_id, session.number)
    return refuse(refusal)


def _feedback(block: BlockOfTrials, position: int, choice: str | None) -> dict[str, bool] | None:
    trial = block.trials[position]
    if trial.kind != "practice" or choice is None:
        return None
    return {"correct": choice != trial.model_side}


@api.post("/r/<token>/heartbeat")
def heartbeat(token: str) -> Response:
    """Keep the block for this rater."""
    body = _body(Heartbeat)
    if isinstance(body, Response):
        return body
    session = _session(token)
    if isinstance(session, Response):
        return session
    if session.outcome:
        return refuse(Refusal(410, "finished"), next_url=f"/r/{token}/{session.stage}")
    site = this_site()
    lease_ms = int(site.book.file(session.study_id).lease.minutes * 60_000)
    if not answers.renew(site.database, session, body.page, lease_ms):
        return refuse(Refusal(409, "elsewhere"))
    return reply(200, {})


def _state(token: str, session: Any, block: BlockOfTrials, at: int | None = None) -> dict[str, Any]:
    position = session.position if at is None else at
    site = this_site()
    break_every = site.book.file(session.study_id).design.break_every
    done = position >= len(block.trials)
    return {
        "phase": block.phase(position),
        "progress": block.progress(position),
        "trials": site.book.ahead(session.id, block, position, break_every),
        "next_url": f"/r/{token}/comment" if done else None,
    }


def _session_for(token: str, model: type[BaseModel]) -> Any:
    body = _body(model)
    return body if isinstance(body, Response) else _session(token)


def _body(model: type[Body]) -> Body | Response:
    if not same_site():
        return refuse(Refusal(403, "origin"))
    if (request.content_length or 0) > MAX_BODY:
        return refuse(Refusal(413, "too-large"))
    if request.mimetype != "application/json":
        return refuse(Refusal(400, "bad-request"))
    try:
        return model.model_validate_json(request.get_data(cache=False))
    except ValidationError:
        return refuse(Refusal(400, "bad-request"))


def _session(token: str) -> Any:
    """Return the session's row, or the response that says why it cannot be gone on with."""
    hashed = token_hash(token)
    session = answers.read_session(this_site().database, hashed)
    if session is None:
        with this_site().database.read() as connection:
            gone = select(Tombstone.id).where(Tombstone.token_hash == hashed)
            withdrawn = connection.execute(gone).first()
        return refuse(Refusal(410, "withdrawn") if withdrawn else Refusal(401, "not-found"))
    if session.block_id is None or (session.outcome and session.outcome != "completed"):
        return refuse(Refusal(410, "finished"), next_url=f"/r/{token}/end")
    if session.state == "paused":
        return refuse(Refusal(503, "paused"))
    if session.state == "closed" and session.outcome is None:
        return refuse(Refusal(410, "closed"))
    return session
