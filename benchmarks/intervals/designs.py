"""Fool rates in unbalanced, thin and small designs, at low rates, and where raters go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from analysis.inference.binomial import pooled_wilson
from analysis.inference.clustered.crossed_design import Array, Mask, design
from analysis.inference.clustered.difference import difference
from analysis.models.simulation import (
    NODES,
    WEIGHTS,
    Ints,
    crossed_judgments,
    intercept_for,
    random_design,
)
from analysis.rates.fool_rates import share_intervals
from analysis.rates.informative_counts import counts_follow_rates

PER_DESIGN = 20  # studies that share one draw of who judges what
Pair = tuple[Ints, Ints]
Hits = tuple[Mask, Array]  # (sets,) covered, and width
Make = Callable[[np.random.Generator], Pair]


@dataclass(frozen=True)
class Case:
    """A design, the rate and the logit sds of raters and images."""

    name: str
    make: Make
    rate: float
    sds: tuple[float, float]


def spread(raters: int, trials: int, items: int) -> Make:
    """Return designs in which each rater has ``trials`` of ``items`` images at random."""
    return lambda rng: random_design(rng, raters, items, trials)


def one_each(raters: int, items: int) -> Make:
    """Return designs in which each rater has one trial."""
    return lambda rng: (np.arange(raters), rng.integers(0, items, raters))


def lopsided(raters: int, most: int, items: int) -> Make:
    """Return designs with 1 to ``most`` trials a rater, images drawn by Zipf's law."""
    chance = 1 / np.arange(1, items + 1)

    def make(rng: np.random.Generator) -> Pair:
        counts = np.minimum(rng.integers(1, most + 1, raters), items)
        drawn = [rng.choice(items, n, replace=False, p=chance / chance.sum()) for n in counts]
        return np.repeat(np.arange(raters), counts), np.concatenate(drawn)

    return make


POPULATION = (
    Case("10 x 15 of 15", spread(10, 15, 15), 0.3, (0.8, 0.8)),
    Case("10 x 15 of 15", spread(10, 15, 15), 0.5, (1.0, 1.0)),
    Case("8 x 200 of 200", spread(8, 200, 200), 0.4, (1.0, 1.0)),
    Case("4 x 100 of 100", spread(4, 100, 100), 0.4, (1.0, 1.0)),
    Case("100 x 8 of 8", spread(100, 8, 8), 0.4, (1.0, 1.0)),
    Case("30 x 40 of 40, no effects", spread(30, 40, 40), 0.4, (1e-9, 1e-9)),
    Case("40 x 1-100 of 100", lopsided(40, 100, 100), 0.4, (1.0, 1.0)),
    Case("15 x 1-40 of 40", lopsided(15, 40, 40), 0.2, (1.0, 1.0)),
    Case("20 x 1-40 of 60", lopsided(20, 40, 60), 0.1, (0.8, 0.8)),
    Case("12 x 1-60 of 60", lopsided(12, 60, 60), 0.3, (0.8, 0.8)),
    Case("50 x 50 of 100", spread(50, 50, 100), 0.05, (0.8, 0.8)),
    Case("50 x 50 of 100", spread(50, 50, 100), 0.05, (1.35, 1.2)),
    Case("20 x 20 of 40", spread(20, 20, 40), 0.05, (1.0, 1.0)),
    Case("20 x 20 of 40", spread(20, 20, 40), 0.95, (1.0, 1.0)),
    Case("30 x 30 of 60", spread(30, 30, 60), 0.02, (1.0, 1.0)),
    Case("300 x 1 of 30", one_each(300, 30), 0.4, (0.8, 0.8)),
    Case("300 x 1 of 300", one_each(300, 300), 0.4, (0.8, 0.8)),
    Case("60 x 1 of 20", one_each(60, 20), 0.4, (0.8, 0.8)),
)
FIXED = (
    Case("10 x 15 of 15", spread(10, 15, 15), 0.3, (0.8, 0.8)),
    Case("20 x 40 of 40", spread(20, 40, 40), 0.05, (0.8, 0.8)),
    Case("20 x 40 of 40", spread(20, 40, 40), 0.05, (1.0, 1.0)),
    Case("8 x 200 of 200", spread(8, 200, 200), 0.4, (1.0, 1.0)),
)


def population(sets: int) -> list[dict[str, Any]]:
    """Return coverage and width over new raters and images, beside pooled Wilson."""
    return [_row(case, sets, "population", seed) for seed, case in enumerate(POPULATION)]


def fixed_images(sets: int) -> list[dict[str, Any]]:
    """Return coverage and width over new raters on these images, beside pooled Wilson."""
    return [_row(case, sets, "fixed-images", 50 + seed) for seed, case in enumerate(FIXED)]


