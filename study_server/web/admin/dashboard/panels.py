"""The dashboard's numbers as the templates show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from study_server.config import Rules, StudyFile
from study_server.export.rater_rules import WORDS, broken_rules
from study_server.recruit.panel_study import last_seen
from study_server.trial_kinds import Question
from study_server.web.admin.dashboard import counts, queries
from study_server.web.admin.dashboard.judged import Judged
from study_server.web.admin.dashboard.queries import CoverageCell, RaterRow

LiveInterval = Callable[[Sequence[float]], tuple[float, float]]

MOST_CELLS = 240  # of a coverage strip; more items than that share cells
TIME_BINS, BIN_MS = 24, 250
TASKS = {"task1": "Task 1", "task2": "Task 2"}
STANDING = {
    "completed": "finished",
    "no_consent": "declined",
    "screened_out": "screened out",
    "timed_out": "timed out",
    "full": "came too late",
}


@dataclass(frozen=True)
class Rate:
    """One condition's fool rate over finished raters, and the interval that may be watched."""

    condition: str
    task: str
    raters: int
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Strip:
    """One condition's row of the coverage matrix."""

    condition: str
    got: int
    planned: int
    cells: tuple[tuple[str, int], ...]  # what the cell stands for, tenths of the plan reached
    fewest: str


@dataclass(frozen=True)
class Bar:
    """One bar of a small chart: x and height in per cent, and its words."""

    x: float
    height: float
    words: str


@dataclass(frozen=True)
class Rater:
    """One line of the rater table."""

    row: RaterRow
    standing: str
    tone: str  # done | live | off
    minutes: float | None
    flags: tuple[str, ...]


def build(
    connection: Connection,
    judged: Judged,
    file: StudyFile,
    live_interval: LiveInterval | None,
    now: int,
) -> dict[str, Any]:
    """Return everything the dashboard's panels show, by name.

    `connection` sees one state of the database from beginning to end.
    """
    judged.refresh(connection)
    study_id = judged.study_id
    names = queries.conditions(connection, study_id)
    funnel = queries.funnel(connection, study_id, now)
    times = counts.recent_times(judged)
    hours = counts.per_hour(judged, now)
    strips = [
        _strip(_shown(condition, other, names), cells)
        for (condition, other), cells in counts.coverage(judged).items()
        if condition in names
    ]
    rows = counts.raters(judged, queries.recent_raters(connection, study_id))
    facts = counts.facts(judged, (row.number for row in rows))
    broken = broken_rules(facts, file.use)
    troubles = queries.troubles(connection, study_id, now)
    means = counts.means(judged, file.design.trial)
    return {
        "funnel": funnel,
        "stages": _stages(funnel),
        "blocks": queries.blocks(connection, study_id, now),
        "strips": strips,
        "got": sum(strip.got for strip in strips),
        "planned": sum(strip.planned for strip in strips),
        "rates": _rates(means, names, file, live_interval),
        "trial": file.design.trial,
        "asked": file.questions,
        "further": _further(judged, names, file, live_interval),
        "live": live_interval is not None,
        "raters": [_rater(row, file.use, broken.get(row.number, ()), now) for row in rows],
        "shown_raters": len(rows),
        "times": _histogram(times),
        "median_ms": queries.median(times) if times else None,
        "slow_ms": times[int(0.9 * (len(times) - 1))] if times else None,
        "hours": _bars(hours, lambda k, n: f"{23 - k} h ago: {n} judgments"),
        "last_hour": hours[-1],
        "busiest": max(hours),
        "troubles": troubles,
        "troubles_today": sum(day for _, day, _ in troubles),
        "judgments": len(judged.rows),
        "panel": last_seen(connection, study_id),
        "asks_why": file.reason.ask != "never",
        "public": file.results.public != "never",
    }


def _stages(funnel: dict[str, int]) -> list[tuple[str, int, float]]:
    """Return (label, count, share of those who arrived) from the top of the funnel down."""
    top = max(funnel["arrived"], 1)
    labels = {
        "arrived": "Arrived",
        "consented": "Consented",
        "started": "Began the trials",
        "completed": "Finished",
    }
    return [(label, funnel[key], 100 * funnel[key] / top) for key, label in labels.items()]


