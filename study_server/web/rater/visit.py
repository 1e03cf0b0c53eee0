"""A rater's visit: their session and study as stored, and the way from step to step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Blueprint, Response, abort, make_response, redirect, render_template
from sqlalchemy import select, update
from werkzeug.wrappers import Response as AnyResponse

from study_server.config import StudyFile
from study_server.sessions.answering.trials import BlockOfTrials
from study_server.sessions.entering import leases
from study_server.storage.clock import now_ms
from study_server.storage.events import record
from study_server.storage.identity import token_hash
from study_server.storage.models import RaterSession, Study, Tombstone
from study_server.web.context import this_site
from study_server.web.rater.messages import about, message

pages = Blueprint("rater", __name__)

STEP = {"device": 1, "instructions": 2, "run": 3, "comment": 4, "end": 4}


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
    end_session(visit.rater, "timed_out")
    return visit.go("end")


def move(rater: RaterSession, stage: str, **values: Any) -> None:
    """Lead a rater to the next step. Only answers hold a place: the lease stays as it is."""
    statement = (
        update(RaterSession)
        .where(RaterSession.id == rater.id, RaterSession.stage == rater.stage)
        .values(stage=stage, last_seen_at=now_ms(), **values)
    )
    with this_site().database.write() as connection:
        connection.execute(statement)


def end_session(rater: RaterSession, outcome: str, **values: Any) -> None:
    statement = (
        update(RaterSession)
        .where(RaterSession.id == rater.id, RaterSession.outcome.is_(None))
        .values(stage="end", outcome=outcome, finished_at=now_ms(), **values)
    )
    with this_site().database.write() as connection:
        if connection.execute(statement).rowcount:
            leases.release(connection, rater.id)
            record(connection, outcome, rater.study_id, rater.number)
