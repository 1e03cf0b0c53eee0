"""What a run is scored against, and which metrics that allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from generators.pairing import IdRule, why_unpaired
from generators.reductions import DEFAULT, REDUCTIONS
from metrics.catalogue import METRICS, Metric
from metrics.errors import InputError, few
from metrics.images.decode import Scanned
from metrics.images.pairing import (
    ImageFiles,
    check_equal_sizes,
    check_whole_factor,
    open_images,
    paired_items,
    with_ids_of,
    without_template,
)
from metrics.measures import NETWORKS
from metrics.progress import Stage
from metrics.weights.registry import WeightRegistry

if TYPE_CHECKING:
    from metrics.distribution.reference_statistics import Statistics

STATISTICS = ".npz"


@dataclass(frozen=True)
class Inputs:
    """The opened run with what it is compared with: images, or only a reference's statistics."""

    run: ImageFiles
    reference: ImageFiles | None = None
    lr: ImageFiles | None = None
    statistics: Statistics | None = None
    reduction: str = DEFAULT  # how the low-resolution inputs were made

    @property
    def paired(self) -> bool:
        """Return whether the run and the reference share any item id."""
        if self.reference is None or self.run.shared_id or self.reference.shared_id:
            return False
        return not self.run.files.keys().isdisjoint(self.reference.files)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what was left out of the folders, converted or renamed, by folder."""
        every = [images for images in (self.run, self.reference, self.lr) if images]
        return tuple(dict.fromkeys(f"{one.folder}: {note}" for one in every for note in one.notes))

    def other(self, name: str) -> ImageFiles:
        """Return what a paired metric compares the run with. Raises `InputError` without it."""
        images = self.lr if METRICS[name].kind == "input" else self.reference
        if images is None:
            raise InputError(f"{name}: has nothing to compare {self.run.folder} with")
        return images

    def partner(self, name: str, item: str) -> Scanned:
        """Return the file that a paired metric compares an item with."""
        return self.other(name).files[item]


@dataclass(frozen=True)
class Naming:
    """How the files' names give item ids; the templates are such as ``{id}_SRx4``."""

    ids: IdRule | None = None  # None: stems, or nothing pairs where two are equal
    run: str | None = None
    reference: str | None = None
    lr: str | None = None


def open_inputs(
    run: Path,
    reference: Path | None,
    lr: Path | None,
    *,
    naming: Naming | None = None,
    reduction: str | None = None,
    foreign: str | None = None,
    workers: int,
    stage: Stage,
) -> Inputs:
    """Return everything opened, hashed, checked and paired. Raises `InputError`.

    The run takes the reference's ids, and the low-resolution inputs the run's, where their names
    differ by one pattern (`generators.pairing`).
    """
    naming = naming or Naming()
    statistics = None
    if reference is not None and reference.suffix == STATISTICS:
        from metrics.distribution.reference_statistics import read

        statistics, reference = read(reference, foreign), None
    elif foreign is not None:
        given = "nothing" if reference is None else reference
        raise InputError(
            f"--reference is {given}: is no {STATISTICS} file, so there are no foreign statistics"
        )
    opened: dict[str, ImageFiles] = {}
    for role, folder in (("run", run), ("reference", reference), ("lr", lr)):
        with stage(f"reading {role}", 0) as advance:
            if folder is not None:
                found = open_images(folder, ids=naming.ids, workers=workers, advance=advance)
                opened[role] = without_template(found, getattr(naming, role))
    images, real, low = opened["run"], opened.get("reference"), opened.get("lr")
    images = with_ids_of(images, real) if real else images
    low = with_ids_of(low, images) if low else None
    return Inputs(images, real, low, statistics, _reduction(low, reduction))


def _reduction(low: ImageFiles | None, said: str | None) -> str:
    """Return how the inputs were made: as their run says, or else as the request does."""
    if said is not None and said not in REDUCTIONS:
        raise InputError(f"no reduction {said!r}, expected one of {', '.join(REDUCTIONS)}")
    known = low.reduction if low else None
    if low and known and said and known != said:
        raise InputError(
            f"{low.folder}: its manifest says that the inputs were made by {known!r}, "
            f"the request says {said!r}"
        )
    return known or said or DEFAULT