def _shown(condition: int, other: int | None, names: dict[int, str]) -> str:
    return names[condition] if other is None else f"{names[condition]} against {names[other]}"


def _rates(
    means: dict[tuple[str, int], list[float]],
    names: dict[int, str],
    file: StudyFile,
    live_interval: LiveInterval | None,
) -> list[Rate]:
    rates = []
    for task in file.study.tasks:
        for condition, name in names.items():
            label = TASKS[task] if len(file.study.tasks) > 1 else ""
            values = means.get((task, condition), [])
            rates.append(_rate(name, label, values, live_interval))
    return rates


def _further(
    judged: Judged,
    names: dict[int, str],
    file: StudyFile,
    live_interval: LiveInterval | None,
) -> list[tuple[Question, list[Rate]]]:
    """Return the questions after the first, each with how often the conditions were picked.

    Of a question with a scale it is how the images were rated, as a share of the way up it.
    """
    found = []
    for place, question in enumerate(file.questions[1:], start=1):
        shares = (counts.ratings if question.options else counts.win_shares)(judged, place)
        lines = [_rate(name, "", shares.get(of, []), live_interval) for of, name in names.items()]
        found.append((question, lines))
    return found


def _rate(name: str, task: str, values: list[float], live_interval: LiveInterval | None) -> Rate:
    low, high = interval(live_interval, tuple(values)) if live_interval else (None, None)
    mean = sum(values) / len(values) if values else None
    return Rate(name, task, len(values), mean, low, high)


@lru_cache(maxsize=256)
def interval(live_interval: LiveInterval, means: tuple[float, ...]) -> tuple[float, float]:
    """Return the interval that may be watched: asked for often, it changes when a rater ends."""
    return live_interval(list(means))


def _strip(condition: str, cells: list[CoverageCell]) -> Strip:
    got, planned = sum(cell.got for cell in cells), sum(cell.planned for cell in cells)
    least = min(cells, key=lambda cell: cell.got / cell.planned)
    size = -(-len(cells) // MOST_CELLS)
    groups = [cells[start : start + size] for start in range(0, len(cells), size)]
    fewest = f"{least.item} with {least.got} of {least.planned}"
    return Strip(condition, got, planned, tuple(_cell(group) for group in groups), fewest)


def _cell(group: list[CoverageCell]) -> tuple[str, int]:
    got, planned = sum(cell.got for cell in group), sum(cell.planned for cell in group)
    name = group[0].item if len(group) == 1 else f"{group[0].item} to {group[-1].item}"
    return f"{name}: {got} of {planned}", min(10, 10 * got // planned)


def _histogram(times: list[float]) -> list[Bar]:
    counts = [0] * TIME_BINS
    for value in times:
        counts[min(int(value // BIN_MS), TIME_BINS - 1)] += 1

    def words(index: int, n: int) -> str:
        start = index * BIN_MS / 1000
        return f"{start:g} s and more: {n}" if index == TIME_BINS - 1 else f"from {start:g} s: {n}"

    return _bars(counts, words)


def _bars(counts: list[int], words: Callable[[int, int], str]) -> list[Bar]:
    top = max(1, *counts)
    width = 100 / len(counts)
    return [
        Bar(round(k * width, 3), round(100 * n / top, 1), words(k, n)) for k, n in enumerate(counts)
    ]


def _rater(row: RaterRow, rules: Rules, broken: tuple[str, ...], now: int) -> Rater:
    end = row.finished_at or row.last_seen_at
    minutes = (end - row.created_at) / 60_000
    if row.outcome:
        standing = STANDING[row.outcome]
        tone = "done" if row.outcome == "completed" else "off"
    elif row.lease_until >= now:
        standing, tone = f"at {row.stage}", "live"
    else:
        standing, tone = f"silent at {row.stage}", "off"
    return Rater(row, standing, tone, minutes if row.answered else None, _flags(row, rules, broken))


def _flags(row: RaterRow, rules: Rules, broken: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of the study file's own use rules the rater stands to fail, and what to know."""
    if not broken and rules.max_failed_catch is not None:
        # Only this rule cannot be mended by the trials that are still to come.
        broken = ("max_failed_catch",) if row.catch_failed > rules.max_failed_catch else ()
    return (*(WORDS[name] for name in broken), *(("surplus",) if row.surplus else ()))
