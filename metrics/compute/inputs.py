"""What a run is scored against, and which metrics that allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metrics.catalogue import METRICS
from metrics.distribution.reference_statistics import Statistics, read
from metrics.distribution.scoring import lacking
from metrics.errors import InputError
from metrics.images.decode import Scanned
from metrics.images.pairing import (
    Images,
    check_at_least,
    check_equal_sizes,
    check_whole_factor,
    open_images,
    paired_items,
)
from metrics.networks.registry import WIDTHS
from metrics.paired import lpips
from metrics.paired import scoring as paired
from metrics.progress import Stage
from metrics.weights.registry import Shelf

STATISTICS = ".npz"


@dataclass(frozen=True)
class Inputs:
    """The opened run with what it is compared with: images, or a reference's statistics alone."""

    run: Images
    reference: Images | None = None
    lr: Images | None = None
    statistics: Statistics | None = None

    @property
    def paired(self) -> bool:
        """Return whether the run and the reference share any item id."""
        return self.reference is not None and not self.run.files.keys().isdisjoint(
            self.reference.files
        )

    def other(self, name: str) -> Images:
        """Return what a paired metric compares the run with. Raises `InputError` without it."""
        images = self.lr if METRICS[name].kind == "input" else self.reference
        if images is None:
            raise InputError(f"{name}: has nothing to compare {self.run.folder} with")
        return images

    def partner(self, name: str, item: str) -> Scanned:
        """Return the file that a paired metric compares an item with."""
        return self.other(name).files[item]


def open_inputs(
    run: Path, reference: Path | None, lr: Path | None, *, workers: int, stage: Stage
) -> Inputs:
    """Return everything opened, hashed and checked. Raises `InputError` with the bad files."""
    statistics = None
    if reference is not None and reference.suffix == STATISTICS:
        statistics, reference = read(reference), None
    opened: dict[str, Images | None] = {}
    for role, folder in (("run", run), ("reference", reference), ("lr", lr)):
        with stage(f"reading {role}", 0) as advance:
            found = folder and open_images(folder, workers=workers, advance=advance)
            opened[role] = found or None
    images = opened["run"]
    if images is None:
        raise InputError(f"{run}: nothing to score")
    return Inputs(images, opened["reference"], opened["lr"], statistics)


def possible(
    wanted: Sequence[str], words: Sequence[str], inputs: Inputs, shelf: Shelf
) -> tuple[list[str], list[str]]:
    """Return the metrics that can be computed, and one note for each reason others cannot.

    Raises `InputError` if a metric named by itself is not possible, or if none is.
    """
    names: list[str] = []
    reasons: dict[str, list[str]] = {}
    for name in wanted:
        reason = _unmet(name, inputs, shelf)
        if reason is None:
            names.append(name)
        elif name in words:
            raise InputError(f"{name}: {reason}")
        else:
            reasons.setdefault(reason, []).append(name)
    notes = [f"left out {', '.join(left)}: {reason}" for reason, left in reasons.items()]
    if not names:
        raise InputError(f"{inputs.run.folder}: nothing can be computed: {'; '.join(notes)}")
    return names, notes


def _unmet(name: str, inputs: Inputs, shelf: Shelf) -> str | None:
    """Return in words what a metric lacks, or None."""
    metric = METRICS[name]
    if metric.kind == "paired" and inputs.reference is None:
        return "a reference run or folder is needed (--reference)"
    if metric.kind == "paired" and not inputs.paired:
        return "no item id of the run is in the reference, so nothing pairs"
    if metric.kind == "input" and inputs.lr is None:
        return "the low-resolution inputs are needed (--lr)"
    if metric.kind == "labels" and not inputs.run.labels:
        return "the run has no class labels, in its manifest or as class folders"
    if metric.extractor and shelf.look(metric.extractor) is None:
        return shelf.missing(metric.extractor)
    if metric.kind == "distribution":
        return _unmet_distribution(name, inputs)
    return None


def _unmet_distribution(name: str, inputs: Inputs) -> str | None:
    metric = METRICS[name]
    measure = metric.measure or ""
    statistics, reference = inputs.statistics, inputs.reference
    alone = measure == "class_score"
    if reference is None and statistics is None and not alone:
        return "a reference is needed (--reference)"
    if statistics and not alone and statistics.origin.extractor != metric.extractor:
        return f"the reference's statistics are of {statistics.origin.extractor} features"
    count = len(inputs.run.files)
    if reference is not None and not alone:
        # Only the run is extrapolated in N, and its reference must have a covariance at all.
        count = min(count, len(reference.files)) if measure != "frechet_infinity" else count
    width = WIDTHS[metric.extractor or ""]
    return lacking(measure, width, count, rows=reference is not None)


def check(names: Sequence[str], inputs: Inputs, border: int) -> None:
    """Raise `InputError`, with the list, for pairs and sizes that the metrics cannot take."""
    kinds = {METRICS[name].kind for name in names}
    if "paired" in kinds and inputs.reference:
        paired_items(inputs.run, inputs.reference, "reference")
        check_equal_sizes(inputs.run, inputs.reference)
    if "input" in kinds and inputs.lr:
        paired_items(inputs.run, inputs.lr, "low-resolution input")
        check_whole_factor(inputs.run, inputs.lr)
    smallest = paired.SMALLEST | lpips.SMALLEST
    for name in names:
        if METRICS[name].kind == "paired":
            check_at_least(inputs.run, smallest.get(name, 1) + 2 * border, name)
