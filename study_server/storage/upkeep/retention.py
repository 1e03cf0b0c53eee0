"""Deleting what can lead back to raters once a study has been closed for long enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from study_server.storage.asked_models import JudgmentReason, QuestionnaireAnswer
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.events import audit
from study_server.storage.identity import new_token, token_hash
from study_server.storage.models import Invitation, PaymentId, RaterSession, Study

DAY_MS = 24 * 60 * 60_000
_Words = type[QuestionnaireAnswer] | type[JudgmentReason]


@dataclass(frozen=True)
class Purge:
    """What a purge deletes, or would delete, of one study."""

    study: str
    version: int
    closed_at: int
    sessions: int  # whose ids, comments and links go
    payment_ids: int
    answers: int  # of questionnaires
    reasons: int  # of choices

    @property
    def anything(self) -> bool:
        """Return whether there was anything to delete."""
        return bool(self.sessions or self.payment_ids or self.answers or self.reasons)


@dataclass(frozen=True)
class KeepDays:
    """How long a study file lets words of raters be kept after closing; None: as the study."""

    answers: int | None
    reasons: int | None


def purge(
    database: Database, days: int, *, keep_days: Callable[[Study], KeepDays], really: bool
) -> list[Purge]:
    """Delete, or only list, what leads back to raters of studies closed more than `days` ago.

    Answers to questionnaires and reasons also go once the study's own days after closing are over.
    Judgments stay, under their rater numbers. Of a session these go: hashes of the panel's ids and
    of the browser, its link, device and comment; of a study its encrypted ids and their key, and
    its invitations.
    """
    now = now_ms()
    found = []
    with database.session() as db_session:
        for study in list(db_session.scalars(select(Study).where(Study.state == "closed"))):
            age = (now - (study.closed_at or now)) / DAY_MS
            each = _purged(db_session, study, keep_days(study), age, days=days, really=really)
            found.append(each)
            if really and each.anything:
                counts = {"sessions": each.sessions, "answers": each.answers}
                counts |= {"reasons": each.reasons} if each.reasons else {}
                audit(db_session, "command line", "purge", study.id, **counts)
    return [each for each in found if each.anything]


def _purged(
    db_session: Session, study: Study, kept: KeepDays, age: float, *, days: int, really: bool
) -> Purge:
    def words(table: _Words, limit: int | None) -> int:
        over = age > days or _over(age, limit)
        return _words(db_session, study, table, really) if over else 0

    answers = words(QuestionnaireAnswer, kept.answers)
    reasons = words(JudgmentReason, kept.reasons)
    traces = _traces(db_session, study, really) if age > days else (0, 0)
    return Purge(study.slug, study.version, study.closed_at or 0, *traces, answers, reasons)


def _over(age: float, kept: int | None) -> bool:
    return kept is not None and age > kept


def _words(db_session: Session, study: Study, table: _Words, really: bool) -> int:
    mine = table.session_id.in_(select(RaterSession.id).where(RaterSession.study_id == study.id))
    count = db_session.scalar(select(func.count()).select_from(table).where(mine))
    if really:
        db_session.execute(delete(table).where(mine))
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
