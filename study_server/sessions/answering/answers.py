"""Storing an answer exactly once.

The browser sends an answer until it is told that it is stored, so the same answer may come twice,
late, or after another tab took over. What decides is in one write transaction:

* the session moves from position p to p + 1 only if it is at p and the page token is this tab's;
* the judgment of (session, p) can be inserted only once.

Reading happens before, in autocommit, so that the write lock is held for two statements. They go
past SQLAlchemy (`storage.prepared`), except for the last answer of a session, which changes more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, case, cast, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from study_server.config import StudyFile
from study_server.sessions.answering.questions import (
    Answer,
    Taken,
    digest_of,
    reason_row,
    taken,
    writes_as_asked,
)
from study_server.sessions.answering.tokens import TRIAL, Tokens
from study_server.sessions.answering.trials import BlockOfTrials
from study_server.storage.asked_models import JudgmentReason
from study_server.storage.chain import chain_link
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.events import record
from study_server.storage.identity import new_token
from study_server.storage.models import Block, Judgment, RaterSession, Study
from study_server.storage.throughput.prepared import Operation, Run
from study_server.studies.images.viewing import text_of


@dataclass(frozen=True)
class Refusal:
    """Why an answer is not stored, as the HTTP status and code of docs/study-http.md."""

    status: int
    code: str
    position: int | None = None  # of the trial that was answered otherwise before


@dataclass(frozen=True)
class Stored:
    """An answer that is in the database, now or from before."""

    position: int  # of the answered trial
    now_at: int  # where the session is
    side: str | None  # left or right; None: skipped, or neither


class SessionRow(NamedTuple):
    """What an answer needs to know of a session, and the state of its study."""

    id: int
    study_id: int
    number: int
    block_id: int | None
    stage: str
    outcome: str | None
    position: int
    trial_count: int
    page_token: str
    chain_head: str
    simulated: bool
    state: str


_SESSION = select(
    *(getattr(RaterSession, name) for name in SessionRow._fields[:-1]), Study.state
).join(Study, Study.id == RaterSession.study_id)
_BY_TOKEN = _SESSION.where(RaterSession.token_hash == bindparam("token"))
_BY_ID = _SESSION.where(RaterSession.id == bindparam("session"))
_ADVANCE = (
    update(RaterSession)
    .where(
        RaterSession.id == bindparam("b_id"),
        RaterSession.position == bindparam("b_position"),
        RaterSession.page_token == bindparam("b_page"),
    )
    .values(
        position=bindparam("b_next"),
        chain_head=bindparam("b_chain"),
        lease_until=bindparam("b_lease"),
        last_seen_at=bindparam("b_now"),
    )
)
_INSERT = insert(Judgment)
# PostgreSQL does both in one statement, so in one exchange with the server instead of four.
_ADVANCED = _ADVANCE.returning(RaterSession.id).cte("advanced")
_COLUMNS = Judgment.__table__.columns
_BOTH = insert(Judgment).from_select(
    [column.name for column in _COLUMNS],
    select(*(cast(bindparam(column.name), column.type) for column in _COLUMNS)).select_from(
        _ADVANCED
    ),
)
_INSERT_REASON = insert(JudgmentReason)
_JUDGED = _BOTH.returning(Judgment.session_id, Judgment.position).cte("judged")
_ALL_THREE = insert(JudgmentReason).from_select(
    ["session_id", "position", "words", "taken_ms", "nonce"],
    select(
        _JUDGED.c.session_id,
        _JUDGED.c.position,
        cast(bindparam("b_words"), JudgmentReason.words.type),
        cast(bindparam("b_taken_ms"), JudgmentReason.taken_ms.type),
        cast(bindparam("b_nonce"), JudgmentReason.nonce.type),
    ),
)
_STORED = (
    select(Judgment.key, Judgment.body_hash, Judgment.choice, JudgmentReason.words)
    .outerjoin(
        JudgmentReason,
        (JudgmentReason.session_id == Judgment.session_id)
        & (JudgmentReason.position == Judgment.position),
    )
    .where(Judgment.session_id == bindparam("session"), Judgment.position == bindparam("position"))
)
_FINISH_BLOCK = (
    update(Block)
    .where(Block.id == bindparam("b_block"), Block.session_id == bindparam("b_session"))
    .values(done_at=bindparam("b_now"))
)
_FINISH_SESSION = (
    update(RaterSession)
    .where(RaterSession.id == bindparam("b_id"))
    .values(
        stage="comment",
        outcome="completed",
        surplus=bindparam("b_surplus"),
        finished_at=bindparam("b_now"),
        lease_until=0,
    )
)
# Being there does not hold a place for anybody who has answered nothing yet: see `leases`.
# A longer lease than anybody gets was given before the clock was set back.
_TOO_LONG = RaterSession.lease_until > bindparam("b_lease")
_LEASE = case(
    (or_(RaterSession.position > 0, _TOO_LONG), bindparam("b_lease")),
    else_=RaterSession.lease_until,
)
_RENEW = (
    update(RaterSession)
    .where(RaterSession.id == bindparam("b_id"), RaterSession.page_token == bindparam("b_page"))
    .values(lease_until=_LEASE, last_seen_at=bindparam("b_now"))
)
_TAKE_OVER = (
    update(RaterSession)
    .where(RaterSession.id == bindparam("b_id"))
    .values(
        page_token=bindparam("b_page"),
        lease_until=_LEASE,
        last_seen_at=bindparam("b_now"),
    )
)


def read_session(database: Database, hashed_token: str) -> SessionRow | None:
    """Return a session with its study's state, None when there is no such session."""
    row = database.hot.read(_BY_TOKEN, {"token": hashed_token})
    return SessionRow(*row) if row else None