def possible(
    wanted: Sequence[str],
    words: Sequence[str],
    inputs: Inputs,
    registry: WeightRegistry,
    *,
    border: int = 0,
    k: int = 5,
) -> tuple[list[str], list[str]]:
    """Return the metrics that can be computed, and one note for each reason others cannot.

    Raises `InputError` if a metric named by itself is not possible, or if none is.
    """
    names: list[str] = []
    reasons: dict[str, list[str]] = {}
    for name in wanted:
        reason = _unmet(METRICS[name], inputs, registry, border, k)
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


def _unmet(
    metric: Metric, inputs: Inputs, registry: WeightRegistry, border: int, k: int
) -> str | None:
    """Return in words what a metric lacks, or None."""
    if metric.kind == "paired" and inputs.reference is None:
        return "a reference run or folder is needed (--reference)"
    if metric.kind == "paired" and not inputs.paired:
        return _unpaired(inputs)
    if metric.kind == "input" and inputs.lr is None:
        return "the low-resolution inputs are needed (--lr)"
    if metric.kind == "input" and (shared := inputs.run.shared_id or _shared_id(inputs.lr)):
        return shared
    if metric.kind == "labels" and not inputs.run.labels:
        return "the run has no class labels, in its manifest or as class folders"
    if metric.extractor and (lacking := registry.lacking(metric.extractor)):
        return lacking
    if metric.kind == "distribution":
        return _unmet_distribution(metric, inputs, k)
    return _too_small(metric, inputs.run, border if metric.kind == "paired" else 0)


def _shared_id(images: ImageFiles | None) -> str:
    return images.shared_id if images else ""


def _unpaired(inputs: Inputs) -> str:
    run, reference = inputs.run, inputs.reference
    if reference is None:
        return ""
    if shared := run.shared_id or reference.shared_id:
        return shared
    shown = why_unpaired(list(run.files), list(reference.files))
    hint = "--names and --reference-names say how files are named"
    return f"no item id of the run is in the reference, so nothing pairs: {shown} ({hint})"


def _unmet_distribution(metric: Metric, inputs: Inputs, k: int) -> str | None:
    statistics, reference = inputs.statistics, inputs.reference
    needed = metric.against != "nothing"
    if needed and reference is None and statistics is None:
        return "a reference is needed (--reference)"
    if needed and statistics and statistics.origin.extractor != metric.extractor:
        return f"the reference's statistics are of {statistics.origin.extractor} features"
    if metric.against == "images" and reference is None:
        return "needs the reference's images, its statistics are not enough"
    return _too_few(metric, inputs, k)


def _too_few(metric: Metric, inputs: Inputs, k: int) -> str | None:
    count = len(inputs.run.files)
    if inputs.reference and metric.against != "nothing" and not metric.least_per_feature:
        # Only the run is extrapolated in N, and its reference must have a covariance at all.
        count = min(count, len(inputs.reference.files))
    width = NETWORKS[metric.extractor or ""].width
    least = max(metric.least_images, metric.least_per_feature * width)
    if metric.neighbours:
        least = max(least, k + 1)
    for_k = f" for k = {k}" if metric.neighbours else ""
    return None if count >= least else f"needs at least {least} images{for_k}, found {count}"


def _too_small(metric: Metric, run: ImageFiles, border: int) -> str | None:
    least = metric.least_side + 2 * border
    small = [file for file in run.files.values() if min(file.width, file.height) < least]
    if not small:
        return None
    names = few([f"{file.path} is {file.width}x{file.height}" for file in small])
    inside = f" with a border of {border}" if border else ""
    return f"needs at least {least} pixels a side{inside}: {names}"


def check(names: Sequence[str], inputs: Inputs) -> None:
    """Raise `InputError`, with the list, for pairs and sizes that the metrics cannot take."""
    kinds = {METRICS[name].kind for name in names}
    if "paired" in kinds and inputs.reference:
        paired_items(inputs.run, inputs.reference, "reference")
        check_equal_sizes(inputs.run, inputs.reference)
    if "input" in kinds and inputs.lr:
        paired_items(inputs.run, inputs.lr, "low-resolution input")
        check_whole_factor(inputs.run, inputs.lr)
