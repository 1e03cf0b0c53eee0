"""Mean scores of rated single images with their intervals, over how often each step was given."""

from __future__ import annotations

from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.numerals import PAGE
from analysis.report.figures.style import (
    ACCENT,
    INK,
    NARROW,
    PAPER,
    RULE,
    Drawing,
    Mark,
    label_room,
    two_columns,
    watermark,
)
from analysis.report.results.schema import Results
from analysis.report.results.values import MeanRating
from analysis.report.text.wording import number

HEAD, FOOT = 0.3, 0.5  # inches above and below a question's rows
BAR = 0.8  # of a row's height, where every answer was at one step


def draw_ratings(results: Results, width: float) -> Drawing:
    """Return the plot: a block a question, a row a condition, the real photos on top."""
    narrow = width <= NARROW
    row = 0.68 if narrow else 0.5
    asked = [list(rows) for _, rows in groupby(results.ratings, lambda each: each.question)]
    blocks = [HEAD + FOOT + row * len(rows) for rows in asked]
    height = sum(blocks)
    figure = Figure(figsize=(width, height))
    left = 0.04 if narrow else label_room([each.condition for each in results.ratings], width)
    right = 0.96 if narrow else 1 - 1.62 / width
    top, marks = height, []
    for place, (rows, block) in enumerate(zip(asked, blocks, strict=True)):
        size = (left, (top - block + FOOT) / height, right - left, (block - HEAD - FOOT) / height)
        axes = figure.add_axes(size)
        _frame(axes, rows)
        for index, rating in enumerate(rows):
            gid = f"ratings-{place}-{index}"
            _row(axes, rating, index, gid, narrow=narrow)
            marks.append(Mark(gid, _tip(rating)))
        top -= block
    watermark(figure, results.simulated)
    shown = tuple(mark for mark, each in zip(marks, results.ratings, strict=True)
                  if each.mean is not None)  # fmt: skip
    return Drawing("ratings", _alt(results), figure, shown)


def _frame(axes: Axes, rows: list[MeanRating]) -> None:
    steps, labels = rows[0].steps, rows[0].labels
    axes.set_xlim(0.5, steps + 0.5)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xticks(range(1, steps + 1))
    axes.set_xlabel(f"score, from 1 ({labels[0]}) to {steps} ({labels[-1]})", loc="left")
    axes.set_title(rows[0].words or rows[0].question, loc="left", fontsize=8.5)


def _row(axes: Axes, rating: MeanRating, row: int, gid: str, *, narrow: bool) -> None:
    words_y, y = (row - 0.3, row + 0.12) if narrow else (row, row)
    edge, end = axes.get_xlim()
    name_x, side = (edge, "left") if narrow else (edge - 0.02 * (end - edge), "right")
    axes.text(name_x, words_y, rating.condition, ha=side, va="center", color=INK)
    room = BAR * (0.62 if narrow else 1.0)
    for step, count in enumerate(rating.counts, start=1):
        if count:
            share = count / rating.trials
            axes.bar(step, -room * share, width=0.8, bottom=y + room / 2, color=RULE, zorder=1)
    if rating.mean is None:
        return
    two_columns(
        axes, words_y, (number(rating.mean, 2), PAGE.span(rating.low, rating.high, 2)),
        narrow=narrow,
    )  # fmt: skip
    if rating.low is not None and rating.high is not None:
        axes.plot([rating.low, rating.high], [y, y], color=ACCENT, linewidth=4.4, zorder=3)
    axes.plot(
        [rating.mean], [y], "o", markersize=6.4, markerfacecolor=PAPER, markeredgecolor=ACCENT,
        markeredgewidth=1.7, zorder=4, gid=gid,
    )  # fmt: skip


def _said(rating: MeanRating) -> str:
    return f"{number(rating.mean, 2)} ({PAGE.span(rating.low, rating.high, 2)})"


def _tip(rating: MeanRating) -> str:
    told = zip(rating.labels, rating.counts, strict=True)
    counts = ", ".join(f"{label} {count}" for label, count in told)
    return f"{rating.condition}: {_said(rating)}; {counts}"


def _alt(results: Results) -> str:
    said = []
    for name, rows in groupby(results.ratings, lambda each: each.words or each.question):
        said.append(f"{name} " + "; ".join(f"{each.condition} {_said(each)}" for each in rows))
    return "Mean scores with intervals. " + ". ".join(said) + "."