def take_over(database: Database, session: SessionRow, lease_ms: int) -> str:
    """Return a new page token: from now on only the tab that has it may answer."""
    page = new_token()
    now = now_ms()
    with database.write() as connection:
        connection.execute(
            _TAKE_OVER,
            {"b_id": session.id, "b_page": page, "b_lease": now + lease_ms, "b_now": now},
        )
    return page


def renew(database: Database, session: SessionRow, page: str, lease_ms: int) -> bool:
    """Keep a session's block for it; False when the page token is stale."""
    now = now_ms()
    values = {"b_id": session.id, "b_page": page, "b_lease": now + lease_ms, "b_now": now}
    with database.write() as connection:
        return connection.execute(_RENEW, values).rowcount == 1


def store(
    database: Database,
    tokens: Tokens,
    session: SessionRow,
    block: BlockOfTrials,
    answer: Answer,
    *,
    file: StudyFile,
    lease_ms: int,
) -> Stored | Refusal:
    """Store an answer, or find it stored already, or say why not.

    The answer is durable when this returns `Stored`: the transaction has been committed.
    """
    seen = tokens.read(answer.trial)
    if seen is None or seen.panel != TRIAL or seen.session_id != session.id:
        return Refusal(409, "conflict")
    if seen.position < session.position:
        return _again(database, session, seen.position, answer)
    if answer.page != session.page_token:
        return Refusal(409, "elsewhere")
    if seen.position > session.position or session.position >= session.trial_count:
        return Refusal(409, "conflict")
    said = taken(file.questions, answer.choice, answer.rt_ms, answer.answers, block.real_side)
    asked = block.trials[session.position].reason
    explained = writes_as_asked(file.reason, asked, answer.choice, answer.reason)
    seen_as_shown = not answer.viewport or file.images.view == "zoom"
    if said is None or not explained or not seen_as_shown:
        return Refusal(400, "bad-request")
    why = reason_row(answer.reason)
    row = _row(session, block, answer, said, why)
    try:
        stored = _write(database, session, answer.page, row, why, lease_ms=lease_ms)
    except IntegrityError:  # the key was used for another trial of this session
        return Refusal(409, "conflict", seen.position)
    if not stored:
        return _lost_race(database, session, answer)
    return Stored(row["position"], row["position"] + 1, said.side)


