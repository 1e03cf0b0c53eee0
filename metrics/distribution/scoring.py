"""Scores of distributions: two sets of features in, scores with floors and warnings out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.catalogue import METRICS
from metrics.distribution import cautions, class_score, frechet, frechet_infinity, moments
from metrics.distribution import kernel as kid
from metrics.distribution import neighbourhoods as prdc
from metrics.distribution.moments import Moments
from metrics.distribution.reference_statistics import Origin, Statistics
from metrics.errors import InputError
from metrics.extraction.row_store import RowStore
from metrics.images.pairing import Images
from metrics.networks.extractor import Extractor
from metrics.scores import Score

_Z = 1.959963984540054
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """The stored features of a set of images, in the order of their contents' digests.

    That order does not depend on names, folders or workers, so neither do the statistics.
    """

    images: Images
    store: RowStore

    @cached_property
    def keys(self) -> list[bytes]:
        """Return the rows' keys, in order."""
        return sorted(bytes.fromhex(file.digest) for file in self.images.files.values())

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield all rows, some at a time."""
        return self.store.blocks(self.keys, _BLOCK)

    def chosen(self, numbers: Sequence[int] | NDArray[np.int64]) -> NDArray[Any]:
        """Return the rows of these numbers."""
        return self.store.rows([self.keys[number] for number in numbers])

    @cached_property
    def moments(self) -> Moments:
        """Return mean and covariance, merged block by block in order."""
        return moments.over(self.blocks())

    @property
    def count(self) -> int:
        """Return the number of images, copies included."""
        return len(self.images.files)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A run's features, the reference's - rows, or statistics alone - and the network of both."""

    extractor: Extractor
    run: FeatureSet
    reference: FeatureSet | None = None
    statistics: Statistics | None = None

    @cached_property
    def reference_moments(self) -> Moments:
        """Return the reference's moments. Raises `InputError` if there is no reference."""
        if self.statistics:
            return self.statistics.moments
        return self.rows.moments

    @property
    def reference_count(self) -> int:
        """Return the number of images that the reference was made from."""
        return self.statistics.moments.n if self.statistics else self.rows.count

    @property
    def rows(self) -> FeatureSet:
        """Return the reference's features. Raises `InputError` if only statistics are there."""
        if self.reference is None:
            raise InputError("the reference's images are needed, its statistics are not enough")
        return self.reference

    @cached_property
    def neighbourhoods(self) -> prdc.Neighbourhoods:
        """Return who lies in whose ball, for seeded subsets of at most 10,000 a side."""
        real = self.rows.chosen(prdc.subset(self.rows.count))
        fake = self.run.chosen(prdc.subset(self.run.count))
        return prdc.neighbourhoods(real, fake)

    @property
    def reference_digest(self) -> str | None:
        """Return the digest of the images that the reference was made from."""
        if self.statistics:
            return self.statistics.origin.digest
        return self.reference.images.digest if self.reference else None


Fields = dict[str, Any]


def statistics_of(features: FeatureSet, extractor: Extractor) -> Statistics:
    """Return the statistics to export for a set of features."""
    origin = Origin(
        features.images.name,
        features.images.digest,
        extractor.name,
        extractor.weights_digest,
        extractor.resize,
        extractor.precision,
    )
    return Statistics(origin, features.moments)


def _frechet(of: Comparison) -> Fields:
    n, m, width = of.run.count, of.reference_count, of.extractor.width
    if of.reference and max(n, m) <= width:
        real = of.reference.chosen(range(m))
        value = frechet.distance_of_rows(of.run.chosen(range(n)), real)
        floor = frechet.noise_floor(frechet.spectrum_of_rows(real), n, m)
        return _with_floor(value, floor, n, m, width)
    if n <= width:
        run = of.run
        value = frechet.distance_of_few(run.moments, of.reference_moments, run.chosen(range(n)))
    else:
        value = frechet.distance(of.reference_moments, of.run.moments)
    floor = frechet.noise_floor(frechet.spectrum(of.reference_moments), n, m)
    return _with_floor(value, floor, n, m, width)


def _with_floor(value: float, floor: float, n: int, m: int, width: int) -> Fields:
    warnings = tuple(cautions.about_counts(n, m, width))
    return {"value": value, "noise_floor": floor, "warnings": warnings}


