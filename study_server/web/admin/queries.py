"""What the dashboard counts, each as one statement. Nothing of it is ever sent to raters."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, and_, case, cast, func, or_, select

from study_server.export.rater_rules import Facts, rater_facts
from study_server.storage.models import (
    AuditEntry,
    Block,
    Condition,
    Event,
    Item,
    Judgment,
    RaterSession,
    Study,
    Tombstone,
    Trial,
)

RECENT_RATERS = 200
RECENT_JUDGMENTS = 5_000
HOUR_MS = 3_600_000
# A session whose judgments are in the balanced analysis holds its block and is not surplus.
_COUNTED = and_(Block.session_id == RaterSession.id, RaterSession.surplus.is_(False))
# Kinds of events that are part of a study's ordinary life.
ORDINARY = (
    *("state", "arrival", "simulation", "finished", "withdrawn"),
    *("completed", "no_consent", "screened_out"),
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
class Cell:
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


def _count_blocks(what: Any) -> Any:
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


def _count_if(condition: Any) -> Any:
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


def coverage(connection: Connection, study_id: int) -> dict[int, list[Cell]]:
    """Return condition id -> a cell for every item, by item name, main trials only."""
    query = (
        select(
            Trial.condition_id,
            Item.name,
            func.count(Judgment.session_id).label("got"),
            func.count().label("planned"),
        )
        .join(Block, Block.id == Trial.block_id)
        .join(Item, Item.id == Trial.item_id)
        .outerjoin(
            Judgment,
            and_(Judgment.session_id == Block.session_id, Judgment.position == Trial.position),
        )
        .where(Block.study_id == study_id, Trial.kind == "main")
        .group_by(Trial.condition_id, Item.name)
        .order_by(Trial.condition_id, Item.name)
    )
    found: dict[int, list[Cell]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.condition_id].append(Cell(row.name, row.got, row.planned))
    return dict(found)


def rater_means(connection: Connection, study_id: int) -> dict[tuple[str, int], list[float]]:
    """Return (task, condition id) -> finished raters' fool rates, in the order they finished.

    Skips and surplus raters are left out; no other rule is applied while data come in.
    """
    query = (
        select(
            Block.task,
            Trial.condition_id,
            func.avg(cast(Judgment.fooled, Integer) * 1.0).label("mean"),
        )
        .join(RaterSession, RaterSession.id == Judgment.session_id)
        .join(Block, and_(Block.id == RaterSession.block_id, _COUNTED))
        .join(Trial, and_(Trial.block_id == Block.id, Trial.position == Judgment.position))
        .where(
            RaterSession.study_id == study_id,
            RaterSession.outcome == "completed",
            Trial.kind == "main",
            Judgment.fooled.is_not(None),
        )
        .group_by(Block.task, Trial.condition_id, RaterSession.id, RaterSession.finished_at)
        .order_by(RaterSession.finished_at, RaterSession.id)
    )
    found: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.task, row.condition_id].append(float(row.mean))
    return dict(found)


def raters(connection: Connection, study_id: int) -> list[RaterRow]:
    """Return the most recent raters, the latest first."""
    s, j = RaterSession, Judgment
    main, catch = Trial.kind == "main", Trial.kind == "catch"
    failed = and_(catch, or_(j.fooled.is_(None), j.fooled == 1))
    recent = _recent(study_id)
    query = (
        select(
            *(getattr(s, name) for name in RaterRow.__dataclass_fields__ if hasattr(s, name)),
            s.id,
            _count_if(and_(main, j.session_id.is_not(None))).label("answered"),
            _count_if(and_(main, j.session_id.is_not(None), j.choice.is_(None))).label("skipped"),
            _count_if(and_(catch, j.session_id.is_not(None))).label("catch_seen"),
            _count_if(and_(j.session_id.is_not(None), failed)).label("catch_failed"),
            func.avg(
                case((and_(main, j.choice == "left"), 1.0), (and_(main, j.choice == "right"), 0.0))
            ).label("left_share"),
            func.coalesce(func.sum(j.hidden_count), 0).label("hidden"),
        )
        .outerjoin(j, j.session_id == s.id)
        .outerjoin(Trial, and_(Trial.block_id == s.block_id, Trial.position == j.position))
        .where(s.id.in_(recent))
        .group_by(s.id)
        .order_by(s.number.desc())
    )
    medians = _median_times(connection, recent)
    rows = []
    for row in connection.execute(query):
        values = dict(row._mapping)
        identity = values.pop("id")
        share = values.pop("left_share")
        rows.append(
            RaterRow(
                **values,
                left_share=None if share is None else float(share),
                median_rt_ms=medians.get(identity),
            )
        )
    return rows


def _recent(study_id: int) -> Any:
    s = RaterSession
    return select(s.id).where(s.study_id == study_id).order_by(s.number.desc()).limit(RECENT_RATERS)


def finished_facts(connection: Connection, study_id: int) -> dict[int, Facts]:
    """Return number -> what the use rules look at, of those recent raters who have finished."""
    recent = RaterSession.id.in_(_recent(study_id))
    return rater_facts(connection, recent, RaterSession.outcome == "completed")


def _median_times(connection: Connection, sessions: Any) -> dict[int, float]:
    query = (
        select(Judgment.session_id, Judgment.rt_ms)
        .join(RaterSession, RaterSession.id == Judgment.session_id)
        .join(
            Trial,
            and_(Trial.block_id == RaterSession.block_id, Trial.position == Judgment.position),
        )
        .where(RaterSession.id.in_(sessions), Judgment.rt_ms.is_not(None), Trial.kind == "main")
    )
    times: dict[int, list[float]] = defaultdict(list)
    for row in connection.execute(query):
        times[row.session_id].append(row.rt_ms)
    return {session: median(values) for session, values in times.items()}


def median(values: list[float]) -> float:
    """Return the middle value of a non-empty list."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def recent_times(connection: Connection, study_id: int) -> list[float]:
    """Return the response times of the latest judgments in milliseconds, sorted."""
    query = (
        select(Judgment.rt_ms)
        .join(RaterSession, RaterSession.id == Judgment.session_id)
        .where(RaterSession.study_id == study_id, Judgment.rt_ms.is_not(None))
        .order_by(Judgment.answered_at.desc())
        .limit(RECENT_JUDGMENTS)
    )
    return sorted(value for value in connection.execute(query).scalars() if value is not None)


