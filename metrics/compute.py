"""From runs to scores: choose metrics, plan what is missing, make one pass, put it together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metrics import catalogue, consistency, paired
from metrics.cache import key_of
from metrics.catalogue import METRICS
from metrics.decode import Scanned
from metrics.errors import InputError
from metrics.onepass import Task, Unit, missing_units, run_pass
from metrics.pairs import (
    Images,
    check_at_least,
    check_equal_sizes,
    check_whole_factor,
    open_images,
    paired_items,
)
from metrics.progress import Stage, silent
from metrics.scores import Score, ScoreFile, Source


@dataclass(frozen=True)
class Request:
    """What to score, as the command line says it."""

    run: Path
    cache: Path
    reference: Path | None = None
    lr: Path | None = None
    metrics: tuple[str, ...] = ("default",)
    border: int = 0  # pixels left out on each side by the paired metrics
    workers: int = 2


@dataclass(frozen=True)
class Outcome:
    """The scores of one run, the paired metrics' values, and what a person should know."""

    scores: ScoreFile
    columns: dict[str, dict[str, float]]  # metric -> item id -> value
    notes: tuple[str, ...]  # metrics that were left out, and why
    computed: dict[str, int]  # task -> rows computed; the others came from the cache


@dataclass(frozen=True)
class Inputs:
    """The opened run with what it is compared with."""

    run: Images
    reference: Images | None
    lr: Images | None

    @property
    def paired(self) -> bool:
        """Return whether the run and the reference share any item id."""
        return self.reference is not None and not self.run.files.keys().isdisjoint(
            self.reference.files
        )


def compute(request: Request, stage: Stage = silent) -> Outcome:
    """Return the scores of a run. Raises `MetricError` before any long work where it can.

    A metric named by itself must be computable; one named by a group is left out with a note.
    """
    wanted = catalogue.choose(request.metrics)
    inputs = _open(request, stage)
    names, notes = _possible(wanted, request.metrics, inputs)
    _check(names, inputs)
    tasks = {name: paired.light_task(name, request.border, request.cache) for name in names}
    rounds = _rounds(tasks, inputs)
    left = missing_units(rounds)
    with stage("scoring", len(left)) as advance:
        computed = run_pass(left, workers=request.workers, advance=advance)
    columns = {name: _column(tasks[name], inputs) for name in names}
    scores = [_score(name, columns[name], request, inputs) for name in names]
    return Outcome(_file(inputs, scores), columns, tuple(notes), computed)


def _open(request: Request, stage: Stage) -> Inputs:
    opened: list[Images | None] = []
    with stage("reading", 0) as advance:
        for folder in (request.run, request.reference, request.lr):
            found = folder and open_images(folder, workers=request.workers, advance=advance)
            opened.append(found or None)
    run, reference, lr = opened
    if run is None:
        raise InputError(f"{request.run}: nothing to score")
    return Inputs(run, reference, lr)


def _possible(
    wanted: Sequence[str], words: Sequence[str], inputs: Inputs
) -> tuple[list[str], list[str]]:
    """Return the metrics that can be computed, and a note for each group member that cannot."""
    names, notes = [], []
    for name in wanted:
        reason = _unmet(name, inputs)
        if reason is None:
            names.append(name)
        elif name in words:
            raise InputError(f"{name}: {reason}")
        else:
            notes.append(f"{name} left out: {reason}")
    if not names:
        raise InputError(f"{inputs.run.folder}: nothing can be computed: {'; '.join(notes)}")
    return names, notes


def _unmet(name: str, inputs: Inputs) -> str | None:
    """Return in words what a metric lacks, or None."""
    kind = METRICS[name].kind
    if kind == "paired" and inputs.reference is None:
        return "needs a reference (--reference)"
    if kind == "paired" and not inputs.paired:
        return "no item id of the run is in the reference, so nothing pairs"
    if kind == "input" and inputs.lr is None:
        return "needs the low-resolution inputs (--lr)"
    return None


def _check(names: Sequence[str], inputs: Inputs) -> None:
    kinds = {METRICS[name].kind for name in names}
    if "paired" in kinds and inputs.reference:
        paired_items(inputs.run, inputs.reference, "reference")
        check_equal_sizes(inputs.run, inputs.reference)
    if "input" in kinds and inputs.lr:
        paired_items(inputs.run, inputs.lr, "low-resolution input")
        check_whole_factor(inputs.run, inputs.lr)
    for name in names:
        if name in paired.SMALLEST:
            check_at_least(inputs.run, paired.SMALLEST[name], name)


def _partner(name: str, item: str, inputs: Inputs) -> Scanned:
    other = inputs.lr if METRICS[name].kind == "input" else inputs.reference
    if other is None:
        raise InputError(f"{name}: has nothing to compare {item} with")
    return other.files[item]


def _rounds(tasks: dict[str, Task], inputs: Inputs) -> list[list[Unit]]:
    rounds = []
    for item, file in inputs.run.files.items():
        units = []
        for name, task in tasks.items():
            files = (file, _partner(name, item, inputs))
            units.append(Unit(task, key_of([one.digest for one in files]), files))
        rounds.append(units)
    return rounds


def _column(task: Task, inputs: Inputs) -> dict[str, float]:
    items = list(inputs.run.files)
    files = [(inputs.run.files[item], _partner(task.name, item, inputs)) for item in items]
    keys = [key_of([one.digest for one in pair]) for pair in files]
    return dict(zip(items, task.store.rows(keys)[:, 0].tolist(), strict=True))


def _score(name: str, column: dict[str, float], request: Request, inputs: Inputs) -> Score:
    other = inputs.lr if METRICS[name].kind == "input" else inputs.reference
    return paired.paired_score(
        name,
        column,
        other.digest if other else "",
        precision="fp64",
        resize=consistency.KERNEL if name == "consistency" else None,
        settings=paired.settings(name, request.border),
    )


def _file(inputs: Inputs, scores: Sequence[Score]) -> ScoreFile:
    reference = _source(inputs.reference) if inputs.reference else None
    return ScoreFile(run=_source(inputs.run), reference=reference, scores=tuple(scores))


def _source(images: Images) -> Source:
    return Source(
        name=images.name,
        folder=str(images.folder),
        digest=images.digest,
        generator=images.generator,
    )
