"""Blocks: who holds one, until when, and how a rater gets one.

A claim is one short write transaction. On SQLite it begins IMMEDIATE, so claims queue; on
PostgreSQL it locks the block's row and skips rows that others have locked. Either way two raters
never get the same block, and a study never has more raters at work than it has blocks.

A place waits for its rater's first answer for a shorter time than for the next ones: consenting
costs nothing, and anybody who never answers must not keep others out.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, func, or_, select, update

from study_server.storage.clock import CLOCKS_DIFFER_MS, now_ms
from study_server.storage.database import Database
from study_server.storage.events import record
from study_server.storage.models import Block, RaterSession, Trial


class FreeBlock(NamedTuple):
    """A block that may be taken, and who held it and was silent for too long."""

    id: int
    session_id: int | None


_HOLDER = RaterSession.__table__.alias("holder")
_OF_STUDY = and_(Block.study_id == bindparam("study"), Block.done_at.is_(None))
_FREE_BLOCK = (
    select(Block.id, Block.session_id)
    .where(_OF_STUDY, Block.session_id.is_(None))
    .order_by(Block.number)
    .limit(1)
)
# Somebody's who was silent for too long: taken only when no other is left. Who was last seen in the
# future was so before the clock was set back, and would else keep the place until that time comes.
_ABANDONED_BLOCK = (
    select(Block.id, Block.session_id)
    .join(_HOLDER, _HOLDER.c.id == Block.session_id)
    .where(
        _OF_STUDY,
        or_(
            _HOLDER.c.lease_until < bindparam("now"),
            _HOLDER.c.last_seen_at > bindparam("now") + CLOCKS_DIFFER_MS,
        ),
    )
    .order_by(Block.number)
    .limit(1)
)
_COUNT = select(func.count()).select_from(Trial).where(Trial.block_id == bindparam("block"))


def has_place(database: Database, study_id: int) -> bool:
    """Return whether a rater who came now would get a block."""
    with database.read() as connection:
        return free_block(connection, study_id, lock=False) is not None


def seat_again(database: Database, session_id: int, lease_ms: int) -> bool:
    """Give a rater who was told that the study is full a place, if there is one now."""
    query = select(RaterSession.study_id).where(
        RaterSession.id == session_id, RaterSession.outcome == "full"
    )
    with database.write() as connection:
        study_id = connection.execute(query.with_for_update()).scalar()
        return study_id is not None and seat(connection, study_id, session_id, lease_ms)


def change_lost_place(database: Database, session_id: int, lease_ms: int) -> None:
    """Give a rater who has answered nothing and lost the block to another one that is free.

    Where none is free the rater goes on with the lost one, as everybody does who comes late.
    """
    query = (
        select(RaterSession.study_id)
        .join(Block, Block.id == RaterSession.block_id)
        .where(
            RaterSession.id == session_id,
            RaterSession.position == 0,
            RaterSession.outcome.is_(None),
            or_(Block.session_id.is_(None), Block.session_id != session_id),
        )
    )
    with database.write() as connection:
        study_id = connection.execute(query.with_for_update(of=RaterSession)).scalar()
        if study_id is not None:
            seat(connection, study_id, session_id, lease_ms)


def free_block(connection: Connection, study_id: int, *, lock: bool = True) -> FreeBlock | None:
    """Return the block that the next rater gets, None when the study is full."""
    values = {"study": study_id, "now": now_ms()}
    lock = lock and connection.dialect.name == "postgresql"
    for blocks in (_FREE_BLOCK, _ABANDONED_BLOCK):
        query = blocks.with_for_update(of=Block, skip_locked=True) if lock else blocks
        found = connection.execute(query, values).first()
        if found is not None:
            return FreeBlock(*found)
    return None


def count_trials(connection: Connection, block_id: int) -> int:
    """Return how many trials a block has."""
    count: int = connection.execute(_COUNT, {"block": block_id}).scalar_one()
    return count


def seat(connection: Connection, study_id: int, session_id: int, lease_ms: int) -> bool:
    """Give a session that has answered nothing a free block; return whether there was one."""
    block = free_block(connection, study_id)
    if block is None:
        return False
    now = now_ms()
    mine = RaterSession.id == session_id
    seated = update(RaterSession).where(mine, RaterSession.outcome == "full")
    connection.execute(seated.values(stage="device", outcome=None, finished_at=None))
    placed = update(RaterSession).where(mine).returning(RaterSession.number)
    number = connection.execute(
        placed.values(
            block_id=block.id,
            trial_count=count_trials(connection, block.id),
            lease_until=now + lease_ms,
            last_seen_at=now,
        )
    ).scalar_one()
    take_block(connection, study_id, session_id, number, block)
    record(connection, "arrival", study_id, number, again=True)
    return True


def take_block(
    connection: Connection, study_id: int, session_id: int, number: int, block: FreeBlock
) -> None:
    """Give a block to a session, and note whose it was."""
    connection.execute(update(Block).where(Block.id == block.id).values(session_id=session_id))
    if block.session_id is not None:
        lost = select(RaterSession.number).where(RaterSession.id == block.session_id)
        loser = connection.execute(lost).scalar_one()
        record(connection, "lease lost", study_id, loser, to=number)


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
