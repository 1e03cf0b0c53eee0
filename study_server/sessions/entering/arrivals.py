"""Arriving at a study: one session per rater, whose it is, and what shows that it is theirs."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from study_server.sessions.entering.leases import (
    FreeBlock,
    count_trials,
    free_block,
    seat,
    take_block,
)
from study_server.storage.chain import GENESIS
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.events import record
from study_server.storage.identity import new_token, payment_cipher, session_token, token_hash
from study_server.storage.models import Invitation, PaymentId, RaterSession, Study


@dataclass(frozen=True)
class Arrival:
    """What is known of a rater who consents or declines."""

    study_id: int
    agrees: bool
    provider: str
    language: str
    lease_ms: int  # how long a place waits for the first answer
    panel_id: str | None = None  # kept only if the study keeps ids for payment, and encrypted
    panel_hash: str | None = None
    submission_hash: str | None = None
    invitation_id: int | None = None
    simulated: bool = False
    browser_hash: str | None = None  # of the number in the browser's cookie
    held: str | None = None  # the session token in the browser's cookie
    signed: bool = False  # the link carries our own signature of the panel's id


@dataclass(frozen=True)
class Known:
    """A session that exists already for an arriving rater, and whether they have proved it."""

    id: int
    study_id: int
    token: str
    outcome: str | None
    proved: bool


class InvitationUsedError(Exception):
    """A one-time link was used by somebody else in the meantime."""


class UnprovedError(Exception):
    """The panel's id has a session, and nothing shows that it is this rater's."""


_NEXT_NUMBER = (
    update(Study)
    .where(Study.id == bindparam("study"))
    .values(sessions_started=Study.sessions_started + 1)
    .returning(Study.sessions_started, Study.payment_salt)
)
_KNOWN = (
    select(
        RaterSession.id,
        RaterSession.study_id,
        RaterSession.number,
        RaterSession.outcome,
        RaterSession.submission_hash,
        RaterSession.browser_hash,
    )
    .join(Study, Study.id == RaterSession.study_id)
    .where(
        Study.slug == select(Study.slug).where(Study.id == bindparam("study")).scalar_subquery(),
        # Who found an earlier version full has left nothing there, and may come to this one.
        or_(
            RaterSession.study_id == bindparam("study"),
            RaterSession.outcome.is_(None),
            RaterSession.outcome != "full",
        ),
    )
    .order_by(Study.version.desc())
    .limit(1)
)
_BY_PANEL = _KNOWN.where(RaterSession.panel_hash == bindparam("panel"))
_BY_TOKEN = _KNOWN.where(RaterSession.token_hash == bindparam("token"))


def arrive(database: Database, secret: bytes, arrival: Arrival) -> str:
    """Return the session token of a rater, new or known: the same rater always gets the same.

    Raises `InvitationUsedError`, or `UnprovedError` for a panel's id that has a session which the
    rater has not shown to be theirs.
    """
    try:
        with database.write() as connection:
            return _arrive(connection, secret, arrival)
    except IntegrityError:
        # The same rater arrived twice at the same moment, and the other arrival was first.
        known = find_known(database, secret, arrival)
        if known is None:
            raise
        return _proved(known).token


def find_known(database: Database, secret: bytes, arrival: Arrival) -> Known | None:
    """Return the session of a rater who was here before, in any version of the study."""
    with database.read() as connection:
        return _known(connection, secret, arrival)


def _known(connection: Connection, secret: bytes, arrival: Arrival) -> Known | None:
    values = {"study": arrival.study_id}
    if arrival.panel_hash is not None:
        row = connection.execute(_BY_PANEL, values | {"panel": arrival.panel_hash}).first()
    elif arrival.held is not None:
        row = connection.execute(_BY_TOKEN, values | {"token": token_hash(arrival.held)}).first()
    else:
        return None
    if row is None:
        return None
    token = session_token(secret, row.study_id, row.number)
    return Known(row.id, row.study_id, token, row.outcome, _proves(arrival, row, token))


def _proves(arrival: Arrival, row: Any, token: str) -> bool:
    """Return whether a rater has more to show than the panel's id: others know that one too."""
    shown = (
        (arrival.held, token),
        (arrival.browser_hash, row.browser_hash),
        (arrival.submission_hash, row.submission_hash),
    )
    return arrival.signed or any(
        hmac.compare_digest(mine, kept) for mine, kept in shown if mine and kept
    )


def _proved(known: Known) -> Known:
    if not known.proved:
        raise UnprovedError
    return known


def _arrive(connection: Connection, secret: bytes, arrival: Arrival) -> str:
    known = _known(connection, secret, arrival)
    if known:
        if _proved(known).outcome == "full" and arrival.agrees:
            seat(connection, known.study_id, known.id, arrival.lease_ms)
        return known.token
    block = free_block(connection, arrival.study_id) if arrival.agrees else None
    number, salt = connection.execute(_NEXT_NUMBER, {"study": arrival.study_id}).one()
    token = session_token(secret, arrival.study_id, number)
    session_id = _add_session(connection, arrival, number, token, block)
    if block:
        take_block(connection, arrival.study_id, session_id, number, block)
    if arrival.invitation_id is not None:
        _use_invitation(connection, arrival.invitation_id, session_id)
    if salt and arrival.panel_id:
        ciphertext = payment_cipher(secret, salt).encrypt(arrival.panel_id.encode())
        connection.execute(insert(PaymentId).values(session_id=session_id, ciphertext=ciphertext))
    return token


def _add_session(
    connection: Connection, arrival: Arrival, number: int, token: str, block: FreeBlock | None
) -> int:
    now = now_ms()
    outcome = None if block else ("full" if arrival.agrees else "no_consent")
    statement = insert(RaterSession).values(
        study_id=arrival.study_id,
        number=number,
        token_hash=token_hash(token),
        panel_hash=arrival.panel_hash,
        submission_hash=arrival.submission_hash,
        browser_hash=arrival.browser_hash,
        provider=arrival.provider,
        language=arrival.language,
        simulated=arrival.simulated,
        block_id=block.id if block else None,
        stage="device" if block else "end",
        outcome=outcome,
        trial_count=count_trials(connection, block.id) if block else 0,
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


def _use_invitation(connection: Connection, invitation_id: int, session_id: int) -> None:
    used = connection.execute(
        update(Invitation)
        .where(Invitation.id == invitation_id, Invitation.session_id.is_(None))
        .values(session_id=session_id)
    )
    if used.rowcount != 1:
        raise InvitationUsedError
