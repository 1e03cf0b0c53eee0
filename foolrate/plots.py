"""Plots on anybody's axes."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from analysis.errors import AnalysisError

Point = tuple[float | None, float | None, float | None]  # value, low, high


def forest(
    ax: Axes | None,
    names: Sequence[str],
    points: Sequence[Point],
    what: str,
    reference: float | None,
    *,
    simulated: bool,
    percent: bool = True,
) -> Axes:
    """Return the axes with a row for each name: its value, and its interval as a line.

    New axes are made where none are given. SIMULATED is written across simulated judgments.
    Raises `AnalysisError` for what are no axes, and where there is nothing to draw.
    """
    if not names:
        raise AnalysisError("there is nothing to draw")
    if not isinstance(ax, Axes | None):
        raise AnalysisError(f"ax is a {type(ax).__name__}, expected one of matplotlib's axes")
    axes = ax
    if axes is None:
        _, axes = plt.subplots(figsize=(6, 0.9 + 0.35 * len(names)), layout="constrained")
    scale = 100.0 if percent else 1.0
    if reference is not None:
        axes.axvline(scale * reference, color="0.4", linewidth=0.9, zorder=1)
    for row, (value, low, high) in enumerate(points):
        if low is not None and high is not None:
            axes.plot([scale * low, scale * high], [row, row], color="C0", linewidth=3, zorder=2)
        if value is not None:
            axes.plot([scale * value], [row], "o", color="C0", markerfacecolor="white", zorder=3)
    axes.set_yticks(range(len(names)), names, parse_math=False)  # a name with $ is no formula
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(f"{what}, %" if percent else what)
    if simulated:
        axes.text(
            0.5, 0.5, "SIMULATED", transform=axes.transAxes, ha="center", va="center",
            fontsize=22, alpha=0.2, rotation=12, zorder=4,
        )  # fmt: skip
    return axes
