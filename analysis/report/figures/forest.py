"""The forest plot: each model's rate, what it is held against, the margin's band, two intervals."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from analysis.report.figures.style import (
    ACCENT,
    BAND,
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
from analysis.report.results.schema import Model, Results
from analysis.report.text.terms import terms_of
from analysis.report.text.wording import ESTIMANDS, interval, level, percent, sentence

HEAD, FOOT = 0.2, 0.72  # inches above and below the rows


def draw_forest(results: Results, width: float) -> Drawing:
    """Return the forest plot; models are ordered by rate, the most fooling on top."""
    models = list(results.models)
    narrow = width <= NARROW
    row = 0.6 if narrow else 0.44
    foot = FOOT + (0.2 if narrow else 0)
    height = HEAD + foot + row * len(models)
    figure = Figure(figsize=(width, height))
    left = 0.02 if narrow else label_room([model.label for model in models], width)
    right = 0.98 if narrow else 1 - 1.62 / width
    axes = figure.add_axes((left, foot / height, right - left, 1 - (HEAD + foot) / height))
    _frame(axes, results, len(models), narrow=narrow)
    for place, model in enumerate(models):
        _row(axes, model, place, narrow)
    _legend(figure, results, left)
    watermark(figure, results.simulated)
    marks = tuple(Mark(f"forest-{place}", _tip(model)) for place, model in enumerate(models))
    return Drawing("forest", _alt(results, models), figure, marks)


def _frame(axes: Axes, results: Results, rows: int, *, narrow: bool) -> None:
    top = max([0.6, *(model.high or 0.0 for model in results.models)])
    edge = min(1.0, math.ceil(top * 10 + 0.2) / 10)
    axes.set_xlim(0, edge)
    axes.set_ylim(rows - 0.45, -0.55)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    ticks = [tick / 10 for tick in range(11) if tick / 10 <= edge + 1e-9]
    axes.set_xticks(ticks, [f"{100 * tick:.0f}" for tick in ticks])
    terms = terms_of(results)
    axes.set_xlabel(f"{terms.rate}, % of trials", loc="left")
    for centre, low, high in _references(results, narrow=narrow):
        corner = (centre - results.margin, low)
        axes.add_patch(Rectangle(corner, 2 * results.margin, high - low, color=BAND, linewidth=0))
        axes.plot([centre, centre], [low, high], color=INK, linewidth=0.9, zorder=1)
    heads = {centre for centre, _, _ in _references(results, narrow=narrow)}
    if not narrow and len(heads) == 1:
        axes.text(heads.pop(), 1.01, terms.reference, ha="center", va="bottom", color=INK,
                  fontsize=8, transform=axes.get_xaxis_transform())  # fmt: skip


def _references(results: Results, *, narrow: bool) -> list[tuple[float, float, float]]:
    """Return (rate that models are held against, top, bottom) of each piece of the line.

    On a narrow page the words have a line of their own, so the line skips it. Each task of single
    images has real photos of its own.
    """
    pieces = []
    for row, model in enumerate(results.models):
        centre = results.reference_rate(model.task)
        if centre is not None:
            top = row - 0.06 if narrow else row - (0.55 if row == 0 else 0.5)
            last = row == len(results.models) - 1
            bottom = row + 0.45 if narrow or last else row + 0.5
            pieces.append((centre, top, bottom))
    return pieces


def _row(axes: Axes, model: Model, row: int, narrow: bool) -> None:
    edge = axes.get_xlim()[1]
    words_y, y = (row - 0.24, row + 0.14) if narrow else (row, row)
    name_x, name_side = (0.0, "left") if narrow else (-0.02 * edge, "right")
    axes.text(name_x, words_y, model.label, ha=name_side, va="center", color=INK)
    if model.rate is None or model.low is None or model.high is None:
        axes.text(0.01, y, "no interval", color=MUTED, va="center", fontsize=8)
        return
    two_columns(
        axes, words_y, (percent(model.rate), interval(model.low, model.high)), narrow=narrow
    )
    axes.plot([model.low, model.high], [y, y], color=ACCENT, linewidth=4.4, zorder=3)
    if model.pooled.low is not None and model.pooled.high is not None:
        span = [model.pooled.low, model.pooled.high]
        axes.plot(span, [y + 0.2, y + 0.2], color=MUTED, linewidth=1, zorder=3)
    axes.plot(
        [model.rate], [y], "o", markersize=6.4, markerfacecolor=PAPER, markeredgecolor=ACCENT,
        markeredgewidth=1.7, zorder=4, gid=f"forest-{row}",
    )  # fmt: skip


def _legend(figure: Figure, results: Results, left: float) -> None:
    """Draw the key: each stroke as it looks above, with its words."""
    width, height = figure.get_size_inches()
    keys = (
        (4.4, ACCENT, f"two-way {level(results.alpha)} interval", 1.72),
        (1.0, MUTED, "all trials pooled: too short", 1.85),
        (8.0, BAND, f"±{100 * results.margin:g} points around {terms_of(results).around}", 0.0),
    )
    x, y = left, 0.32 if width <= NARROW else 0.12
    for thick, colour, words, step in keys:
        if width <= NARROW and colour == BAND:
            x, y = left, 0.12
        spot = [x, x + 0.2 / width]
        figure.add_artist(
            Line2D(
                spot, [y / height] * 2, color=colour, linewidth=thick, transform=figure.transFigure
            )
        )
        figure.text(
            spot[1] + 0.06 / width, y / height, words, fontsize=7.5, color=MUTED, va="center"
        )
        x += step / width


def _tip(model: Model) -> str:
    return (
        f"{model.label}: {percent(model.rate)}, {interval(model.low, model.high)} "
        f"({model.fooled} of {model.trials} trials, {model.raters} raters, {model.items} images)"
    )


def _alt(results: Results, models: list[Model]) -> str:
    rates = "; ".join(
        f"{model.label} {percent(model.rate)} ({interval(model.low, model.high)})"
        for model in models
    )
    terms = terms_of(results)
    head = f"{sentence(terms.rates)} {ESTIMANDS[results.estimand]}"
    return f"{head}, against {terms.around}: {rates}"
