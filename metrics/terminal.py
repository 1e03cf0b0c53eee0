"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from metrics.catalogue import METRICS
from metrics.scores import Score, ScoreFile, refuse_incomparable

_ARROW = {"higher": "↑", "lower": "↓"}


def show_scores(file: ScoreFile, notes: Sequence[str] = ()) -> None:
    """Print a run's scores with their intervals, then every warning in words."""
    against = f" against {file.reference.name}" if file.reference else ""
    table = Table(title=f"{file.run.name}{against}", title_justify="left")
    for heading in ("metric", "", "value", "95 % interval", "noise floor", "n", "unit"):
        table.add_column(heading, justify="left" if heading in ("metric", "unit", "") else "right")
    for score in file.scores:
        table.add_row(*_cells(score))
    console = Console()
    console.print(table)
    for score in file.scores:
        for warning in score.warnings:
            console.print(f"warning: {score.name}: {warning}", highlight=False, soft_wrap=True)
    for note in notes:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)


def show_comparison(files: Sequence[ScoreFile]) -> None:
    """Print one table of several runs. Raises `ScoreError` for incomparable values."""
    refuse_incomparable(files)
    present = {score.name for file in files for score in file.scores}
    names = [name for name in METRICS if name in present]
    table = Table()
    table.add_column("run")
    for name in names:
        table.add_column(
            f"{METRICS[name].title} {_ARROW[METRICS[name].direction]}", justify="right"
        )
    for file in files:
        values = {score.name: number(score.value) for score in file.scores}
        table.add_row(file.run.name, *(values.get(name, "–") for name in names))
    Console().print(table)


def show_catalogue() -> None:
    """Print every metric with its direction, unit, needs and reference."""
    table = Table()
    for heading in ("name", "metric", "better", "unit", "needs", "reference"):
        table.add_column(heading)
    for metric in METRICS.values():
        better = f"{_ARROW[metric.direction]} {metric.direction}"
        row = (metric.name, metric.title, better, metric.unit, metric.needs, metric.reference)
        table.add_row(*row)
    Console().print(table)


def number(value: float | None) -> str:
    """Return a value with five significant digits, or nothing for None."""
    return "" if value is None else f"{value:.5g}"


def _cells(score: Score) -> tuple[str, ...]:
    interval = "" if score.low is None else f"{number(score.low)} – {number(score.high)}"
    return (
        METRICS[score.name].title if score.name in METRICS else score.name,
        _ARROW[score.direction],
        number(score.value),
        interval,
        number(score.noise_floor),
        str(score.n),
        score.unit,
    )
