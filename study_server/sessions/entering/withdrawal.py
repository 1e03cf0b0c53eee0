"""Deleting a rater's data. A tombstone stays, to show that nothing else is missing."""

from __future__ import annotations

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from study_server.errors import StateError
from study_server.storage.asked_models import CheckAttempt, JudgmentReason, QuestionnaireAnswer
from study_server.storage.clock import now_ms
from study_server.storage.events import audit, record
from study_server.storage.models import (
    Block,
    Invitation,
    Judgment,
    PaymentId,
    RaterSession,
    Tombstone,
)


def withdraw_session(db_session: Session, session_id: int, actor: str) -> int:
    """Delete a rater's judgments, comment, device and panel id; return how many judgments went.

    The block becomes free for another rater. Raises `StateError` when there is no such session.
    """
    rater = db_session.get(RaterSession, session_id)
    if rater is None:
        raise StateError(f"no session {session_id}: it may have been withdrawn already")
    mine = Judgment.session_id == session_id
    count = db_session.scalar(select(func.count()).select_from(Judgment).where(mine)) or 0
    db_session.execute(
        update(Block).where(Block.session_id == session_id).values(session_id=None, done_at=None)
    )
    db_session.execute(delete(JudgmentReason).where(JudgmentReason.session_id == session_id))
    db_session.execute(delete(Judgment).where(mine))
    db_session.execute(delete(PaymentId).where(PaymentId.session_id == session_id))
    db_session.execute(
        delete(QuestionnaireAnswer).where(QuestionnaireAnswer.session_id == session_id)
    )
    db_session.execute(delete(CheckAttempt).where(CheckAttempt.session_id == session_id))
    db_session.execute(delete(Invitation).where(Invitation.session_id == session_id))
    db_session.add(
        Tombstone(
            study_id=rater.study_id,
            number=rater.number,
            token_hash=rater.token_hash,
            judgments=count,
            withdrawn_at=now_ms(),
        )
    )
    record(db_session, "withdrawn", rater.study_id, rater.number, judgments=count)
    audit(db_session, actor, "withdraw", rater.study_id, rater=rater.number, judgments=count)
    db_session.delete(rater)
    return count
