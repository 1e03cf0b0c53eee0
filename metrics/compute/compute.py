"""From runs to scores: choose metrics, plan what is missing, make one pass, put it together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from metrics import catalogue
from metrics.catalogue import METRICS
from metrics.classification import accuracy
from metrics.compute.inputs import Inputs, Naming, check, open_inputs, possible
from metrics.distribution import neighbourhoods as prdc
from metrics.distribution import scoring as distribution
from metrics.distribution.scoring import Comparison, FeatureSet
from metrics.errors import InputError
from metrics.extraction.one_pass import Task, Unit, missing_units, run_pass
from metrics.extraction.row_store import key_of
from metrics.images.decode import Scanned
from metrics.images.pairing import Images
from metrics.networks import registry as extractors
from metrics.networks.extractor import Extractor
from metrics.paired import consistency, lpips
from metrics.paired import scoring as paired
from metrics.progress import Stage, silent
from metrics.scores import Score, ScoreFile, Source
from metrics.weights.registry import Shelf


@dataclass(frozen=True)
class Request:
    """What to score, as the command line says it."""

    run: Path
    cache: Path
    reference: Path | None = None
    lr: Path | None = None
    metrics: tuple[str, ...] = ("default",)
    border: int = 0  # pixels left out on each side by the paired metrics
    precision: str = "fp32"  # of the feature networks
    classes: Path | None = None  # label and class names, for accuracy
    shelf: Shelf = field(default_factory=lambda: Shelf(os.environ))
    workers: int = 2
    naming: Naming = field(default_factory=Naming)


@dataclass(frozen=True)
class Outcome:
    """The scores of one run, the paired metrics' values, and what a person should know."""

    scores: ScoreFile
    columns: dict[str, dict[str, float]]  # metric -> item id -> value
    notes: tuple[str, ...]  # files and metrics that were left out, and why
    computed: dict[str, int]  # task -> rows computed; all others came from the cache


@dataclass(frozen=True)
class Plan:
    """The tasks of a request: one for each paired metric, one for each feature network."""

    pairs: Mapping[str, Task]
    networks: Mapping[str, Extractor]
    features: Mapping[str, Task]


def compute(request: Request, stage: Stage = silent) -> Outcome:
    """Return the scores of a run. Raises `MetricError` before any long work where it can.

    A metric named by itself must be computable; one named by a group is left out with a note.
    """
    wanted = catalogue.choose(request.metrics)
    where = (request.run, request.reference, request.lr)
    inputs = open_inputs(*where, naming=request.naming, workers=request.workers, stage=stage)
    names, notes = possible(wanted, request.metrics, inputs, request.shelf)
    check(names, inputs, request.border)
    truth = _truth(names, request, inputs)
    plan = make_plan(names, request, inputs)
    rounds = missing_units(units_by_item(plan, inputs))
    with stage("scoring", len(rounds)) as advance:
        computed = run_pass(rounds, workers=request.workers, advance=advance)
    columns = {name: _column(task, inputs) for name, task in plan.pairs.items()}
    scores = []
    with stage("statistics", len(names)) as advance:
        comparisons = {name: _compare(name, plan, inputs) for name in plan.networks}
        rows = _Rows(columns, comparisons, truth)
        for name in names:
            scores.append(_score(name, request, inputs, rows))
            advance(1)
    return Outcome(_file(inputs, scores), columns, (*inputs.notes, *notes), computed)


def make_plan(names: Sequence[str], request: Request, inputs: Inputs) -> Plan:
    """Return the tasks that the metrics need, with the networks loaded. Raises `WeightsError`."""
    pairs, networks = {}, {}
    for name in names:
        metric = METRICS[name]
        if name in paired.LIGHT:
            pairs[name] = paired.light_task(name, request.border, request.cache)
        elif metric.kind == "paired":
            found = request.shelf.find(name)
            pairs[name] = lpips.task(name, found, request.border, request.cache)
        elif metric.extractor and metric.extractor not in networks:
            networks[metric.extractor] = extractors.load(
                metric.extractor, request.shelf, request.precision
            )
    features = {name: network.task(request.cache) for name, network in networks.items()}
    for name, network in networks.items():
        _same_features(network, inputs, name)
    return Plan(pairs, networks, features)


def _same_features(network: Extractor, inputs: Inputs, name: str) -> None:
    """Raise `InputError` if the reference's statistics are of other features than the run's."""
    if inputs.statistics is None or inputs.statistics.origin.extractor != name:
        return
    origin = inputs.statistics.origin
    for key in ("weights_digest", "resize", "precision"):
        theirs, ours = getattr(origin, key), getattr(network, key)
        if theirs != ours:
            raise InputError(f"the reference's statistics have {key} {theirs!r}, the run {ours!r}")


