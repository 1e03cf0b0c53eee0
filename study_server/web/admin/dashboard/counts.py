"""What the dashboard counts of the judgments that `judged` holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study_server.export.rater_rules import Facts, sum_up
from study_server.trial_kinds import Kind
from study_server.web.admin.dashboard.columns import starts_of
from study_server.web.admin.dashboard.judged import BITS, LATER, NEITHER, Judged, Session
from study_server.web.admin.dashboard.planned import CATCH, MAIN
from study_server.web.admin.dashboard.queries import HOUR_MS, CoverageCell, RaterRow, median

RECENT_JUDGMENTS = 5_000
Shown = tuple[int, int | None]  # condition id, and that of the model it is held against


def coverage(judged: Judged) -> dict[Shown, list[CoverageCell]]:
    """Return what is judged -> a cell for every item, by item name, main trials only.

    A judgment counts while its rater holds the block.
    """
    holds = _of_sessions(judged, lambda session: session.holds)
    rows = judged.rows[judged.rows["cell"] >= 0]
    got = np.bincount(rows["cell"][holds[rows["who"]]], minlength=len(judged.cells))
    found: dict[Shown, list[CoverageCell]] = defaultdict(list)
    for cell, count in zip(judged.cells, got.tolist(), strict=True):
        found[cell.condition_id, cell.other_id].append(CoverageCell(cell.item, count, cell.planned))
    return dict(found)


def rater_means(judged: Judged) -> dict[tuple[str, int], list[float]]:
    """Return (task, condition id) -> finished raters' fool rates, in the order they finished.

    Skips and surplus raters are left out; no other rule is applied while data come in.
    """
    rows = judged.rows[(judged.rows["cell"] >= 0) & (judged.rows["fooled"] >= 0)]
    return _means(judged, rows, rows["fooled"])


def _means(
    judged: Judged, rows: NDArray[Any], points: NDArray[Any]
) -> dict[tuple[str, int], list[float]]:
    """Return (task, condition id) -> finished raters' means of the points of these rows."""
    conditions = sorted({cell.condition_id for cell in judged.cells})
    of_cell = np.array([conditions.index(cell.condition_id) for cell in judged.cells], "i8")
    key = rows["who"] * len(conditions) + of_cell[rows["cell"]]
    size = len(judged.places) * len(conditions)
    asked = np.bincount(key, minlength=size).reshape(-1, len(conditions))
    won = np.bincount(key, points, minlength=size).reshape(-1, len(conditions))
    found: dict[tuple[str, int], list[float]] = defaultdict(list)
    for session in _finished(judged):
        place = judged.places[session.key]
        for index, condition in enumerate(conditions):
            if asked[place, index]:
                mean = float(won[place, index] / asked[place, index])
                found[str(session.task), condition].append(mean)
    return dict(found)


def win_shares(judged: Judged, question: int = 0) -> dict[int, list[float]]:
    """Return condition id -> finished raters' win shares against the field, as they finished.

    A model's win share is its mean over the comparisons that it was in: 1 where it was picked, 0
    where the other (a model, or the photo) was, a half for neither. `question` counts the trial's
    questions from 0. Skips and surplus raters are left out.
    """
    rows = judged.rows[(judged.rows["cell"] >= 0) & (judged.rows["left"] >= 0)]
    points = _points(rows, question)
    models = sorted({name for c in judged.cells for name in (c.condition_id, c.other_id) if name})
    place_of = {model: place for place, model in enumerate(models)}
    asked, won = np.zeros((2, len(judged.places), len(models)))
    for side, mine in (("condition_id", points), ("other_id", 1 - points)):
        of_cell = np.array([place_of.get(getattr(cell, side), -1) for cell in judged.cells], "i8")
        model = of_cell[rows["cell"]]
        there = model >= 0  # the photo is no model
        np.add.at(asked, (rows["who"][there], model[there]), 1)
        np.add.at(won, (rows["who"][there], model[there]), mine[there])
    found: dict[int, list[float]] = {model: [] for model in models}
    for session in _finished(judged):
        place = judged.places[session.key]
        for index in np.flatnonzero(asked[place]):
            found[models[index]].append(float(won[place, index] / asked[place, index]))
    return found


def _code(rows: NDArray[Any], question: int) -> NDArray[np.int64]:
    """Return what was answered to a question after the first, as the column `later` has it."""
    return np.asarray(rows["later"] >> BITS * (question - 1) & (1 << BITS) - 1)


def ratings(judged: Judged, question: int) -> dict[int, list[float]]:
    """Return condition id -> finished raters' means of one rating, in the order they finished.

    Of an ordinal scale the mean score goes from 0, its first step, to 1, its last; of a nominal one
    it is the share of the first answer. `question` counts the trial's questions from 0. Skips and
    surplus raters are left out.
    """
    asked = judged.later[question - 1]
    rows = judged.rows[judged.rows["cell"] >= 0]
    code = _code(rows, question)
    rows, code = rows[code > 0], code[code > 0]
    of_scale = (code - 1) / (len(asked.options) - 1)
    points = of_scale if asked.scale == "ordinal" else (code == 1).astype(float)
    return {name: shares for (_, name), shares in _means(judged, rows, points).items()}


