"""How far a study is, in a few lines."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.models import Block, Judgment, RaterSession, Study
from study_server.studies.states import find_study


def status_lines(database: Database, name: str | None) -> list[str]:
    """Return the lines of `study status`, for one study or all. Raises `StateError`."""
    with database.reading() as db_session:
        if name:
            studies = [find_study(db_session, name)]
        else:
            studies = list(db_session.scalars(select(Study).order_by(Study.slug, Study.version)))
        lines = [line for study in studies for line in _lines(db_session, study)]
    return lines or ["no study yet: python manage.py study create STUDY.toml"]


def _lines(db_session: Session, study: Study) -> list[str]:
    sessions = list(
        db_session.scalars(select(RaterSession).where(RaterSession.study_id == study.id))
    )
    marked = " SIMULATED" if any(session.simulated for session in sessions) else ""
    outcomes = Counter(session.outcome or "under way" for session in sessions)
    shown = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())) or "none yet"
    blocks = list(db_session.scalars(select(Block).where(Block.study_id == study.id)))
    leases = {session.id: session.lease_until for session in sessions}
    done = sum(block.done_at is not None for block in blocks)
    now = now_ms()
    held = sum(
        block.done_at is None and leases.get(block.session_id or 0, 0) >= now for block in blocks
    )
    count = select(func.count()).select_from(Judgment).join(RaterSession)
    judgments = db_session.scalar(count.where(RaterSession.study_id == study.id))
    return [
        f"{study.slug} version {study.version}: {study.title} · {study.state}{marked}",
        f"  raters: {shown}",
        f"  blocks: {done} of {len(blocks)} done, {held} held, {len(blocks) - done - held} free",
        f"  judgments: {judgments}",
    ]
