"""Per-image fool rates: one dot for each image, stacked, one row for each model."""

from __future__ import annotations

from collections import defaultdict

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.report.figures.style import (
    ACCENT,
    INK,
    MUTED,
    NARROW,
    PAPER,
    RULE,
    Drawing,
    Mark,
    label_room,
    watermark,
)
from analysis.report.results.schema import ItemRate, Results
from analysis.report.text.terms import terms_of
from analysis.report.text.wording import image_words

MOST_MARKS = 1500  # above it dots are one collection, without a tooltip each
TALLEST = 1.05  # inches that a stack may be high
BINS = {True: 34, False: 68}  # narrow, wide


def draw_items(results: Results, width: float) -> Drawing:
    """Return the dot plot; a dot's column is its shrunken rate, rounded to the dot's own width."""
    narrow, terms = width <= NARROW, terms_of(results)
    models = list(results.models)
    bins = BINS[narrow]
    stacks = {model.key: _stack(results, model.key, bins) for model in models}
    left = 0.03 if narrow else label_room([model.label for model in models], width)
    right = 0.97
    dot = width * (right - left) / bins  # inches a column
    steps = [_step(stacks[model.key], dot) for model in models]
    rows = [max(map(len, stacks[model.key].values()), default=1) for model in models]
    gap = 0.56 if narrow else 0.36
    heights = [gap + step * count for step, count in zip(steps, rows, strict=True)]
    height = sum(heights) + 0.5
    figure = Figure(figsize=(width, height))
    marks: list[Mark] = []
    top = height - 0.02
    plain = len(results.item_rates) > MOST_MARKS
    for row, model in enumerate(models):
        box = (left, (top - heights[row]) / height, right - left, heights[row] / height)
        axes = figure.add_axes(box)
        _frame(axes, model.rate, bins, heights[row] / steps[row], last=row == len(models) - 1)
        reference = results.reference_rate(model.task)
        if reference is not None:
            axes.axvline(bins * reference, color=RULE, linewidth=0.8, zorder=0)
        spot = (0.0, 1 - 0.16 / heights[row]) if narrow else (-0.02, 0.02)
        axes.text(
            *spot, model.label, transform=axes.transAxes, color=INK,
            ha="left" if narrow else "right", va="top" if narrow else "bottom",
        )  # fmt: skip
        spot = (row, bins)
        marks += _dots(axes, stacks[model.key], spot, dot, picked="" if plain else terms.picked)
        top -= heights[row]
    figure.text((left + right) / 2, 0.04 / height, f"{terms.rate} of the image, %", ha="center",
                va="bottom", color=MUTED, fontsize=8.5)  # fmt: skip
    watermark(figure, results.simulated)
    alt = f"Shrunken {terms.rate} of each image, for {len(models)} models"
    return Drawing("items", alt, figure, tuple(marks))


def _step(stack: dict[int, list[ItemRate]], dot: float) -> float:
    """Return the height of one dot in a stack, inches; tall stacks are set closer."""
    return min(dot, TALLEST / max(map(len, stack.values()), default=1))


def _stack(results: Results, key: str, bins: int) -> dict[int, list[ItemRate]]:
    columns: dict[int, list[ItemRate]] = defaultdict(list)
    mine = [rate for rate in results.item_rates if rate.key == key]
    for rate in sorted(mine, key=lambda rate: (rate.shrunk, rate.item_id)):
        columns[min(bins - 1, int(rate.shrunk * bins))].append(rate)
    return columns


def _frame(axes: Axes, rate: float | None, bins: int, rows: float, *, last: bool) -> None:
    axes.set_xlim(0, bins)
    axes.set_ylim(0, rows)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.set_xticks([tick * bins for tick in ticks], [f"{100 * tick:.0f}" for tick in ticks])
    axes.tick_params(labelbottom=last)
    if rate is not None:
        axes.plot([rate * bins] * 2, [0, rows * 0.72], color=INK, linewidth=0.9, zorder=1)


def _dots(
    axes: Axes, stack: dict[int, list[ItemRate]], place: tuple[int, int], dot: float, *, picked: str
) -> list[Mark]:
    """Draw a model's dots; without a word for ``picked`` they are one collection, unmarked."""
    size = 72 * dot * 0.82
    if not picked:
        spots = [(c + 0.5, i + 0.5) for c, rates in stack.items() for i in range(len(rates))]
        across, up = zip(*spots, strict=True)
        axes.scatter(across, up, s=size**2, color=ACCENT, linewidths=0)
        return []
    marks = []
    for column, rates in sorted(stack.items()):
        for level, rate in enumerate(rates):
            gid = f"dot-{place[0]}-{column}-{level}"
            axes.plot(column + 0.5, level + 0.5, "o", markersize=size, markerfacecolor=ACCENT,
                      markeredgecolor=PAPER, markeredgewidth=0.5, gid=gid)  # fmt: skip
            words = f"{rate.item_id}: {image_words(rate, picked)}"
            marks.append(Mark(gid, words, item=rate.item_id, model=rate.key))
    return marks