def _write(
    database: Database,
    session: SessionRow,
    page: str,
    row: dict[str, Any],
    why: dict[str, Any] | None,
    *,
    lease_ms: int,
) -> bool:
    values = _advance_values(session, page, row, lease_ms)
    if row["position"] + 1 < session.trial_count:
        together = _in_one if database.sqlite else _at_once
        return database.hot.write(together(values, row, why))
    with database.write() as connection:
        if connection.execute(_ADVANCE, values).rowcount != 1:
            return False
        connection.execute(_INSERT, row)
        if why:
            connection.execute(_INSERT_REASON, _reason_of(row, why))
        _finish(connection, session, row["answered_at"])
    return True


def _reason_of(row: dict[str, Any], why: dict[str, Any]) -> dict[str, Any]:
    return {"session_id": row["session_id"], "position": row["position"], **why}


def _in_one(values: dict[str, Any], row: dict[str, Any], why: dict[str, Any] | None) -> Operation:
    def all_of_it(run: Run) -> bool:
        stored = run(_ADVANCE, values) == 1 and run(_INSERT, row) == 1
        return stored and (why is None or run(_INSERT_REASON, _reason_of(row, why)) == 1)

    return all_of_it


def _at_once(values: dict[str, Any], row: dict[str, Any], why: dict[str, Any] | None) -> Operation:
    if why is None:
        return lambda run: run(_BOTH, values | row) == 1
    words = {f"b_{name}": value for name, value in why.items()}
    return lambda run: run(_ALL_THREE, values | row | words) == 1


def _row(
    session: SessionRow,
    block: BlockOfTrials,
    answer: Answer,
    said: Taken,
    why: dict[str, Any] | None,
) -> dict[str, Any]:
    model_side = block.trials[session.position].model_side
    row = {
        "session_id": session.id,
        "position": session.position,
        "key": answer.key,
        "body_hash": answer.body_hash(),
        **answer.measures(),
        "choice": said.side,
        "answers": said.answers,
        "viewport": text_of(answer.viewport),
        "reason": digest_of(why),
        "fooled": None if said.side is None else int(said.side == model_side),
        "answered_at": now_ms(),
    }
    return row | {"chain": chain_link(session.chain_head, session.number, row)}


def _advance_values(
    session: SessionRow, page: str, row: dict[str, Any], lease_ms: int
) -> dict[str, Any]:
    return {
        "b_id": session.id,
        "b_position": row["position"],
        "b_page": page,
        "b_next": row["position"] + 1,
        "b_chain": row["chain"],
        "b_lease": row["answered_at"] + lease_ms,
        "b_now": row["answered_at"],
    }


def _finish(connection: Connection, session: SessionRow, now: int) -> None:
    # The block may have gone to another rater while this one was away: then they are paid like
    # anybody, and their judgments stay outside the balanced analysis.
    values = {"b_block": session.block_id, "b_session": session.id, "b_now": now}
    held = connection.execute(_FINISH_BLOCK, values).rowcount == 1
    connection.execute(_FINISH_SESSION, {"b_id": session.id, "b_surplus": not held, "b_now": now})
    kind = "completed" if held else "surplus"
    record(connection, kind, session.study_id, session.number)


def _again(
    database: Database, session: SessionRow, position: int, answer: Answer
) -> Stored | Refusal:
    with database.read() as connection:
        values = {"session": session.id, "position": position}
        stored = connection.execute(_STORED, values).first()
    words = answer.reason.words if answer.reason else ""
    said = (answer.key, answer.body_hash(), words)
    if stored and (stored.key, stored.body_hash, stored.words or "") == said:
        return Stored(position, session.position, stored.choice)
    return Refusal(409, "conflict", position)


def _lost_race(database: Database, session: SessionRow, answer: Answer) -> Stored | Refusal:
    # Between reading and writing, another request answered this trial or another tab took over.
    found = database.hot.read(_BY_ID, {"session": session.id})
    if found is None:
        return Refusal(410, "withdrawn")
    fresh = SessionRow(*found)
    if fresh.position > session.position:
        return _again(database, fresh, session.position, answer)
    return Refusal(409, "elsewhere")
