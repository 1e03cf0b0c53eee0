"""Finding a study, and moving it between its states: draft, open, paused, closed."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from study_server.config import StudyFile, parse_study_file
from study_server.errors import StateError
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.events import audit, record
from study_server.storage.models import Study

# state -> the states it may be left for
MOVES = {
    "draft": ("open",),
    "open": ("paused", "closed"),
    "paused": ("open", "closed"),
    "closed": (),
}


def find_study(db_session: Session, name: str) -> Study:
    """Return a study by ``id`` (the latest version) or ``id@version``. Raises `StateError`."""
    slug, _, version = name.partition("@")
    query = select(Study).where(Study.slug == slug).order_by(Study.version.desc()).limit(1)
    if version:
        query = query.where(Study.version == (int(version) if version.isdigit() else -1))
    study = db_session.scalar(query)
    if study is None:
        known = list(db_session.scalars(select(Study.slug).distinct().order_by(Study.slug)))
        hint = f"expected one of {', '.join(known)}" if known else "the database holds no study"
        raise StateError(f"no study {name!r}, {hint}")
    return study


def study_file(study: Study) -> StudyFile:
    """Return the frozen study file of a study."""
    return parse_study_file(study.file_text, f"study {study.slug}", stored=True)


def set_state(db_session: Session, study: Study, state: str, actor: str) -> None:
    """Move a study to another state, logged. Raises `StateError` where that is not possible.

    Opening is what starts recruitment; pausing stops new raters and makes those under way wait;
    closing is for good.
    """
    if state == study.state:
        return
    if state not in MOVES[study.state]:
        expected = " or ".join(MOVES[study.state]) or "nothing else, closing is for good"
        raise StateError(f"study {study.slug} is {study.state}, cannot be {state}: {expected}")
    before, study.state = study.state, state
    if state == "open" and study.opened_at is None:
        study.opened_at = now_ms()
    if state == "closed":
        study.closed_at = now_ms()
    record(db_session, "state", study.id, before=before, after=state)
    audit(db_session, actor, "set state", study.id, before=before, after=state)


def open_drafts(database: Database, actor: str) -> list[str]:
    """Open every study that is a draft and return their names: what `study serve` does first."""
    with database.session() as db_session:
        drafts = list(db_session.scalars(select(Study).where(Study.state == "draft")))
        for study in drafts:
            set_state(db_session, study, "open", actor)
        return [study.slug for study in drafts]


def forget_payment_ids(database: Database, name: str) -> None:
    """Throw away the key of a study's payment ids: what is encrypted with it is lost for good."""
    with database.session() as db_session:
        study = find_study(db_session, name)
        study.payment_salt = None
        audit(db_session, "command line", "forget payment ids", study.id)
