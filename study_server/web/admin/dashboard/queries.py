"""What the dashboard counts, each as one statement. Nothing of it is ever sent to raters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    SQLColumnExpression,
    and_,
    case,
    func,
    or_,
    select,
)

from study_server.storage.models import (
    AuditEntry,
    Block,
    Condition,
    Event,
    RaterSession,
    Study,
    Tombstone,
)

RECENT_RATERS = 200
HOUR_MS = 3_600_000
FAILED_LOGIN = "login failed"  # an action of the audit log
# Kinds of events that are part of a study's ordinary life.
ORDINARY = (
    *("state", "arrival", "simulation", "finished", "withdrawn"),
    *("completed", "no_consent", "screened_out", "panel"),
)


@dataclass(frozen=True)
class StudyRow:
    """A study as the list shows it."""

    id: int
    slug: str
    version: int
    title: str
    state: str
    finished: int
    places: int


@dataclass(frozen=True)
class CoverageCell:
    """How many judgments one item has under one condition, of how many planned."""

    item: str
    got: int
    planned: int


@dataclass(frozen=True)
class RaterRow:
    """One rater's session, in numbers."""

    number: int
    outcome: str | None
    stage: str
    surplus: bool
    simulated: bool
    position: int
    trial_count: int
    created_at: int
    finished_at: int | None
    last_seen_at: int
    lease_until: int
    provider: str
    answered: int
    skipped: int
    catch_seen: int
    catch_failed: int
    left_share: float | None
    hidden: int
    median_rt_ms: float | None


def studies(connection: Connection) -> list[StudyRow]:
    """Return every study, the newest first."""
    places = _count_blocks(Block.id)
    finished = _count_blocks(case((Block.done_at.is_not(None), Block.id)))
    query = select(
        Study.id, Study.slug, Study.version, Study.title, Study.state, finished, places
    ).order_by(Study.id.desc())
    return [StudyRow(*row) for row in connection.execute(query)]


def _count_blocks(what: SQLColumnExpression[Any]) -> ScalarSelect[int]:
    return select(func.count(what)).where(Block.study_id == Study.id).scalar_subquery()


def conditions(connection: Connection, study_id: int) -> dict[int, str]:
    """Return id -> name of the judged conditions."""
    query = select(Condition.id, Condition.name).where(
        Condition.study_id == study_id, Condition.role == "judged"
    )
    return {row.id: row.name for row in connection.execute(query.order_by(Condition.id))}


def funnel(connection: Connection, study_id: int, now: int) -> dict[str, int]:
    """Return how many raters came, and how far each got."""
    s = RaterSession
    running = s.outcome.is_(None)
    counts = {
        "arrived": func.count(s.id),
        "consented": _count_if(or_(s.outcome.is_(None), s.outcome != "no_consent")),
        "started": _count_if(s.started_at.is_not(None)),
        "completed": _count_if(s.outcome == "completed"),
        "no_consent": _count_if(s.outcome == "no_consent"),
        "screened_out": _count_if(s.outcome == "screened_out"),
        "timed_out": _count_if(s.outcome == "timed_out"),
        "full": _count_if(s.outcome == "full"),
        "surplus": _count_if(s.surplus.is_(True)),
        "active": _count_if(and_(running, s.lease_until >= now)),
        "silent": _count_if(and_(running, s.lease_until < now)),
        "simulated": _count_if(s.simulated.is_(True)),
    }
    query = select(*(value.label(name) for name, value in counts.items())).where(
        s.study_id == study_id
    )
    row = connection.execute(query).one()._mapping
    found = {name: int(value) for name, value in row.items()}
    gone = select(func.count(Tombstone.id)).where(Tombstone.study_id == study_id)
    return found | {"withdrawn": int(connection.execute(gone).scalar_one())}


def _count_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def blocks(connection: Connection, study_id: int, now: int) -> dict[str, int]:
    """Return how many blocks are done, held, held by somebody silent, and free."""
    holder = RaterSession.__table__.alias("holder")
    held = and_(Block.done_at.is_(None), Block.session_id.is_not(None))
    query = (
        select(
            func.count(Block.id).label("all"),
            _count_if(Block.done_at.is_not(None)).label("done"),
            _count_if(and_(held, holder.c.lease_until >= now)).label("held"),
            _count_if(and_(held, holder.c.lease_until < now)).label("silent"),
            _count_if(Block.session_id.is_(None)).label("free"),
        )
        .outerjoin(holder, holder.c.id == Block.session_id)
        .where(Block.study_id == study_id)
    )
    return {name: int(n) for name, n in connection.execute(query).one()._mapping.items()}


def recent_raters(connection: Connection, study_id: int) -> list[Any]:
    """Return the stored part of `RaterRow` and the session's id, the latest raters first."""
    s = RaterSession
    stored = [getattr(s, name) for name in RaterRow.__dataclass_fields__ if hasattr(s, name)]
    query = select(*stored, s.id).where(s.study_id == study_id).order_by(s.number.desc())
    return list(connection.execute(query.limit(RECENT_RATERS)))


def median(values: list[float]) -> float:
    """Return the middle value of a non-empty list."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def troubles(connection: Connection, study_id: int, now: int) -> list[tuple[str, int, int]]:
    """Return (kind, last 24 hours, in all) of the events that are out of the ordinary."""
    day = _count_if(Event.at > now - 24 * HOUR_MS).label("day")
    query = (
        select(Event.kind, day, func.count().label("n"))
        .where(
            or_(Event.study_id == study_id, Event.study_id.is_(None)), Event.kind.not_in(ORDINARY)
        )
        .group_by(Event.kind)
        .order_by(func.count().desc(), Event.kind)
    )
    return [(row.kind, int(row.day), int(row.n)) for row in connection.execute(query)]


@dataclass(frozen=True)
class LogLine:
    """Who did what, when, to which study."""

    at: int
    actor: str
    action: str
    slug: str | None
    detail: dict[str, Any]


@dataclass(frozen=True)
class FailedLogins:
    """How often somebody tried to log in in vain."""

    today: int  # the last 24 hours
    total: int
    latest: int | None


def failed_logins(connection: Connection, now: int) -> FailedLogins:
    """Return the failed log-ins in numbers: anybody can cause as many lines as they like."""
    today = _count_if(AuditEntry.at > now - 24 * HOUR_MS)
    query = select(today, func.count(), func.max(AuditEntry.at))
    row = connection.execute(query.where(AuditEntry.action == FAILED_LOGIN)).one()
    return FailedLogins(*row)


def audit_entries(connection: Connection, limit: int = 200) -> list[LogLine]:
    """Return the latest lines of the audit log with their study's name, without failed log-ins."""
    query = (
        select(AuditEntry.at, AuditEntry.actor, AuditEntry.action, Study.slug, AuditEntry.detail)
        .outerjoin(Study, Study.id == AuditEntry.study_id)
        .where(AuditEntry.action != FAILED_LOGIN)
        .order_by(AuditEntry.id.desc())
        .limit(limit)
    )
    return [LogLine(*row[:4], json.loads(row.detail)) for row in connection.execute(query)]
