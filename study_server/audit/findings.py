"""What an audit found, in words: a mark to mend, a difference to know of, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from study_server.audit.adversary import FEWEST, attack, forward_scores
from study_server.audit.auc import Area, paired_area, scored_area
from study_server.audit.probes import MATTERS, PROBES, TRACES
from study_server.audit.transport import Pair, differing_headers, features

ENOUGH_PAIRS = 200
SMALL = 0.10  # an area nearer .5 than this is no reason to stop a study
TRACE_ADVICE = {
    "JPEG grid (8 px)": "one side went through JPEG: compress both alike, or neither",
    "upsampling grid (4 px)": "one side shows the grid of a 4x decoder or of a resampled input",
    "checkerboard (2 px)": "one side shows the checkerboard of an upsampling layer",
    "border jump": "the outermost pixels differ (a frame, padding): crop both alike",
    "border brightness": "the edges of one side are darker or lighter: crop both alike",
    "brightness": "one side is brighter overall: check value ranges and gamma",
    "red cast": "one side is redder: check the colour conversion",
    "blue cast": "one side is bluer: check the colour conversion",
    "clipped samples": "one side reaches black or white more often: check value ranges",
    "missing grey levels": "one side uses fewer grey levels: it was quantised or stretched",
    "odd grey levels": "one side's levels are rounded: it was quantised or converted",
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    name: str
    area: Area
    verdict: str  # "nothing" | "mend" | "know"
    words: str
    typical: float | None = None  # median of output minus reference, in the probe's own unit


@dataclass(frozen=True)
class ConditionAudit:
    """The pixel probes of one condition, or of one pair of models, and a classifier on them."""

    condition: str
    traces: Finding  # classifier on only the pipeline's marks
    everything: Finding  # classifier on all probes, sharpness and noise included
    probes: tuple[Finding, ...]


@dataclass(frozen=True)
class Audit:
    """Everything one audit found."""

    study: str
    digest: str
    created_at: str
    transport: Finding
    headers: tuple[str, ...]  # names whose values differ between the classes
    sizes_equal: bool
    model_left: tuple[int, int]  # pairs with the output on the left, pairs
    conditions: tuple[ConditionAudit, ...]
    compares_models: bool = False  # of two models, not of an output and a real photo
    single: bool = False  # each trial shows one image
    warnings: tuple[str, ...] = field(default=())

    @property
    def sound(self) -> bool:
        """Return whether nothing on the way to the browser tells the classes apart."""
        return self.transport.verdict == "nothing" and not self.headers and self.sizes_equal


def audit_transport(pairs: Sequence[Pair], seed: int = 0) -> Finding:
    """Return what the blind adversary makes of everything but the pictures.

    Of two models it knows which two each trial shows, and learns each pair of them by itself where
    there is enough of it: what gives one model away may hide another.
    """
    left, right = features(pairs)
    sides = np.array([pair.model_left for pair in pairs])
    area = _attack_each(left, right, sides, np.array([pair.contest for pair in pairs]), seed)
    if area.low <= 0.5:  # below chance is no better than chance: it learns which way round to guess
        return Finding("transport", area, "nothing", "no better than guessing: it cannot tell")
    what = "which model is on which side" if pairs[0].contest else "the model's output apart"
    words = f"URLs, headers, sizes, chunks or timings tell {what}: do not launch"
    return Finding("transport", area, "mend", words)


def _attack_each(
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    sides: NDArray[np.bool_],
    contests: NDArray[np.str_],
    seed: int,
) -> Area:
    groups = [np.flatnonzero(contests == name) for name in np.unique(contests)]
    if min(map(len, groups)) < 2 * FEWEST:
        return attack(left, right, sides, seed)
    scores, truth = [], []
    for group in groups:
        tested, found = forward_scores(left[group], right[group], sides[group], seed)
        scores.append(found)
        truth.append(sides[group][tested])
    return scored_area(np.concatenate(scores), np.concatenate(truth))


def audit_condition(
    condition: str,
    real: Mapping[str, NDArray[np.float64]],
    output: Mapping[str, NDArray[np.float64]],
    seed: int = 0,
    *,
    model: str = "the output",
) -> ConditionAudit:
    """Return the pixel probes of one condition; both mappings go from item id to `measure`'s row.

    `model` is what `output` is called, and of two models `real` is the other one's output.

    Raises ValueError for fewer than 20 items in common.
    """
    items = sorted(real.keys() & output.keys())
    if len(items) < FEWEST:
        raise ValueError(f"{condition}: {len(items)} items in common, expected {FEWEST} or more")
    a = np.array([real[item] for item in items])
    b = np.array([output[item] for item in items])
    level = 1 - 0.05 / len(PROBES)  # Bonferroni: many probes are looked at
    probes = [
        _probe_finding(name, b[:, column] - a[:, column], level, model)
        for column, name in enumerate(PROBES)
    ]
    traces = np.array([name in TRACES for name in PROBES])
    return ConditionAudit(
        condition,
        traces=_classifier("pipeline marks", a[:, traces], b[:, traces], seed, model),
        everything=_classifier("all probes", a, b, seed, model),
        probes=tuple(probes),
    )


def _probe_finding(
    name: str, differences: NDArray[np.float64], level: float, model: str
) -> Finding:
    area, typical = paired_area(differences, level), float(np.median(differences))
    more = "higher" if area.value > 0.5 else "lower"
    direction = f"{more} in {model}, typically by {abs(typical):.2g}"
    if area.blind or abs(area.value - 0.5) < SMALL:
        return Finding(name, area, "nothing", "no difference that matters", typical)
    if name not in TRACES:
        words = f"{direction}: part of the picture, which raters are meant to judge"
        return Finding(name, area, "know", words, typical)
    if abs(typical) < MATTERS[name]:
        return Finding(name, area, "nothing", f"{direction}: too little to be seen", typical)
    return Finding(name, area, "mend", f"{direction}: {TRACE_ADVICE[name]}", typical)


def _classifier(
    name: str, real: NDArray[np.float64], output: NDArray[np.float64], seed: int, model: str
) -> Finding:
    model_left = np.random.default_rng(seed).permutation(np.arange(len(real)) % 2 == 0)
    left = np.where(model_left[:, None], output, real)
    right = np.where(model_left[:, None], real, output)
    area = attack(left, right, model_left, seed)
    if area.low <= 0.5 + SMALL / 2:
        return Finding(name, area, "nothing", "hardly better than guessing")
    words = f"these numbers suffice to find {model}; see the probes below"
    return Finding(name, area, "know", words)


def small_sample(pairs: int) -> list[str]:
    """Return a warning for an audit of fewer pairs than a small leak needs."""
    if pairs >= ENOUGH_PAIRS:
        return []
    return [f"{pairs} pairs: a small leak would not show, {ENOUGH_PAIRS} or more are better"]


def header_findings(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Return the headers that differ in distribution between references and outputs."""
    return tuple(differing_headers(pairs))


def equal_sizes(pairs: Sequence[Pair]) -> bool:
    """Return whether both bodies of every pair have the same number of bytes."""
    return all(len(pair.left.body) == len(pair.right.body) for pair in pairs)