def _frechet_infinity(of: Comparison) -> Fields:
    order = np.random.default_rng(frechet.SEED).permutation(of.run.count)
    parts = np.array_split(order, frechet_infinity.PARTS)
    found = [moments.over(_some(of.run, np.sort(part))) for part in parts]
    value = frechet_infinity.limit(found, of.reference_moments)
    error = frechet_infinity.standard_error(
        of.run.blocks(), of.run.moments, of.reference_moments, [part.n for part in found]
    )
    settings = {"parts": frechet_infinity.PARTS, "seed": frechet.SEED}
    return {
        "value": value,
        "low": max(value - _Z * error, 0.0),
        "high": value + _Z * error,
        "settings": settings,
    }


def _some(features: FeatureSet, numbers: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
    for start in range(0, len(numbers), _BLOCK):
        yield features.chosen(numbers[start : start + _BLOCK])


def _kid(of: Comparison) -> Fields:
    value, error = kid.kernel_distance(of.run.blocks, of.rows.blocks)
    low, high = value - _Z * error, value + _Z * error
    settings = {"kernel": "(x·y/d + 1)^3", "estimator": "full U-statistic"}
    warnings = tuple(cautions.about_pairing(of.run.images, of.rows.images))
    fields: Fields = {"value": value, "noise_floor": 0.0, "settings": settings}
    return fields | {"low": low, "high": high, "warnings": warnings}


def _class_score(of: Comparison) -> Fields:
    if of.extractor.head is None:
        raise InputError(f"{of.extractor.name} has no classes")
    weight, bias = of.extractor.head

    def logits(numbers: NDArray[np.int64]) -> NDArray[Any]:
        return np.asarray(of.run.chosen(numbers) @ weight.T + bias)

    scores = class_score.class_score(logits, of.run.count)
    low, high = class_score.interval(scores)
    settings = {"splits": class_score.SPLITS, "seed": class_score.SEED}
    return {"value": float(scores.mean()), "low": low, "high": high, "settings": settings}


def _neighbourhood(measure: str) -> Callable[[Comparison], Fields]:
    def compute(of: Comparison) -> Fields:
        found = of.neighbourhoods
        value = found.values()[measure]
        real, fake = len(found.covered), len(found.inside)
        fields: Fields = {"value": value, "settings": {"k": found.k, "subset": prdc.SUBSET}}
        if measure == "coverage":
            fields["noise_floor"] = prdc.expected_coverage(real, fake, found.k)
        if measure == "density":
            half = _Z * float(found.inside.std(ddof=1)) / (found.k * np.sqrt(fake))
            return fields | {"low": max(value - half, 0.0), "high": value + half}
        count = fake if measure == "precision" else real
        fields["low"], fields["high"] = prdc.wilson(value, count)
        return fields

    return compute


MEASURES: Mapping[str, Callable[[Comparison], Fields]] = {
    "frechet": _frechet,
    "frechet_infinity": _frechet_infinity,
    "kid": _kid,
    "class_score": _class_score,
    "precision": _neighbourhood("precision"),
    "recall": _neighbourhood("recall"),
    "density": _neighbourhood("density"),
    "coverage": _neighbourhood("coverage"),
}


def lacking(measure: str, extractor_width: int, n: int, *, rows: bool) -> str | None:
    """Return in words why a measure cannot be computed for n images, or None.

    `rows` says whether the reference's images are there, and not its statistics alone.
    """
    least = {"frechet_infinity": 2 * extractor_width, "class_score": class_score.SPLITS}
    least |= dict.fromkeys(("precision", "recall", "density", "coverage"), prdc.K + 1)
    if n < least.get(measure, 2):
        return f"needs at least {least.get(measure, 2)} images, found {n}"
    if not rows and measure in ("kid", "precision", "recall", "density", "coverage"):
        return "needs the reference's images, its statistics are not enough"
    return None


def score(name: str, of: Comparison) -> Score:
    """Return one metric's score with everything that decides its comparability."""
    metric = METRICS[name]
    fields = MEASURES[metric.measure or ""](of)
    alone = metric.measure == "class_score"
    warnings = list(fields.pop("warnings", ()))
    warnings += cautions.about_images(of.run.images, "run")
    if of.reference and not alone:
        warnings += cautions.about_images(of.reference.images, "reference")
    warnings += cautions.about_weights(of.extractor.published, metric.title)
    return Score(
        name=name,
        direction=metric.direction,
        unit=metric.unit,
        n=of.run.count,
        extractor=of.extractor.name,
        weights_digest=of.extractor.weights_digest,
        resize=of.extractor.resize,
        precision=of.extractor.precision,
        reference_digest=None if alone else of.reference_digest,
        warnings=tuple(warnings),
        **fields,
    )
