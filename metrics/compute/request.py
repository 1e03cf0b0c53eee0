"""What is asked of `metrics compute`, and what it gives back."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from generators.cluster import check_address
from generators.errors import GeneratorError
from metrics.catalogue import choose
from metrics.compute.inputs import STATISTICS, Naming
from metrics.errors import InputError
from metrics.networks.registry import NetworkSettings
from metrics.scores import ScoreFile
from metrics.weights.registry import WeightRegistry


@dataclass(frozen=True)
class Request:
    """What to score, as the command line says it."""

    run: Path
    cache: Path
    reference: Path | None = None
    lr: Path | None = None
    metrics: tuple[str, ...] = ("default",)
    border: int = 0  # pixels left out on each side by the paired metrics
    reduction: str | None = None  # of the inputs, where their run does not say it
    k: int = 5  # nearest neighbours, of precision, recall, density and coverage
    networks: NetworkSettings = field(default_factory=NetworkSettings)
    foreign: str | None = None  # the label of statistics that do not say what they are of
    classes: Path | None = None  # label and class names, for accuracy
    registry: WeightRegistry = field(default_factory=lambda: WeightRegistry(os.environ))
    workers: int = 2
    ray: str | None = None  # a Ray cluster's address: rows are computed there
    naming: Naming = field(default_factory=Naming)


def check_request(request: Request) -> None:
    """Raise `MetricError` for what can be told before anything is imported or opened.

    Torch takes seconds to import; a mistyped name does not wait for it.
    """
    choose(request.metrics)
    if request.border < 0:
        raise InputError(f"the border is {request.border}, expected 0 or more pixels")
    if request.k < 1:
        raise InputError(f"k is {request.k}, expected 1 or more nearest neighbours")
    if request.workers < 1:
        raise InputError(f"workers is {request.workers}, expected 1 or more threads")
    if request.ray is not None:
        try:
            check_address(request.ray)
        except GeneratorError as error:
            raise InputError(str(error)) from None
    label = request.foreign
    if label is not None and not (label.strip() and label.isprintable()):
        raise InputError(f"the label of foreign statistics is {label!r}, expected a line of words")
    for folder in (request.run, request.reference, request.lr):
        if folder is not None and folder.suffix != STATISTICS:
            check_folder(folder)
    what = {request.classes: "a table of labels", request.reference: f"statistics ({STATISTICS})"}
    for file, expected in what.items():
        if file is not None and not file.exists():
            raise InputError(f"{file}: no such file, expected {expected}")


def check_folder(folder: Path) -> None:
    """Raise `InputError` unless there is such a folder."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, expected a run or a folder of images")


@dataclass(frozen=True)
class Outcome:
    """The scores of one run, the paired metrics' values, and what a person should know."""

    scores: ScoreFile
    columns: dict[str, dict[str, float]]  # metric -> item id -> value
    notes: tuple[str, ...]  # files and metrics that were left out, and why
    computed: dict[str, int]  # task -> rows computed; all others came from the cache
    failed: dict[str, str] = field(default_factory=dict)  # metric -> why it has no score
