"""From runs to scores: choose metrics, plan what is missing, make one pass, put it together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from generators.pixels import DECODING
from metrics import catalogue
from metrics.catalogue import METRICS
from metrics.classification import accuracy
from metrics.compute.inputs import Inputs, check, open_inputs, possible
from metrics.compute.plan import ScoringPlan, make_plan, unit_of, units_by_item
from metrics.compute.request import Outcome, Request, check_request
from metrics.compute.spread import Tasks, scored
from metrics.distribution import scoring as distribution
from metrics.distribution.features import Comparison, FeatureSet
from metrics.errors import NumericError, counted, reason_of
from metrics.extraction.one_pass import Task, missing_units
from metrics.networks.devices import check_device, holds, reduces
from metrics.paired import scoring as paired
from metrics.progress import Advance, Stage, silent
from metrics.scores import Score, ScoredRun, ScoreFile


def compute(request: Request, stage: Stage = silent) -> Outcome:
    """Return the scores of a run. Raises `MetricError` before any long work where it can.

    A metric named by itself must be computable; one named by a group is left out with a note. One
    that fails on the way is named in `Outcome.failed`, and does not lose the others.
    """
    check_request(request)
    check_device(request.networks.device, request.networks.precision)
    wanted = catalogue.choose(request.metrics)
    where = (request.run, request.reference, request.lr)
    inputs = open_inputs(
        *where,
        naming=request.naming,
        reduction=request.reduction,
        foreign=request.foreign,
        workers=request.workers,
        stage=stage,
    )
    words, border = request.metrics, request.border
    names, notes = possible(wanted, words, inputs, request.registry, border=border, k=request.k)
    check(names, inputs)
    truth = _truth(names, request, inputs)
    plan = make_plan(names, request, inputs)
    rounds = missing_units(units_by_item(plan, inputs))
    with stage("scoring", len(rounds)) as advance:
        tasks = Tasks(tuple(plan.pairs), tuple(plan.networks), inputs.reduction)
        done = scored(rounds, request, tasks, advance)
    rows = _rows(plan, request, inputs, truth, done.failed)
    with stage("statistics", len(names)) as advance:
        scores, failed = _scores(names, request, inputs, rows, advance)
    columns, said = dict(rows.columns), (*inputs.notes, *notes)
    return Outcome(_file(inputs, scores), columns, said, done.computed, failed)


@dataclass(frozen=True, eq=False)
class _Rows:
    """What the pass left behind: values by metric, features by network, labels by item."""

    columns: dict[str, dict[str, float]]
    comparisons: Mapping[str, Comparison]
    truth: Mapping[str, int]
    failed: Mapping[str, str]  # paired metrics and networks that gave no rows, and why


def _rows(
    plan: ScoringPlan,
    request: Request,
    inputs: Inputs,
    truth: Mapping[str, int],
    failed: Mapping[str, str],
) -> _Rows:
    pairs = {name: task for name, task in plan.pairs.items() if name not in failed}
    columns = {name: _column(task, inputs) for name, task in pairs.items()}
    comparisons = {name: _compare(name, plan, inputs, request.k) for name in plan.networks}
    return _Rows(columns, comparisons, truth, failed)


def _scores(
    names: Sequence[str], request: Request, inputs: Inputs, rows: _Rows, advance: Advance
) -> tuple[list[Score], dict[str, str]]:
    """Return the scores, and why the others have none. Raises `NumericError` if there is none."""
    scores: list[Score] = []
    failed: dict[str, str] = {}
    for name in names:
        lost = rows.failed.get(name) or rows.failed.get(METRICS[name].extractor or "")
        try:
            if lost:
                raise NumericError(lost)
            score = _score(name, request, inputs, rows)
            scores.append(score.model_copy(update={"decoding": DECODING}))
        except Exception as error:  # one metric's failure, whatever it is, is not the others'
            failed[name] = reason_of(error)
        advance(1)
    if not scores:
        raise NumericError("; ".join(f"{name}: {reason}" for name, reason in failed.items()))
    return scores, failed


def _truth(names: Sequence[str], request: Request, inputs: Inputs) -> dict[str, int]:
    if not any(METRICS[name].kind == "labels" for name in names):
        return {}
    classes = accuracy.read_classes(request.classes) if request.classes else {}
    return accuracy.class_indices(inputs.run.labels, classes)


def _column(task: Task, inputs: Inputs) -> dict[str, float]:
    """Return item id -> value of a paired metric."""
    units = {
        item: unit_of(task, file, inputs.partner(task.name, item))
        for item, file in inputs.run.files.items()
    }
    values = task.store.rows([unit.key for unit in units.values()])[:, 0]
    return dict(zip(units, values.tolist(), strict=True))


def _compare(name: str, plan: ScoringPlan, inputs: Inputs, k: int) -> Comparison:
    store = plan.features[name].store
    statistics = inputs.statistics
    if statistics and statistics.origin.extractor != name:
        statistics = None
    network = plan.networks[name]
    device = reduces(network.device)
    rows = sum(len(images.files) for images in (inputs.run, inputs.reference) if images)
    held = holds(network.device, rows * network.width)
    return Comparison(
        network,
        FeatureSet(inputs.run, store, device, held),
        FeatureSet(inputs.reference, store, device, held) if inputs.reference else None,
        statistics,
        k,
    )


def _score(name: str, request: Request, inputs: Inputs, rows: _Rows) -> Score:
    metric = METRICS[name]
    if metric.kind == "distribution":
        return distribution.score(name, rows.comparisons[metric.extractor or ""])
    if metric.kind == "labels":
        return _accuracy(name, rows.comparisons[metric.extractor or ""], rows.truth)
    weights = request.registry.find(metric.extractor).digest if metric.extractor else None
    return paired.paired_score(
        name,
        rows.columns[name],
        inputs.other(name).digest,
        extractor=metric.extractor,
        weights_digest=weights,
        precision="fp32" if metric.extractor else "fp64",
        resize=paired.kernel_of(metric, inputs.reduction),
        settings=paired.settings(metric, request.border, inputs.reduction)
        | request.registry.also(metric.extractor),
    )


def _accuracy(name: str, of: Comparison, truth: Mapping[str, int]) -> Score:
    metric = METRICS[name]
    bare = of.run.count - len(truth)
    words = counted(bare, "image has", "images have")
    return Score(
        name=name,
        direction=metric.direction,
        unit=metric.unit,
        **of.extractor.provenance,
        **metric.load()(_logits(of, truth)),
        warnings=(f"not counted: {words} no class label",) * bool(bare),
    )


def _logits(of: Comparison, truth: Mapping[str, int]) -> Iterator[tuple[NDArray[Any], list[int]]]:
    """Yield logits ``(N, classes)`` and true classes of the labelled images, some at a time."""
    files, classes = of.run.images.files, list(truth.values())
    keys = [bytes.fromhex(files[item].digest) for item in truth]
    for start in range(0, len(keys), 1024):
        part = slice(start, start + 1024)
        yield of.extractor.logits(of.run.store.rows(keys[part])), classes[part]


def _file(inputs: Inputs, scores: Sequence[Score]) -> ScoreFile:
    reference = inputs.reference.scored if inputs.reference else None
    if inputs.statistics:
        origin = inputs.statistics.origin
        reference = ScoredRun(name=origin.name, folder="", digest=origin.digest)
    return ScoreFile(run=inputs.run.scored, reference=reference, scores=tuple(scores))
