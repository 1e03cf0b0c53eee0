"""The numbers that stages wrote, in the papers' units."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.numerals import counted
from analysis.report.text.published import MEASURED_AS
from metrics.catalogue import METRICS
from metrics.errors import ScoreError
from metrics.scores import Score, ScoreFile, read_scores, refuse_incomparable
from replication.errors import ReplicationError
from replication.results.schema import Cell

# metric -> the quantity of the papers that it is, with the factor and the start of its unit
PRINTED = {name: (words, factor, start) for words, (name, factor, start) in MEASURED_AS.items()}
TASKS = {"task1": "fool rate, Task-1", "task2": "fool rate, Task-2"}


@dataclass(frozen=True)
class Measured:
    """One system's cells by column, and on how much they rest."""

    cells: dict[str, Cell]
    rests_on: str
    simulated: bool = False


def column(metric: str) -> str:
    """Return the column of a metric: the papers' quantity where it is one, else its own title."""
    return PRINTED[metric][0] if metric in PRINTED else METRICS[metric].printed


def accuracy_of(folder: Path) -> Measured:
    """Return the classification accuracy score in a folder, in per cent."""
    fields = json.loads((folder / "cas.json").read_text(encoding="utf-8"))
    found = next(one for one in fields["results"] if one["name"] == "generated")
    cells = {}
    for words, (name, factor, _) in MEASURED_AS.items():
        if name.startswith("cas_"):
            key = name.removeprefix("cas_")
            low, high = found[f"{key}_interval"]
            cells[words] = Cell(factor * found[key], factor * low, factor * high)
    rests_on = f"trained on {found['trained_on']}, tested on {found['tested_on']} images"
    return Measured(cells, rests_on)


def better(columns: Iterable[str]) -> dict[str, str]:
    """Return column -> whether higher or lower is better."""
    known = {column(name): METRICS[name].direction for name in METRICS}
    errors = dict.fromkeys(("top-1 error", "top-5 error", "FID, validation"), "lower")
    return {name: (known | errors).get(name, "higher") for name in columns}


def scores_of(folders: Sequence[Path], names: Iterable[str]) -> list[Measured]:
    """Return the scores in folders of one table or curve, those of `names`.

    Raises `ReplicationError` where two values of a metric must not be compared.
    """
    wanted = set(names)
    files = [_those(wanted, read_scores(folder)) for folder in folders]
    try:
        refuse_incomparable(files)
    except ScoreError as error:
        again = folders[0].parent / f"*{folders[0].suffix}"
        raise ReplicationError(
            f"{error}; remove {again}, and the same command makes them anew"
        ) from None
    return [_measured(file) for file in files]


def _those(names: set[str], file: ScoreFile) -> ScoreFile:
    scores = tuple(score for score in file.scores if score.name in names)
    return file.model_copy(update={"scores": scores})


def _measured(file: ScoreFile) -> Measured:
    images = max((score.n for score in file.scores), default=0)
    return Measured({column(one.name): _cell(one) for one in file.scores}, f"{images} images")


def _cell(score: Score) -> Cell:
    _, factor, start = PRINTED.get(score.name, ("", 1.0, 0.0))

    def shown(value: float | None) -> float | None:
        return None if value is None else start + factor * value

    ends = sorted(end for end in (shown(score.low), shown(score.high)) if end is not None)
    low, high = ends if len(ends) == 2 else (None, None)
    return Cell(start + factor * score.value, low, high)


def fool_rates(path: Path) -> dict[str, Measured]:
    """Return condition -> its fool rates in per cent, by task."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for entry in json.loads(path.read_text(encoding="utf-8"))["fool_rates"]:
        entries.setdefault(entry["condition"], []).append(entry)
    return {condition: _rates(found) for condition, found in entries.items()}


def _rates(entries: Sequence[dict[str, Any]]) -> Measured:
    cells, rests_on = {}, {}
    for entry in entries:
        task = TASKS[entry["task"] or "task2"]
        rests_on[task.removeprefix("fool rate, ")] = (entry["raters"], entry["trials"])
        if entry["rate"] is not None:
            ends = [None if entry[end] is None else 100 * entry[end] for end in ("low", "high")]
            cells[task] = Cell(100 * entry["rate"], *ends)
    said = {task: f"{counted(raters, 'rater')}, {counted(trials, 'trial')}"
            for task, (raters, trials) in rests_on.items()}  # fmt: skip
    if len(set(said.values())) == 1:
        words = next(iter(said.values())) + " in each task" * (len(said) > 1)
    else:
        words = "; ".join(f"{task}: {line}" for task, line in said.items())
    return Measured(cells, words, any(entry["simulated"] for entry in entries))
