"""Export a reference's statistics, so that scores need not carry its images along."""

from __future__ import annotations

from pathlib import Path

from metrics.compute.inputs import STATISTICS
from metrics.compute.request import Request
from metrics.compute.spread import Tasks, scored
from metrics.distribution.features import FeatureSet, statistics_of
from metrics.distribution.reference_statistics import write
from metrics.errors import InputError, NumericError
from metrics.extraction.one_pass import Unit, missing_units
from metrics.images.pairing import open_images
from metrics.networks import registry as extractors
from metrics.networks.devices import reduces
from metrics.progress import Stage, say, silent


def export(request: Request, extractor: str, out: Path, stage: Stage = silent) -> Path:
    """Write the statistics of a run's features to `out`, and return it. Raises `MetricError`."""
    if out.suffix != STATISTICS:
        raise InputError(f"{out}: ends in {out.suffix!r}, expected {STATISTICS!r}")
    images = open_images(request.run, workers=request.workers)
    say(images.notes)
    if len(images.files) < 2:
        raise InputError(f"{request.run}: statistics need at least 2 images, found 1")
    network = extractors.load(extractor, request.registry, request.networks)
    task = network.task(request.cache)
    files = images.files.values()
    rounds = missing_units([[Unit(task, bytes.fromhex(one.digest), (one,))] for one in files])
    with stage("features", len(rounds)) as advance:
        done = scored(rounds, request, Tasks((), (extractor,)), advance)
    for reason in done.failed.values():
        raise NumericError(f"{extractor}: {reason}")
    features = FeatureSet(images, task.store, reduces(network.device), held=False)
    write(out, statistics_of(features, network))
    return out
