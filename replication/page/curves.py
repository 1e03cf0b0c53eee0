"""Curves of the report: lines of measured points, with intervals where they have them."""

from __future__ import annotations

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from analysis.report.figures.style import (
    ACCENT,
    INK,
    MUTED,
    NARROW,
    PAPER,
    SECOND,
    WIDE,
    Drawing,
    inline_svg,
    save_svg,
    style,
)
from replication.results.schema import Curve, Point

LOOKS = ((ACCENT, "-", "o"), (SECOND, "--", "s"), (MUTED, ":", "^"), (INK, "-.", "D"))


def drawn(curve: Curve) -> Markup:
    """Return the curve as two inline SVGs, for a wide and a narrow page."""
    parts = []
    for variant, width in (("wide", WIDE), ("narrow", NARROW)):
        with style():
            drawing = draw(curve, width)
            svg = save_svg(drawing, simulated=False)
        parts.append(inline_svg(svg, drawing, themed=True, variant=variant))
    return Markup("".join(parts))


def draw(curve: Curve, width: float) -> Drawing:
    """Return the figure of a curve."""
    height = 3.1 if width > NARROW else 2.9
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.72 / width, 0.55 / height, 1 - 0.85 / width, 1 - 0.75 / height))
    for (label, points), look in zip(curve.lines, LOOKS, strict=False):
        _line(axes, label, points, look)
    axes.set_xlabel(curve.x)
    axes.set_ylabel(curve.y)
    axes.tick_params(axis="y", labelcolor=MUTED)
    axes.margins(x=0.08, y=0.12)
    if curve.log_x:
        axes.set_xscale("log")
        ticks = sorted({point.x for _, points in curve.lines for point in points})
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.legend(loc="best", fontsize=8, labelcolor=INK)
    return Drawing(curve.name, f"{curve.title}: {curve.y} against {curve.x}", figure)


def _line(axes: Axes, label: str, points: tuple[Point, ...], look: tuple[str, str, str]) -> None:
    colour, dashes, marker = look
    x, y = [point.x for point in points], [point.y for point in points]
    axes.plot(x, y, dashes, color=colour, linewidth=1.3, marker=marker, markersize=5,
              markerfacecolor=PAPER, markeredgecolor=colour, label=label, zorder=3)  # fmt: skip
    for point in points:
        if point.low is not None and point.high is not None:
            axes.plot([point.x] * 2, [point.low, point.high], color=colour, linewidth=1, zorder=2)
        if point.words:
            axes.annotate(point.words, (point.x, point.y), (6, 4), textcoords="offset points",
                          fontsize=7.6, color=INK)  # fmt: skip
