"""What the dashboard counts, as one SQL statement each: how it was done before `judged`."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, Integer, and_, case, cast, func, or_, select

from study_server.export.rater_rules import Facts, rater_facts
from study_server.storage.models import Block, Item, Judgment, RaterSession, Trial
from study_server.web.admin.dashboard.queries import HOUR_MS, CoverageCell, RaterRow, median

RECENT_RATERS = 200
RECENT_JUDGMENTS = 5_000
# A session whose judgments are in the balanced analysis holds its block and is not surplus.
_COUNTED = and_(Block.session_id == RaterSession.id, RaterSession.surplus.is_(False))


def _skipped() -> Any:
    return and_(Judgment.choice.is_(None), Judgment.answers.is_(None))


def _count_if(condition: Any) -> Any:
    return func.count(case((condition, 1)))


def coverage(
    connection: Connection, study_id: int
) -> dict[tuple[int, int | None], list[CoverageCell]]:
    """Return (condition, other one) -> a cell for every item, by item name, main trials only."""
    query = (
        select(
            Trial.condition_id,
            Trial.other_id,
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
        .group_by(Trial.condition_id, Trial.other_id, Item.name)
        .order_by(Trial.condition_id, Trial.other_id, Item.name)
    )
    found: dict[tuple[int, int | None], list[CoverageCell]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.condition_id, row.other_id].append(CoverageCell(row.name, row.got, row.planned))
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
            _count_if(and_(main, j.session_id.is_not(None), _skipped())).label("skipped"),
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
