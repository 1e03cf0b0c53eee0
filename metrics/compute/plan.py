"""What a request makes necessary: tasks for the pass, and the rows that each item needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from generators.pixels import DECODING
from metrics.catalogue import METRICS
from metrics.compute.inputs import Inputs
from metrics.compute.request import Request
from metrics.errors import InputError
from metrics.extraction.one_pass import Task, Unit
from metrics.extraction.row_store import key_of
from metrics.images.decode import Scanned
from metrics.networks import registry as extractors
from metrics.networks.devices import check_device
from metrics.networks.extractor import Extractor
from metrics.paired import scoring as paired


@dataclass(frozen=True)
class ScoringPlan:
    """The tasks of a request: one for each paired metric, one for each feature network."""

    pairs: Mapping[str, Task]
    networks: Mapping[str, Extractor]
    features: Mapping[str, Task]


def make_plan(names: Sequence[str], request: Request, inputs: Inputs) -> ScoringPlan:
    """Return the tasks that the metrics need, with the networks loaded. Raises `WeightsError`."""
    pairs, networks = {}, {}
    for name in names:
        metric = METRICS[name]
        if metric.kind in ("paired", "input"):
            pairs[name] = pair_task(name, request, inputs.reduction)
        elif metric.extractor and metric.extractor not in networks:
            networks[metric.extractor] = extractors.load(
                metric.extractor, request.registry, request.networks
            )
    features = {name: network.task(request.cache) for name, network in networks.items()}
    for name, network in networks.items():
        _same_features(network, inputs, name)
    return ScoringPlan(pairs, networks, features)


def pair_task(name: str, request: Request, reduction: str) -> Task:
    """Return the task of a paired metric. Raises `WeightsError`, `InputError`."""
    metric = METRICS[name]
    if metric.extractor is None:
        return paired.light_task(metric, request.border, reduction, request.cache)
    device = request.networks.device
    check_device(device)
    where = (request.border, device, request.cache)
    task: Task = metric.load()(metric.name, request.registry, *where)
    return task


def _same_features(network: Extractor, inputs: Inputs, name: str) -> None:
    """Raise `InputError` if the reference's statistics are of other features than the run's."""
    if inputs.statistics is None or inputs.statistics.origin.extractor != name:
        return
    origin, width = inputs.statistics.origin, len(inputs.statistics.moments.mean)
    if width != network.width:
        raise InputError(
            f"the reference's statistics have {width} features, expected {network.width} of {name}"
        )
    if inputs.statistics.foreign:
        return
    for key in ("weights_digest", "resize", "precision"):
        theirs, ours = getattr(origin, key), getattr(network, key)
        if theirs != ours:
            raise InputError(f"the reference's statistics have {key} {theirs!r}, the run {ours!r}")
    if origin.decoding != DECODING:
        raise InputError(
            f"the reference's statistics are of images read by decoder {origin.decoding}, the "
            f"run's are read by {DECODING}; `metrics statistics` makes them anew from the images"
        )


def units_by_item(plan: ScoringPlan, inputs: Inputs) -> Iterable[list[Unit]]:
    """Yield the units of each item: its pairs, then its image and its reference's features."""
    both = dict.fromkeys(inputs.run.files) | dict.fromkeys(
        inputs.reference.files if inputs.reference else ()
    )
    for item in both:
        units = []
        file = inputs.run.files.get(item)
        if file:
            for name, task in plan.pairs.items():
                units.append(unit_of(task, file, inputs.partner(name, item)))
        reference = inputs.reference.files.get(item) if inputs.reference else None
        for task in plan.features.values():
            units += [unit_of(task, image) for image in (file, reference) if image]
        yield units


def unit_of(task: Task, *files: Scanned) -> Unit:
    return Unit(task, key_of([file.digest for file in files]), files)
