"""The forest plot: each model's fool rate, the 50 % line, the equivalence band, two intervals."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.report.figures.style import (
    ACCENT,
    BAND,
    INK,
    MUTED,
    NARROW,
    PAPER,
    RULE,
    Drawing,
    Mark,
    watermark,
)
from analysis.report.schema import Model, Results
from analysis.report.wording import ESTIMANDS, interval, level, percent

ROW = 0.46  # inches


def draw_forest(results: Results, width: float) -> Drawing:
    """Return the forest plot; models are ordered by rate, the most fooling on top."""
    models = sorted(results.models, key=lambda model: (-(model.rate or 0.0), model.key))
    narrow = width <= NARROW
    height = 0.85 + ROW * len(models) * (1.35 if narrow else 1)
    figure = Figure(figsize=(width, height))
    left, right = (0.03, 0.97) if narrow else (0.24, 0.79)
    axes = figure.add_axes((left, 0.52 / height, right - left, 1 - 0.85 / height))
    _frame(axes, results, len(models))
    for row, model in enumerate(models):
        _row(axes, model, row, narrow)
    _legend(figure, results, height)
    watermark(figure, results.simulated)
    marks = tuple(Mark(f"forest-{row}", _tip(model)) for row, model in enumerate(models))
    return Drawing("forest", _alt(results, models), figure, marks)


def _frame(axes: Axes, results: Results, rows: int) -> None:
    top = max([0.6, *(model.high or 0.0 for model in results.models)])
    axes.set_xlim(0, min(1.0, round(top + 0.06, 1)))
    axes.set_ylim(rows - 0.35, -0.65)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    ticks = [tick / 10 for tick in range(0, 11) if tick / 10 <= axes.get_xlim()[1] + 1e-9]
    axes.set_xticks(ticks, [f"{100 * tick:.0f}" for tick in ticks])
    axes.set_xlabel("fool rate, % of trials")
    low, high = 0.5 - results.margin, 0.5 + results.margin
    axes.axvspan(low, high, color=BAND, linewidth=0, zorder=0)
    axes.axvline(0.5, color=INK, linewidth=0.9, zorder=1)
    axes.text(
        0.5, -0.62, "50 %", ha="center", va="bottom", fontsize=8, color=INK
    )
    for tick in ticks:
        axes.axvline(tick, color=RULE, linewidth=0.4, zorder=0)


def _row(axes: Axes, model: Model, row: int, narrow: bool) -> None:
    label_y, shift = (row - 0.34, 0.06) if narrow else (row, 0.0)
    edge = axes.get_xlim()[1]
    place = {"va": "center", "transform": axes.transData}
    if narrow:
        axes.text(0, label_y, model.label, ha="left", color=INK, **place)
    else:
        axes.text(-0.02 * edge, label_y, model.label, ha="right", color=INK, **place)
    if model.rate is None:
        axes.text(0.02, row + shift, "not estimated", color=MUTED, va="center", fontsize=8)
        return
    y = row + shift
    if model.low is not None and model.high is not None:
        axes.plot([model.low, model.high], [y, y], color=ACCENT, linewidth=4.2, zorder=3)
    if model.pooled.low is not None and model.pooled.high is not None:
        span = [model.pooled.low, model.pooled.high]
        axes.plot(span, [y + 0.2, y + 0.2], color=MUTED, linewidth=0.9, zorder=3)
    axes.plot(
        [model.rate], [y], "o", markersize=6.2, markerfacecolor=PAPER, markeredgecolor=ACCENT,
        markeredgewidth=1.6, zorder=4, gid=f"forest-{row}",
    )  # fmt: skip
    words = f"{percent(model.rate)}  {interval(model.low, model.high)}"
    if narrow:
        axes.text(edge, label_y, words, ha="right", color=INK, fontsize=8, **place)
    else:
        axes.text(edge * 1.03, y, words, ha="left", color=INK, **place)


def _legend(figure: Figure, results: Results, height: float) -> None:
    width = figure.get_size_inches()[0]
    narrow = width <= NARROW
    keys = [
        (4.2, ACCENT, f"{level(results.alpha)} interval, raters and images"),
        (0.9, MUTED, "all trials pooled: too short"),
        (9.0, BAND, f"±{100 * results.margin:g} points"),
    ]
    starts = (0.03, 0.54, 0.03) if narrow else (0.24, 0.55, 0.8)
    for (thick, colour, words), start, line in zip(keys, starts, (0, 0, 0), strict=True):
        if narrow and words.startswith("±"):
            continue
        y = (0.1 + line) / height
        stroke = Figure.add_artist
        stroke(figure, _line(figure, start, y, thick, colour))
        figure.text(start + 0.24 / width, y, words, fontsize=7.2, color=MUTED, va="center")


def _line(figure: Figure, x: float, y: float, thick: float, colour: str):  # type: ignore[no-untyped-def]
    from matplotlib.lines import Line2D

    width = figure.get_size_inches()[0]
    return Line2D(
        [x, x + 0.18 / width], [y, y], color=colour, linewidth=thick, transform=figure.transFigure
    )


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
    return f"Fool rates {ESTIMANDS[results.estimand]}, against the 50 % line: {rates}"
