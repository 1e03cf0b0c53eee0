"""Arriving at a study: one session per rater, and a block for as long as there are any.

A claim is one short write transaction. On SQLite it begins IMMEDIATE, so claims queue; on
PostgreSQL it locks the block's row and skips rows that others have locked. Either way two raters
never get the same block, and a study never has more raters at work than it has blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.events import record
from study_server.storage.identity import new_token, payment_cipher, session_token, token_hash
from study_server.storage.models import Block, Invitation, PaymentId, RaterSession, Study, Trial

GENESIS = "0" * 64  # what the first link of every session's chain is chained to


@dataclass(frozen=True)
class Arrival:
    """What is known of a rater who consents or declines."""

    study_id: int
    agrees: bool
    provider: str
    language: str
    lease_ms: int
    panel_id: str | None = None  # kept only if the study keeps ids for payment, and encrypted
    panel_hash: str | None = None
    submission_hash: str | None = None
    invitation_id: int | None = None
    simulated: bool = False


class InvitationUsedError(Exception):
    """A one-time link was used by somebody else in the meantime."""


_HOLDER = RaterSession.__table__.alias("holder")
_FREE_BLOCK = (
    select(Block.id, Block.session_id)
    .outerjoin(_HOLDER, _HOLDER.c.id == Block.session_id)
    .where(
        Block.study_id == bindparam("study"),
        Block.done_at.is_(None),
        or_(Block.session_id.is_(None), _HOLDER.c.lease_until < bindparam("now")),
    )
    .order_by(Block.number)
    .limit(1)
)
_FREE_BLOCK_LOCKED = _FREE_BLOCK.with_for_update(of=Block, skip_locked=True)
_NEXT_NUMBER = (
    update(Study)
    .where(Study.id == bindparam("study"))
    .values(sessions_started=Study.sessions_started + 1)
    .returning(Study.sessions_started, Study.payment_salt)
)
_COUNT = select(func.count()).select_from(Trial).where(Trial.block_id == bindparam("block"))


def arrive(database: Database, secret: bytes, arrival: Arrival) -> str:
    """Return the session token of a rater, new or known: the same rater always gets the same.

    Raises `InvitationUsedError`.
    """
    try:
        with database.write() as connection:
            return _arrive(connection, secret, arrival)
    except IntegrityError:
        # The same rater arrived twice at the same moment, and the other arrival was first.
        token = known_token(database, secret, arrival.study_id, arrival.panel_hash)
        if token is None:
            raise
        return token


def known_token(
    database: Database, secret: bytes, study_id: int, panel_hash: str | None
) -> str | None:
    """Return the session token of a rater whom the panel sent before, to any version."""
    if panel_hash is None:
        return None
    with database.read() as connection:
        return _known(connection, secret, study_id, panel_hash)


def _known(connection: Connection, secret: bytes, study_id: int, panel_hash: str) -> str | None:
    slug = select(Study.slug).where(Study.id == study_id).scalar_subquery()
    query = (
        select(RaterSession.study_id, RaterSession.number)
        .join(Study, Study.id == RaterSession.study_id)
        .where(Study.slug == slug, RaterSession.panel_hash == panel_hash)
        .order_by(Study.version.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return session_token(secret, row.study_id, row.number) if row else None


def _arrive(connection: Connection, secret: bytes, arrival: Arrival) -> str:
    if arrival.panel_hash:
        known = _known(connection, secret, arrival.study_id, arrival.panel_hash)
        if known:
            return known
    block = _free_block(connection, arrival) if arrival.agrees else None
    number, salt = connection.execute(_NEXT_NUMBER, {"study": arrival.study_id}).one()
    token = session_token(secret, arrival.study_id, number)
    session_id = _add_session(connection, arrival, number, token, block)
    if block:
        _take_block(connection, arrival, session_id, number, block)
    if arrival.invitation_id is not None:
        _use_invitation(connection, arrival.invitation_id, session_id)
    if salt and arrival.panel_id:
        ciphertext = payment_cipher(secret, salt).encrypt(arrival.panel_id.encode())
        connection.execute(insert(PaymentId).values(session_id=session_id, ciphertext=ciphertext))
    return token


def _free_block(connection: Connection, arrival: Arrival) -> Any:
    locked = connection.dialect.name == "postgresql"
    query = _FREE_BLOCK_LOCKED if locked else _FREE_BLOCK
    return connection.execute(query, {"study": arrival.study_id, "now": now_ms()}).first()


def _add_session(
    connection: Connection, arrival: Arrival, number: int, token: str, block: Any
) -> int:
    now = now_ms()
    outcome = None if block else ("full" if arrival.agrees else "no_consent")
    trials = connection.execute(_COUNT, {"block": block.id}).scalar_one() if block else 0
    statement = insert(RaterSession).values(
        study_id=arrival.study_id,
        number=number,
        token_hash=token_hash(token),
        panel_hash=arrival.panel_hash,
        submission_hash=arrival.submission_hash,
        provider=arrival.provider,
        language=arrival.language,
        simulated=arrival.simulated,
        block_id=block.id if block else None,
        stage="device" if block else "end",
        outcome=outcome,
        trial_count=trials,
        page_token=new_token(),
        chain_head=GENESIS,
        lease_until=now + arrival.lease_ms if block else 0,
        created_at=now,
        finished_at=None if block else now,
        last_seen_at=now,
    )
    identity: int = connection.execute(statement.returning(RaterSession.id)).scalar_one()
    record(connection, outcome or "arrival", arrival.study_id, number)
    return identity


def _take_block(
    connection: Connection, arrival: Arrival, session_id: int, number: int, block: Any
) -> None:
    connection.execute(update(Block).where(Block.id == block.id).values(session_id=session_id))
    if block.session_id is not None:
        lost = select(RaterSession.number).where(RaterSession.id == block.session_id)
        loser = connection.execute(lost).scalar_one()
        record(connection, "lease lost", arrival.study_id, loser, to=number)


def _use_invitation(connection: Connection, invitation_id: int, session_id: int) -> None:
    used = connection.execute(
        update(Invitation)
        .where(Invitation.id == invitation_id, Invitation.session_id.is_(None))
        .values(session_id=session_id)
    )
    if used.rowcount != 1:
        raise InvitationUsedError


def release(connection: Connection, session_id: int) -> None:
    """Give back the block a session holds, unless it is done; its trials are free for another."""
    connection.execute(
        update(Block)
        .where(Block.session_id == session_id, Block.done_at.is_(None))
        .values(session_id=None)
    )
    connection.execute(
        update(RaterSession).where(RaterSession.id == session_id).values(lease_until=0)
    )
