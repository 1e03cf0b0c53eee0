"""Pairwise differences: a forest plot around zero."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.report.figures.style import (
    ACCENT,
    INK,
    MUTED,
    NARROW,
    PAPER,
    Drawing,
    Mark,
    label_room,
    two_columns,
    watermark,
)
from analysis.report.results.schema import Difference, Results
from analysis.report.text.terms import terms_of
from analysis.report.text.wording import MINUS, p_phrase, point_interval, points

HEAD, FOOT = 0.12, 0.46  # inches above and below the rows


def draw_pairs(results: Results, width: float) -> Drawing:
    """Return one row for each comparison; hollow where its adjusted p is not below alpha."""
    rows = sorted(results.differences, key=lambda d: (-abs(d.difference or 0.0), d.a, d.b))
    names = {model.key: model.label for model in results.models}
    labels = [f"{names[d.a]} {MINUS} {names[d.b]}" for d in rows]
    narrow = width <= NARROW
    height = HEAD + FOOT + (0.5 if narrow else 0.32) * len(rows)
    figure = Figure(figsize=(width, height))
    left = 0.02 if narrow else label_room(labels, width)
    right = 0.98 if narrow else 1 - 1.62 / width
    axes = figure.add_axes((left, FOOT / height, right - left, 1 - (HEAD + FOOT) / height))
    _frame(axes, rows, terms_of(results).rate, narrow=narrow)
    for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
        _row(axes, row, label, place, narrow=narrow, alpha=results.alpha)
    watermark(figure, results.simulated)
    marks = tuple(
        Mark(f"pair-{place}", f"{label}: {_words(row)} points, adjusted {p_phrase(row.p_adjusted)}")
        for place, (row, label) in enumerate(zip(rows, labels, strict=True))
    )
    alt = f"Differences in {terms_of(results).rate}, percentage points: " + "; ".join(
        f"{label} {_words(row)}" for row, label in zip(rows, labels, strict=True)
    )
    return Drawing("pairs", alt, figure, marks)


def _words(row: Difference) -> str:
    return f"{points(row.difference)} ({point_interval(row.low, row.high)})"


def _frame(axes: Axes, rows: list[Difference], rate: str, *, narrow: bool) -> None:
    ends = [end for row in rows for end in (row.low, row.high) if end is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    room = 0.04 * (high - low or 0.1)
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    # On a narrow page the words have a line of their own, so the zero line skips it.
    whole = [(-0.55, len(rows) - 0.45)]
    for top, end in [(row - 0.04, row + 0.4) for row in range(len(rows))] if narrow else whole:
        axes.plot([0, 0], [top, end], color=INK, linewidth=0.9, zorder=1)
    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.5) if (high - low) / s <= 9)
    ticks = [step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1)]
    axes.set_xticks(ticks, [points(tick, 0) for tick in ticks])
    axes.set_xlabel(f"difference in {rate}, percentage points", loc="left")


def _row(
    axes: Axes, row: Difference, label: str, place: int, *, narrow: bool, alpha: float
) -> None:
    low_edge, high_edge = axes.get_xlim()
    room = 0.02 * (high_edge - low_edge)
    words_y, y = (place - 0.24, place + 0.16) if narrow else (place, place)
    name_x, name_side = (low_edge, "left") if narrow else (low_edge - room, "right")
    axes.text(name_x, words_y, label, ha=name_side, va="center", color=INK)
    if row.difference is None or row.low is None or row.high is None:
        axes.text(high_edge, y, "no interval", color=MUTED, va="center", ha="right", fontsize=8)
        return
    words = (points(row.difference), point_interval(row.low, row.high))
    two_columns(axes, words_y, words, narrow=narrow)
    axes.plot([row.low, row.high], [y, y], color=ACCENT, linewidth=2.6, zorder=3)
    clear = row.p_adjusted is not None and row.p_adjusted < alpha
    axes.plot(
        [row.difference], [y], "o", markersize=5.6, markeredgecolor=ACCENT, markeredgewidth=1.5,
        markerfacecolor=ACCENT if clear else PAPER, zorder=4, gid=f"pair-{place}",
    )  # fmt: skip
