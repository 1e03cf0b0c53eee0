"""Scores of distributions: two sets of features in, scores with floors and warnings out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.catalogue import METRICS
from metrics.distribution import cautions, class_score, frechet, frechet_infinity, moments
from metrics.distribution import kernel as kid
from metrics.distribution import neighbourhoods as prdc
from metrics.distribution.features import BLOCK, Comparison, FeatureSet
from metrics.extraction.algebra import Matrix, placed
from metrics.intervals import Z, wilson
from metrics.scores import Score

Fields = dict[str, Any]


def frechet_distance(of: Comparison) -> Fields:
    """Return the Fréchet distance, in the way that suits the number of images, with its floor."""
    n, m, width = of.run.count, of.reference_count, of.extractor.width
    if of.reference and m is not None and max(n, m) <= width:
        real = of.reference.chosen(range(m))
        value = frechet.distance_of_rows(of.run.chosen(range(n)), real)
        floor = frechet.noise_floor(frechet.spectrum_of_rows(real), n, m)
        return _with_floor(value, floor, n, m, width)
    if n <= width:
        run = of.run
        value = frechet.distance_of_few(run.moments, of.reference_moments, run.chosen(range(n)))
    else:
        value = frechet.distance(of.reference_moments, of.run.moments, device=of.run.device)
    if m is None:
        return _with_floor(value, None, n, m, width)
    floor = frechet.noise_floor(frechet.spectrum(of.reference_moments, of.run.device), n, m)
    return _with_floor(value, floor, n, m, width)


def _with_floor(value: float, floor: float | None, n: int, m: int | None, width: int) -> Fields:
    warnings = tuple(cautions.about_counts(n, m, width))
    return {"value": value, "noise_floor": floor, "warnings": warnings}


def frechet_distance_at_infinity(of: Comparison) -> Fields:
    """Return the Fréchet distance extrapolated in the run's number of images."""
    order = np.random.default_rng(frechet.SEED).permutation(of.run.count)
    parts = np.array_split(order, frechet_infinity.PARTS)
    found = [moments.over(_some(of.run, np.sort(part))) for part in parts]
    value = frechet_infinity.limit(found, of.reference_moments, of.run.device)
    error = frechet_infinity.standard_error(
        of.run.blocks(),
        of.run.moments,
        of.reference_moments,
        [part.n for part in found],
        of.run.device,
    )
    settings = {"parts": frechet_infinity.PARTS, "seed": frechet.SEED}
    return {
        "value": value,
        "low": max(value - Z * error, 0.0),
        "high": value + Z * error,
        "settings": settings,
    }


def _some(features: FeatureSet, numbers: NDArray[np.int64]) -> Iterator[Matrix]:
    for start in range(0, len(numbers), BLOCK):
        yield placed(features.chosen(numbers[start : start + BLOCK]), features.device)


def kernel_distance(of: Comparison) -> Fields:
    """Return the squared MMD over all pairs."""
    value, error = kid.kernel_distance(of.run.blocks, of.rows.blocks)
    low, high = value - Z * error, value + Z * error
    settings = {"kernel": "(x·y/d + 1)^3", "estimator": "full U-statistic"}
    warnings = tuple(cautions.about_pairing(of.run.images, of.rows.images))
    fields: Fields = {"value": value, "noise_floor": 0.0, "settings": settings}
    return fields | {"low": low, "high": high, "warnings": warnings}


def class_score_of_splits(of: Comparison) -> Fields:
    """Return the mean class score of ten splits. Raises `InputError` if there are no classes."""

    def logits(numbers: NDArray[np.int64]) -> NDArray[Any]:
        return of.extractor.logits(of.run.chosen(numbers))

    scores = class_score.class_score(logits, of.run.count)
    low, high = class_score.interval(scores)
    settings = {"splits": class_score.SPLITS, "seed": class_score.SEED}
    return {"value": float(scores.mean()), "low": low, "high": high, "settings": settings}


def precision(of: Comparison) -> Fields:
    """Return the share of the run's images inside some ball of the reference."""
    found = of.neighbourhoods
    return _of_neighbours(of, "precision") | _interval(found.values()["precision"], found.inside)


def recall(of: Comparison) -> Fields:
    """Return the share of the reference's images inside some ball of the run."""
    found = of.neighbourhoods
    return _of_neighbours(of, "recall") | _interval(found.values()["recall"], found.covered)


def density(of: Comparison) -> Fields:
    """Return how many of the reference's balls hold an image of the run, over k."""
    found = of.neighbourhoods
    fields = _of_neighbours(of, "density")
    half = Z * float(found.inside.std(ddof=1)) / (found.k * np.sqrt(len(found.inside)))
    return fields | {"low": max(fields["value"] - half, 0.0), "high": fields["value"] + half}


def coverage(of: Comparison) -> Fields:
    """Return the share of the reference's balls that hold an image of the run."""
    found = of.neighbourhoods
    floor = prdc.expected_coverage(len(found.covered), len(found.inside), found.k)
    fields = _of_neighbours(of, "coverage") | {"noise_floor": floor}
    return fields | _interval(fields["value"], found.covered)


def _of_neighbours(of: Comparison, measure: str) -> Fields:
    found = of.neighbourhoods
    settings = {"k": found.k, "subset": prdc.SUBSET}
    return {"value": found.values()[measure], "settings": settings}


def _interval(share: float, points: NDArray[Any]) -> Fields:
    low, high = wilson(share, len(points))
    return {"low": low, "high": high}


def score(name: str, of: Comparison) -> Score:
    """Return one metric's score with everything that decides its comparability."""
    metric = METRICS[name]
    fields = metric.load()(of)
    alone = metric.against == "nothing"
    if of.statistics and of.statistics.foreign and not alone:
        label = of.statistics.foreign
        fields["settings"] = fields.get("settings", {}) | {"statistics": f"foreign: {label}"}
        fields["warnings"] = (*fields.get("warnings", ()), *cautions.about_foreign(label))
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
        **of.extractor.provenance,
        reference_digest=None if alone else of.reference_digest,
        warnings=tuple(warnings),
        **fields,
    )