def _points(rows: NDArray[Any], question: int) -> NDArray[np.float64]:
    """Return 1 where a question's answer was the condition's image, 0 the other, ½ neither."""
    if question == 0:
        return np.where(rows["left"] == NEITHER, 0.5, rows["fooled"])
    code = _code(rows, question)
    picked = np.where(rows["side"] == 1, code == LATER["left"], code == LATER["right"])
    return np.where(code == LATER["tie"], 0.5, picked)


def means(judged: Judged, trial: Kind) -> dict[tuple[str, int], list[float]]:
    """Return (task, condition id) -> what the finished raters' answers give each condition.

    Of single images these are shares of wrong answers, about a model's outputs or real photos.
    """
    if trial == "real-or-model":
        return rater_means(judged)
    if trial == "single":
        return {("task2", name): errors for (_, name), errors in rater_means(judged).items()}
    return {("task2", model): shares for model, shares in win_shares(judged).items()}


def _finished(judged: Judged) -> list[Session]:
    """Return the sessions that count, in the order they finished."""
    counted = [s for s in judged.sessions if s.outcome == "completed" and s.holds and not s.surplus]
    return sorted(counted, key=lambda each: (each.finished_at or 0, each.id))


def raters(judged: Judged, recent: Sequence[Any]) -> list[RaterRow]:
    """Return the lines of the table of raters, of rows of `queries.recent_raters`."""
    rows = judged.rows
    main, catch = rows["kind"] == MAIN, rows["kind"] == CATCH
    counts = {
        "answered": _count(judged, main),
        "skipped": _count(judged, main & (rows["left"] < 0)),
        "catch_seen": _count(judged, catch),
        "catch_failed": _count(judged, catch & (rows["fooled"] != 0)),
        "hidden": _count(judged, np.ones(len(rows), bool), rows["hidden"]),
    }
    left, right = (_count(judged, main & (rows["left"] == side)) for side in (1, 0))
    places = [judged.places[row.id, row.created_at] for row in recent]
    medians = {place: _median_time(theirs) for place, theirs in _by_session(judged, places)}
    lines = []
    for row, place in zip(recent, places, strict=True):
        values = {name: value for name, value in row._mapping.items() if name != "id"}
        numbers = {name: int(counted[place]) for name, counted in counts.items()}
        chosen = int(left[place] + right[place])
        share = float(left[place] / chosen) if chosen else None
        values |= numbers | {"left_share": share, "median_rt_ms": medians.get(place)}
        lines.append(RaterRow(**values))
    return lines


def _median_time(rows: NDArray[Any]) -> float | None:
    times = rows["rt_ms"][(rows["kind"] == MAIN) & ~np.isnan(rows["rt_ms"])]
    return median(times.tolist()) if len(times) else None


def facts(judged: Judged, recent: Iterable[int]) -> dict[int, Facts]:
    """Return number -> what the use rules look at, of those of these numbers that finished."""
    wanted = set(recent)
    done = [s for s in judged.sessions if s.outcome == "completed" and s.number in wanted]
    new = {judged.places[s.key]: s.key for s in done if s.key not in judged.facts}
    for place, rows in _by_session(judged, new):
        judged.facts[new[place]] = _facts(rows)
    return {s.number: judged.facts[s.key] for s in done if s.key in judged.facts}


def _facts(rows: NDArray[Any]) -> Facts:
    kind = rows["kind"]
    left, times = rows["left"][kind == MAIN], rows["rt_ms"][kind == MAIN]
    return sum_up(
        len(left),
        (left[np.isin(left, (0, 1))] == 1).tolist(),
        times[~np.isnan(times)].tolist(),
        int(np.count_nonzero(rows["fooled"][kind == CATCH])),
        neither=int(np.count_nonzero(left == NEITHER)),
    )


def recent_times(judged: Judged) -> list[float]:
    """Return the response times of the latest judgments in milliseconds, sorted."""
    times = judged.rows["rt_ms"]
    known = ~np.isnan(times)
    times, at = times[known], judged.rows["at"][known]
    if len(times) > RECENT_JUDGMENTS:
        times = times[np.argpartition(at, -RECENT_JUDGMENTS)[-RECENT_JUDGMENTS:]]
    return [float(time) for time in np.sort(times)]


def per_hour(judged: Judged, now: int, hours: int = 24) -> list[int]:
    """Return the number of judgments in each of the last hours, the oldest first."""
    ago = (now - judged.rows["at"]) // HOUR_MS
    counts = np.bincount(ago[(ago >= 0) & (ago < hours)], minlength=hours)
    return [int(count) for count in counts[::-1]]


def _of_sessions(judged: Judged, test: Any) -> NDArray[np.bool_]:
    found = np.zeros(len(judged.places), bool)
    for session in judged.sessions:
        found[judged.places[session.key]] = test(session)
    return found


def _count(
    judged: Judged, which: NDArray[np.bool_], weights: NDArray[Any] | None = None
) -> NDArray[Any]:
    chosen = None if weights is None else weights[which]
    return np.bincount(judged.rows["who"][which], chosen, minlength=len(judged.places))


def _by_session(judged: Judged, places: Iterable[int]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield these sessions' places and their judgments, in order of the trials."""
    wanted = np.zeros(len(judged.places), bool)
    wanted[list(places)] = True
    rows = judged.rows[wanted[judged.rows["who"]]]
    rows = rows[np.argsort(rows["who"], kind="stable")]
    starts = starts_of(rows["who"])
    yield from zip(rows["who"][starts].tolist(), np.split(rows, starts[1:]), strict=False)
