"""Tables on the terminal, narrow enough for 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from generators.foreign_text import one_line
from metrics.catalogue import METRICS
from metrics.scores import Score, ScoreFile, different_counts, refuse_incomparable

if TYPE_CHECKING:
    from metrics.classification.cas_result import CasResult
    from metrics.weights.registry import WeightRegistry

_ARROW = {"higher": "↑", "lower": "↓"}


def _table(*left: str, right: Sequence[str] = (), title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in left:
        table.add_column(heading, overflow="fold")
    for heading in right:
        table.add_column(heading, justify="right", overflow="fold")
    return table


def _add_rows(table: Table, rows: Sequence[Sequence[str]]) -> None:
    """Add the rows, with every column of numbers as wide as its longest word: none is broken."""
    for number, column in enumerate(table.columns):
        if column.justify == "right":
            words = [word for row in rows for word in row[number].split()]
            column.min_width = max([_longest_word(str(column.header)), *map(len, words)])
    for row in rows:
        table.add_row(*row)


def _longest_word(text: str) -> int:
    return max((len(word) for word in text.split()), default=0)


def show_scores(file: ScoreFile, notes: Sequence[str] = ()) -> None:
    """Print a run's scores with their intervals, then every warning in words."""
    against = f" against {file.reference.name}" if file.reference else ""
    right = ("value", "95 % interval", "equal sets", "n")
    table = _table("metric", "", right=right, title=escape(one_line(f"{file.run.name}{against}")))
    _add_rows(table, [_cells(score) for score in file.scores])
    console = Console()
    console.print(table)
    by_text: dict[str, list[str]] = {}
    for score in file.scores:
        for warning in score.warnings:
            by_text.setdefault(warning, []).append(score.name)
    for warning, names in by_text.items():
        _line(console, f"warning: {warning} ({', '.join(names)})")
    for note in notes:
        _line(console, f"note: {note}")


def show_comparison(files: Sequence[ScoreFile]) -> None:
    """Print one table of several runs. Raises `ScoreError` for incomparable values."""
    refuse_incomparable(files)
    directions = {score.name: score.direction for file in files for score in file.scores}
    names = [name for name in METRICS if name in directions]
    names += [name for name in directions if name not in METRICS]  # those of `metrics add`
    headings = [f"{_title(name)} {_ARROW[directions[name]]}" for name in names]
    rows = [{score.name: number(score.value) for score in file.scores} for file in files]
    console = Console()
    runs = _names(files)
    for part in _parts(dict(zip(names, headings, strict=True)), rows, console.width):
        table = _table("run", right=[headings[names.index(name)] for name in part])
        cells = [[row.get(name, "–") for name in part] for row in rows]
        _add_rows(
            table, [[escape(one_line(run)), *row] for run, row in zip(runs, cells, strict=True)]
        )
        console.print(table)
    for name in names:
        found = zip(runs, files, strict=True)
        of = {run: score for run, file in found for score in file.scores if score.name == name}
        if counts := different_counts(of):
            _line(console, f"note: {name}: {counts}; what it is may depend on their number")


def _names(files: Sequence[ScoreFile]) -> list[str]:
    """Return each file's run by its name, or by its folder where two have one name."""
    names = [file.run.name for file in files]
    return [
        file.run.folder or file.run.name if names.count(file.run.name) > 1 else file.run.name
        for file in files
    ]


def _title(name: str) -> str:
    return METRICS[name].title if name in METRICS else escape(name)


def _parts(
    headings: Mapping[str, str], rows: Sequence[Mapping[str, str]], width: int
) -> Iterator[list[str]]:
    """Yield the metrics that fit side by side, with 20 columns left for the runs' names."""
    part: list[str] = []
    left = width - 20
    for name, heading in headings.items():
        needs = 2 + max([_longest_word(heading), *(len(row.get(name, "")) for row in rows)])
        if part and needs > left:
            yield part
            part, left = [], width - 20
        part.append(name)
        left -= needs
    yield part


def show_catalogue() -> None:
    """Print every metric with its direction, unit and source, below what it needs."""
    console, metrics = Console(), METRICS.values()
    widths = [max(len(getattr(metric, field)) for metric in metrics) for field in ("name", "unit")]
    for needs in dict.fromkeys(metric.needs for metric in metrics):
        console.print()
        _line(console, f"needs {needs}")
        for metric in metrics:
            if metric.needs == needs:
                name, unit = metric.name.ljust(widths[0]), metric.unit.ljust(widths[1])
                _line(console, f"  {_ARROW[metric.direction]} {name}  {unit}  {metric.reference}")
    console.print()
    _line(console, "↑ higher is better, ↓ lower is better")


def show_weights(registry: WeightRegistry) -> None:
    """Print every registered file of weights, and where it was found."""
    from metrics.weights.registry import REGISTRY

    console = Console()
    for name, weights in REGISTRY.items():
        _line(console, f"{name}: {weights.file}, {weights.megabytes} MB, {weights.licence}")
        _line(console, f"  sha256 {weights.sha256}")
        _line(console, f"  from   {weights.source}")
        _line(console, f"  here   {registry.path_of(name) or 'no'}")


def show_cas(results: Sequence[CasResult]) -> None:
    """Print the classification accuracy scores with their ceiling, in per cent."""
    table = _table("trained on", right=("top-1 %", "95 %", "top-5 %", "95 %", "train", "test"))
    for result in results:
        table.add_row(
            result.name,
            f"{100 * result.top1:.1f}",
            _percent(result.top1_interval),
            f"{100 * result.top5:.1f}",
            _percent(result.top5_interval),
            str(result.trained_on),
            str(result.tested_on),
        )
    Console().print(table)


def number(value: float | None) -> str:
    """Return a value with five significant digits, or nothing for None."""
    return "" if value is None else f"{value:.5g}"


def _percent(ends: tuple[float, float]) -> str:
    return f"[{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]"


def _interval(ends: tuple[float | None, float | None]) -> str:
    return "" if ends[0] is None else f"[{number(ends[0])}, {number(ends[1])}]"


def _line(console: Console, text: str) -> None:
    console.print(one_line(text), highlight=False, markup=False, soft_wrap=True)


def _cells(score: Score) -> tuple[str, ...]:
    unit = f" ({score.unit})" if score.unit in ("dB", "MSE x 1e-5") else ""
    return (
        f"{_title(score.name)}{unit}",
        _ARROW[score.direction],
        number(score.value),
        _interval((score.low, score.high)),
        number(score.noise_floor),
        str(score.n),
    )