def _row(case: Case, sets: int, estimand: str, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([21, seed])
    ours: list[Hits] = []
    pooled: list[Hits] = []
    for _ in range(-(-sets // PER_DESIGN)):
        codes = case.make(rng)
        if estimand == "population":
            y = crossed_judgments(rng, codes, rate=case.rate, sds=case.sds, sets=PER_DESIGN)
            truth: Any = np.full(PER_DESIGN, case.rate)
        else:
            y, truth = _on_these_images(rng, codes, case)
        some = y.min(axis=0) < y.max(axis=0)  # the exact interval is not what is measured here
        y, truth = y[:, some], truth[some]
        _, low, high = share_intervals(y, design(*codes), estimand)
        ours.append(((low <= truth) & (truth <= high), high - low))
        low, high = pooled_wilson(y.sum(axis=0), len(y))
        pooled.append(((low <= truth) & (truth <= high), high - low))
    return {
        "raters x trials of images": case.name,
        "rate": case.rate,
        "sds": "{:g}/{:g}".format(*case.sds),
        **summary("", ours),
        **summary("pooled Wilson ", pooled),
    }


def summary(name: str, found: list[Hits]) -> dict[str, float]:
    """Return the share covered with its standard error, and the mean width."""
    hit, width = (np.concatenate(each) for each in zip(*found, strict=True))
    share = float(np.mean(hit))
    return {
        f"{name}covers": share,
        f"{name}±": float(np.sqrt(share * (1 - share) / len(hit))),
        f"{name}width": float(width.mean()),
    }


def _on_these_images(rng: np.random.Generator, codes: Pair, case: Case) -> tuple[Array, Array]:
    """Return judgments (N, sets) of a full table and the rate of new raters on its images."""
    raters, items = (int(code.max()) + 1 for code in codes)
    start = intercept_for(case.rate, float(np.hypot(*case.sds)))
    v = start + case.sds[1] * rng.standard_normal((items, PER_DESIGN))
    u = case.sds[0] * rng.standard_normal((raters, PER_DESIGN))
    y = (rng.random((len(codes[0]), PER_DESIGN)) < expit(u[codes[0]] + v[codes[1]])).astype(float)
    return y, (expit(v[:, :, None] + case.sds[0] * NODES) @ WEIGHTS).mean(axis=0)


def going_on(sets: int) -> list[dict[str, Any]]:
    """Return coverage by estimand where raters go on for longer the more they are fooled."""
    rows = []
    for name, informative in (("goes with the rater's own rate", True), ("by chance", False)):
        rng = np.random.default_rng([22, informative])
        found: dict[str, list[Hits]] = {"population": [], "rater-average": []}
        warned = []
        for _ in range(sets):
            y, codes = _raters_going_on(rng, informative)
            who = design(*codes)
            warned.append(any("raters" in flag for flag in counts_follow_rates(y[:, 0], who)))
            for estimand, each in found.items():
                _, low, high = share_intervals(y, who, estimand)
                each.append(((low <= 0.4) & (high >= 0.4), high - low))
        row: dict[str, Any] = {"number of trials": name, "warned": float(np.mean(warned))}
        for estimand, each in found.items():
            row |= summary(f"{estimand} ", each)
        rows.append(row)
    return rows


def _raters_going_on(rng: np.random.Generator, informative: bool) -> tuple[Array, Pair]:
    u, v = rng.standard_normal(40), rng.standard_normal(100)
    drive = u if informative else rng.standard_normal(40)
    counts = np.clip(30 * np.exp(drive), 3, 100).astype(int)
    items = np.concatenate([rng.choice(100, n, replace=False) for n in counts])
    raters = np.repeat(np.arange(40), counts)
    start = intercept_for(0.4, float(np.hypot(0.8, 0.8)))
    chance = expit(start + 0.8 * u[raters] + 0.8 * v[items])
    return (rng.random(len(chance)) < chance).astype(float)[:, None], (raters, items)


def unequal_pairs(sets: int) -> list[dict[str, Any]]:
    """Return how often two equal models of unequal or thin studies differ at 5 %."""
    cases = {
        "one trial a rater, 200 against 200": (one_each(200, 60), one_each(200, 60)),
        "40 raters against 6, 50 images": (spread(40, 50, 50), spread(6, 50, 50)),
        "40 x 40 against 6 x 10": (spread(40, 40, 40), spread(6, 10, 40)),
        "5 raters against 5": (spread(5, 40, 40), spread(5, 40, 40)),
    }
    rows = []
    for seed, (name, makes) in enumerate(cases.items()):
        rng = np.random.default_rng([23, seed])
        rejected = []
        for _ in range(-(-sets // PER_DESIGN)):
            one, two = (make(rng) for make in makes)
            raters = np.concatenate([one[0], two[0] + one[0].max() + 1])
            items = np.concatenate([one[1], two[1]])
            first = np.arange(len(raters)) < len(one[0])
            y = _equal_models(rng, raters, items, first)
            rejected.append(difference(y, first, raters, items).p_value() < 0.05)
        share = float(np.mean(np.concatenate(rejected)))
        error = float(np.sqrt(share * (1 - share) / sets))
        rows.append({"other raters, shared images": name, "two-way": share, "±": error})
    return rows


def _equal_models(rng: np.random.Generator, raters: Ints, items: Ints, first: Mask) -> Array:
    start = intercept_for(0.4, float(np.hypot(0.8, 0.8)))
    u = 0.8 * rng.standard_normal((int(raters.max()) + 1, PER_DESIGN))
    common, one, two = rng.standard_normal((3, int(items.max()) + 1, PER_DESIGN))
    own = np.where(first[:, None], one[items], two[items])
    eta = start + u[raters] + 0.8 * np.sqrt(0.5) * (common[items] + own)
    return (rng.random(eta.shape) < expit(eta)).astype(float)
