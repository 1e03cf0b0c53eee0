"""Order, response time and side: the fool rate in bins, one panel a check, one line a model."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.report.figures.style import (
    ACCENT,
    INK,
    MUTED,
    NARROW,
    RULE,
    Drawing,
    Mark,
    watermark,
)
from analysis.report.results.schema import Diagnostic, Results
from analysis.report.text.terms import terms_of
from analysis.report.text.wording import interval, percent, sentence

PANEL = 2.2  # inches high


def draw_checks(results: Results, width: float) -> Drawing:
    """Return the panels side by side, or below each other on a narrow page."""
    checks = results.diagnostics
    columns = 1 if width <= NARROW else len(checks)
    lines = -(-len(checks) // columns)
    height = PANEL * lines + 0.1
    figure = Figure(figsize=(width, height))
    marks: list[Mark] = []
    for place, check in enumerate(checks):
        cell = 1 / columns
        left = (place % columns) * cell + 0.42 / width
        bottom = 1 - (place // columns + 1) * PANEL / height + 0.52 / height
        axes = figure.add_axes((left, bottom, cell - 0.95 / width, (PANEL - 0.8) / height))
        marks += _panel(axes, results, check, place)
    watermark(figure, results.simulated)
    titles = ", ".join(check.title.lower() for check in checks)
    alt = f"{sentence(terms_of(results).rate)} by {titles}"
    return Drawing("checks", alt, figure, tuple(marks))


def _panel(axes: Axes, results: Results, check: Diagnostic, place: int) -> list[Mark]:
    names = list(dict.fromkeys(each.name for each in check.bins))
    axes.set_xlim(-0.35, len(names) - 0.65)
    top = max([0.6, *(each.high or 0.0 for each in check.bins)])
    axes.set_ylim(0, min(1.0, top + 0.03))
    axes.set_yticks([0, 0.25, 0.5, 0.75][: 3 if top < 0.74 else 4])
    axes.set_yticklabels([f"{100 * tick:.0f}" for tick in axes.get_yticks()])
    axes.tick_params(axis="y", labelcolor=MUTED)
    axes.set_xticks(range(len(names)), names, fontsize=7.2)
    axes.set_title(check.title, loc="left")
    axes.set_xlabel(check.unit)
    if results.real_condition is None:
        axes.axhline(0.5, color=RULE, linewidth=0.8, zorder=0)
    marks: list[Mark] = []
    for row, key in enumerate(dict.fromkeys(each.key for each in check.bins)):
        marks += _line(axes, check, key, key, f"check-{place}-{row}")
    return marks


def _line(axes: Axes, check: Diagnostic, key: str, label: str, gid: str) -> list[Mark]:
    names = list(dict.fromkeys(each.name for each in check.bins))
    mine = [each for each in check.bins if each.key == key and each.rate is not None]
    if not mine:
        return []
    spots = [names.index(each.name) for each in mine]
    rates = [each.rate or 0.0 for each in mine]
    axes.plot(spots, rates, color=ACCENT, linewidth=0.9, alpha=0.6, zorder=2)
    marks = []
    for n, (spot, each) in enumerate(zip(spots, mine, strict=True)):
        if each.low is not None and each.high is not None:
            axes.plot([spot, spot], [each.low, each.high], color=ACCENT, linewidth=1, zorder=2)
        axes.plot(
            [spot],
            [each.rate or 0.0],
            "o",
            markersize=4.2,
            color=ACCENT,
            zorder=3,
            gid=f"{gid}-{n}",
        )
        span = interval(each.low, each.high)
        words = f"{label}, {each.name}: {percent(each.rate)} ({span}), {each.trials} trials"
        marks.append(Mark(f"{gid}-{n}", words))
    axes.annotate(label, (spots[-1], rates[-1]), (6, 0), textcoords="offset points", fontsize=7,
                  color=INK, va="center", annotation_clip=False)  # fmt: skip
    return marks
