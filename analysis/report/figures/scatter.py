"""Each metric against the fool rate: one small panel a metric, intervals both ways."""

from __future__ import annotations

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
    watermark,
)
from analysis.report.results.schema import MetricValue, Model, Results
from analysis.report.text.metric_view import metric_number, metric_title
from analysis.report.text.terms import terms_of
from analysis.report.text.wording import interval, number, percent, sentence

Point = tuple[MetricValue, Model]


def draw_scatter(results: Results, width: float) -> Drawing:
    """Return the panels; every panel's better end is at the right."""
    points = panel_points(results)
    columns = 1 if width <= NARROW else min(3, len(points))
    lines = -(-len(points) // columns)
    height = 2.45 * lines + 0.1
    figure = Figure(figsize=(width, height))
    marks: list[Mark] = []
    for place, (name, pairs) in enumerate(points.items()):
        cell = 1 / columns
        left = (place % columns) * cell + 0.5 / width
        bottom = 1 - (place // columns + 1) * 2.45 / height + 0.62 / height
        span = cell - 0.72 / width
        axes = figure.add_axes((left, bottom, span, 1.62 / height))
        _frame(axes, results, name, pairs, label=place % columns == 0)
        for row, pair in enumerate(pairs):
            gid = f"scatter-{place}-{row}"
            marks.append(_point(axes, pair, gid, terms_of(results).rate))
    watermark(figure, results.simulated)
    rate = sentence(terms_of(results).rate)
    alt = f"{rate} against {', '.join(map(metric_title, points))}, one point for each model"
    return Drawing("scatter", alt, figure, tuple(marks))


def panel_points(results: Results) -> dict[str, list[Point]]:
    """Return metric -> (score, model) for the metrics that at least two judged models have."""
    found: dict[str, list[Point]] = {}
    for value in results.metrics.values:
        for model in results.models:
            if model.condition == value.key and value.value is not None and model.rate is not None:
                found.setdefault(value.name, []).append((value, model))
    return {name: pairs for name, pairs in found.items() if len({p[0].key for p in pairs}) > 1}


def _frame(axes: Axes, results: Results, name: str, pairs: list[Point], *, label: bool) -> None:
    axes.set_ylim(0, max(0.6, *(model.high or 0.0 for _, model in pairs)) + 0.03)
    if results.real_condition is None:
        axes.axhline(0.5, color=INK, linewidth=0.8, zorder=0)
    ticks = [tick for tick in (0, 0.25, 0.5, 0.75, 1) if tick <= axes.get_ylim()[1]]
    axes.set_yticks(ticks, [f"{100 * tick:.0f}" for tick in ticks])
    if label:
        axes.set_ylabel(f"{terms_of(results).rate}, %")
    arrow = "higher" if pairs[0][0].direction == "higher" else "lower"
    axes.set_xlabel(f"{metric_title(name)} ({arrow} is better)")
    axes.tick_params(axis="y", labelcolor=MUTED)
    axes.locator_params(axis="x", nbins=4)
    axes.margins(x=0.14)
    if arrow == "lower":
        axes.invert_xaxis()
    found = next((c for c in results.correlations if c.level == "model" and c.metric == name), None)
    if found is not None and found.value is not None:
        axes.set_title(f"ρ {number(found.value, 2)}, {found.n} models", loc="left")


def _point(axes: Axes, pair: Point, gid: str, rate: str) -> Mark:
    score, model = pair
    x, y = score.value or 0.0, model.rate or 0.0
    if score.low is not None and score.high is not None:
        axes.plot([score.low, score.high], [y, y], color=ACCENT, linewidth=1.2, zorder=2)
    if model.low is not None and model.high is not None:
        axes.plot([x, x], [model.low, model.high], color=ACCENT, linewidth=1.2, zorder=2)
    axes.plot([x], [y], "o", markersize=5.4, markerfacecolor=PAPER, markeredgecolor=ACCENT,
              markeredgewidth=1.5, zorder=3, gid=gid)  # fmt: skip
    box = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.4, "alpha": 0.7}
    axes.annotate(model.label, (x, y), (5, 5), textcoords="offset points", fontsize=7.4, color=INK,
                  bbox=box)  # fmt: skip
    words = (
        f"{model.label}: {metric_title(score.name)} {metric_number(score.value)}, "
        f"{rate} {percent(model.rate)} ({interval(model.low, model.high)})"
    )
    return Mark(gid, words)
