"""Deleting what can lead back to raters once a study has been closed for long enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from study_server.storage.asked_models import QuestionnaireAnswer
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.events import audit
from study_server.storage.identity import new_token, token_hash
from study_server.storage.models import Invitation, PaymentId, RaterSession, Study

DAY_MS = 24 * 60 * 60_000


@dataclass(frozen=True)
class Purge:
    """What a purge deletes, or would delete, of one study."""

    study: str
    version: int
    closed_at: int
    sessions: int  # whose ids, comments and links go
    payment_ids: int
    answers: int  # of questionnaires


def purge(
    database: Database, days: int, *, keep_days: Callable[[Study], int | None], really: bool
) -> list[Purge]:
    """Delete, or only list, what leads back to raters of studies closed more than `days` ago.

    Answers to questionnaires also go once the study's own `keep_days` after closing are over.
    Judgments stay, under their rater numbers. Of a session these go: hashes of the panel's ids and
    of the browser, its link, device and comment; of a study its encrypted ids and their key, and
    its invitations.
    """
    now = now_ms()
    found = []
    with database.session() as db_session:
        for study in list(db_session.scalars(select(Study).where(Study.state == "closed"))):
            age = (now - (study.closed_at or now)) / DAY_MS
            kept = keep_days(study)
            old = age > days
            answers = _answers(db_session, study, really) if old or _over(age, kept) else 0
            traces = _traces(db_session, study, really) if old else (0, 0)
            found.append(Purge(study.slug, study.version, study.closed_at or 0, *traces, answers))
            if really and (any(traces) or answers):
                audit(
                    db_session,
                    "command line",
                    "purge",
                    study.id,
                    sessions=traces[0],
                    answers=answers,
                )
    return [each for each in found if each.sessions or each.payment_ids or each.answers]


def _over(age: float, kept: int | None) -> bool:
    return kept is not None and age > kept


def _answers(db_session: Session, study: Study, really: bool) -> int:
    mine = QuestionnaireAnswer.session_id.in_(
        select(RaterSession.id).where(RaterSession.study_id == study.id)
    )
    count = db_session.scalar(select(func.count()).select_from(QuestionnaireAnswer).where(mine))
    if really:
        db_session.execute(delete(QuestionnaireAnswer).where(mine))
    return count or 0


def _traces(db_session: Session, study: Study, really: bool) -> tuple[int, int]:
    mine = RaterSession.study_id == study.id
    traces = (RaterSession.panel_hash, RaterSession.submission_hash, RaterSession.browser_hash,
              RaterSession.device, RaterSession.comment)  # fmt: skip
    left = list(
        db_session.scalars(
            select(RaterSession.id).where(mine, or_(*(column.is_not(None) for column in traces)))
        )
    )
    ids = select(RaterSession.id).where(mine)
    kept = select(func.count()).select_from(PaymentId).where(PaymentId.session_id.in_(ids))
    payment_ids = db_session.scalar(kept) or 0
    if really and (left or payment_ids):
        db_session.execute(delete(PaymentId).where(PaymentId.session_id.in_(ids)))
        db_session.execute(delete(Invitation).where(Invitation.study_id == study.id))
        study.payment_salt = None
        for session_id in left:
            db_session.execute(
                update(RaterSession)
                .where(RaterSession.id == session_id)
                .values(
                    {column.key: None for column in traces}
                    | {"token_hash": token_hash(new_token())}
                )
            )
    return len(left), payment_ids