def _truth(names: Sequence[str], request: Request, inputs: Inputs) -> dict[str, int]:
    if not any(METRICS[name].kind == "labels" for name in names):
        return {}
    classes = accuracy.read_classes(request.classes) if request.classes else {}
    return accuracy.class_indices(inputs.run.labels, classes)


def units_by_item(plan: Plan, inputs: Inputs) -> Iterable[list[Unit]]:
    """Yield the units of each item: its pairs, then its image and its reference's features."""
    both = dict.fromkeys(inputs.run.files) | dict.fromkeys(
        inputs.reference.files if inputs.reference else ()
    )
    for item in both:
        units = []
        file = inputs.run.files.get(item)
        if file:
            for name, task in plan.pairs.items():
                units.append(_unit(task, file, inputs.partner(name, item)))
        reference = inputs.reference.files.get(item) if inputs.reference else None
        for task in plan.features.values():
            units += [_unit(task, image) for image in (file, reference) if image]
        yield units


def _unit(task: Task, *files: Scanned) -> Unit:
    return Unit(task, key_of([file.digest for file in files]), files)


def _column(task: Task, inputs: Inputs) -> dict[str, float]:
    """Return item id -> value of a paired metric."""
    units = {
        item: _unit(task, file, inputs.partner(task.name, item))
        for item, file in inputs.run.files.items()
    }
    values = task.store.rows([unit.key for unit in units.values()])[:, 0]
    return dict(zip(units, values.tolist(), strict=True))


def _compare(name: str, plan: Plan, inputs: Inputs) -> Comparison:
    store = plan.features[name].store
    statistics = inputs.statistics
    if statistics and statistics.origin.extractor != name:
        statistics = None
    return Comparison(
        plan.networks[name],
        FeatureSet(inputs.run, store),
        FeatureSet(inputs.reference, store) if inputs.reference else None,
        statistics,
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """What the pass left behind: values by metric, features by network, labels by item."""

    columns: Mapping[str, Mapping[str, float]]
    comparisons: Mapping[str, Comparison]
    truth: Mapping[str, int]


def _score(name: str, request: Request, inputs: Inputs, rows: _Rows) -> Score:
    metric = METRICS[name]
    if metric.kind == "distribution":
        return distribution.score(name, rows.comparisons[metric.extractor or ""])
    if metric.kind == "labels":
        return _accuracy(name, rows.comparisons[metric.extractor or ""], rows.truth)
    weights = request.shelf.find(name).digest if metric.extractor else None
    return paired.paired_score(
        name,
        rows.columns[name],
        inputs.other(name).digest,
        extractor=metric.extractor,
        weights_digest=weights,
        precision="fp32" if metric.extractor else "fp64",
        resize=consistency.KERNEL if name == "consistency" else None,
        settings=paired.settings(name, request.border),
    )


def _accuracy(name: str, of: Comparison, truth: Mapping[str, int]) -> Score:
    """Return the share of labelled images whose class is among the first 1 or 5."""
    metric, k = METRICS[name], int(name.removeprefix("top"))
    if of.extractor.head is None:
        raise InputError(f"{of.extractor.name} has no classes")
    weight, bias = of.extractor.head
    files = of.run.images.files
    keys = [bytes.fromhex(files[item].digest) for item in truth]
    found = []
    for start in range(0, len(keys), 1024):
        logits = of.run.store.rows(keys[start : start + 1024]) @ weight.T + bias
        found.append(accuracy.hits(logits, list(truth.values())[start : start + 1024], k))
    right = np.concatenate(found)
    low, high = prdc.wilson(float(right.mean()), len(right))
    return Score(
        name=name,
        value=float(right.mean()),
        direction=metric.direction,
        unit=metric.unit,
        n=len(right),
        low=low,
        high=high,
        extractor=of.extractor.name,
        weights_digest=of.extractor.weights_digest,
        resize=of.extractor.resize,
        precision=of.extractor.precision,
        settings={"classes": accuracy.CLASSES},
    )


def _file(inputs: Inputs, scores: Sequence[Score]) -> ScoreFile:
    reference = _source(inputs.reference) if inputs.reference else None
    if inputs.statistics:
        origin = inputs.statistics.origin
        reference = Source(name=origin.name, folder="", digest=origin.digest)
    return ScoreFile(run=_source(inputs.run), reference=reference, scores=tuple(scores))


def _source(images: Images) -> Source:
    return Source(
        name=images.name,
        folder=str(images.folder),
        digest=images.digest,
        generator=images.generator,
    )
