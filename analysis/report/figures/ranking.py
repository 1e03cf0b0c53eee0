"""The scores of a preference study with their intervals, one row a model, a block a question."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.columns import ranks_text
from analysis.numerals import PAGE
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
from analysis.report.results.schema import Results
from analysis.report.results.values import RankedModel, RankingResult
from analysis.report.text.rankings import heading
from analysis.report.text.wording import number

HEAD, FOOT = 0.3, 0.5  # inches above and below a question's rows


def draw_ranking(results: Results, width: float) -> Drawing:
    """Return the plot of scores; models are in order of rank, the best on top."""
    narrow = width <= NARROW
    row = 0.6 if narrow else 0.42
    blocks = [HEAD + FOOT + row * len(each.models) for each in results.rankings]
    height = sum(blocks)
    figure = Figure(figsize=(width, height))
    names = [model.model for each in results.rankings for model in each.models]
    left = 0.02 if narrow else label_room(names, width)
    right = 0.98 if narrow else 1 - 1.62 / width
    top, marks = height, []
    for place, (ranking, block) in enumerate(zip(results.rankings, blocks, strict=True)):
        bottom = top - block
        size = (left, (bottom + FOOT) / height, right - left, (block - HEAD - FOOT) / height)
        axes = figure.add_axes(size)
        _frame(axes, ranking)
        axes.set_title(heading(ranking), loc="left", fontsize=8.5)
        for index, model in enumerate(ranking.models):
            gid = f"ranking-{place}-{index}"
            _row(axes, model, index, gid, narrow=narrow)
            marks.append(Mark(gid, _tip(model)))
        top = bottom
    watermark(figure, results.simulated)
    return Drawing("ranking", _alt(results), figure, tuple(marks))


def _frame(axes: Axes, ranking: RankingResult) -> None:
    ends = [
        abs(end) for model in ranking.models for end in (model.low, model.high, model.score)
        if end is not None
    ]  # fmt: skip
    edge = math.ceil(2 * max(ends, default=1.0) + 0.2) / 2
    axes.set_xlim(-edge, edge)
    axes.set_ylim(len(ranking.models) - 0.45, -0.55)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("score, log odds; 0 is the mean of the models", loc="left")
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)


def _row(axes: Axes, model: RankedModel, row: int, gid: str, *, narrow: bool) -> None:
    words_y, y = (row - 0.24, row + 0.14) if narrow else (row, row)
    edge = axes.get_xlim()[1]
    name_x, side = (-edge, "left") if narrow else (-1.04 * edge, "right")
    axes.text(name_x, words_y, model.model, ha=side, va="center", color=INK)
    two_columns(
        axes,
        words_y,
        (number(model.score, 2), PAGE.bounds(model.low, model.high, 2)),
        narrow=narrow,
    )
    low = -edge if model.low is None and model.score is None else model.low
    high = edge if model.high is None and model.score is None else model.high
    if low is not None and high is not None:
        colour = ACCENT if model.score is not None else MUTED
        axes.plot([low, high], [y, y], color=colour, linewidth=4.4, zorder=3)
    if model.score is not None:
        axes.plot(
            [model.score], [y], "o", markersize=6.4, markerfacecolor=PAPER, markeredgecolor=ACCENT,
            markeredgewidth=1.7, zorder=4, gid=gid,
        )  # fmt: skip


def _tip(model: RankedModel) -> str:
    within = PAGE.bounds(model.low, model.high, 2)
    return (
        f"{model.model}: {number(model.score, 2)}, {within}; rank {ranks_text(model)} "
        f"({model.wins} wins, {model.losses} losses, {model.ties} ties)"
    )


def _alt(results: Results) -> str:
    said = [
        f"{heading(ranking)} "
        + "; ".join(
            f"{m.model} {number(m.score, 2)} ({PAGE.bounds(m.low, m.high, 2)})"
            for m in ranking.models
        )
        for ranking in results.rankings
    ]
    return "Scores with intervals. " + " ".join(said)