def per_hour(connection: Connection, study_id: int, now: int, hours: int = 24) -> list[int]:
    """Return the number of judgments in each of the last hours, the oldest first."""
    start = now - hours * HOUR_MS
    hour = (now - Judgment.answered_at) // HOUR_MS
    query = (
        select(hour.label("hour"), func.count().label("n"))
        .join(RaterSession, RaterSession.id == Judgment.session_id)
        .where(RaterSession.study_id == study_id, Judgment.answered_at > start)
        .group_by(hour)
    )
    counts = [0] * hours
    for row in connection.execute(query):
        if 0 <= row.hour < hours:
            counts[hours - 1 - row.hour] = row.n
    return counts


def judgments_total(connection: Connection, study_id: int) -> int:
    """Return how many judgments there are, practice and catch trials included."""
    query = (
        select(func.count())
        .select_from(Judgment)
        .join(RaterSession, RaterSession.id == Judgment.session_id)
        .where(RaterSession.study_id == study_id)
    )
    return int(connection.execute(query).scalar_one())


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


def audit_entries(connection: Connection, limit: int = 200) -> list[LogLine]:
    """Return the latest lines of the audit log with their study's name."""
    query = (
        select(AuditEntry.at, AuditEntry.actor, AuditEntry.action, Study.slug, AuditEntry.detail)
        .outerjoin(Study, Study.id == AuditEntry.study_id)
        .order_by(AuditEntry.id.desc())
        .limit(limit)
    )
    return [LogLine(*row[:4], json.loads(row.detail)) for row in connection.execute(query)]
