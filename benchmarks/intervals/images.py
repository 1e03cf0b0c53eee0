"""Intervals of single images: the share of images whose own rate is covered."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from analysis.inference.binomial import pooled_wilson
from analysis.inference.clustered.crossed_design import design
from analysis.models.simulation import NODES, WEIGHTS, intercept_for, random_design
from analysis.rates.shrinkage import posterior, prior

CASES = (
    ((10, 10, 30), 0.3, (0.8, 0.8)),
    ((20, 10, 100), 0.3, (0.8, 0.3)),
    ((12, 10, 40), 0.3, (0.5, 0.3)),
    ((30, 20, 50), 0.3, (0.8, 0.5)),
    ((50, 50, 100), 0.3, (0.8, 0.8)),
    ((20, 20, 40), 0.05, (1.0, 1.0)),
    ((10, 15, 15), 0.4, (0.8, 0.8)),
    ((20, 10, 100), 0.3, (0.8, 0.8)),
    ((12, 10, 40), 0.3, (0.5, 1.2)),
)


def single_images(sets: int) -> list[dict[str, Any]]:
    """Return coverage and width of the images' intervals, beside Wilson on the image's trials."""
    rows = []
    for seed, ((raters, trials, items), rate, sds) in enumerate(CASES):
        rng = np.random.default_rng([24, seed])
        found = np.array([_study(rng, (raters, trials, items), rate, sds) for _ in range(sets)])
        mean, error = found.mean(axis=0), found.std(axis=0) / np.sqrt(sets)
        rows.append(
            {
                "raters x trials of images": f"{raters} x {trials} of {items}",
                "rate": rate,
                "sds": "{:g}/{:g}".format(*sds),
                "covers": float(mean[0]),
                "±": float(error[0]),
                "width": float(mean[1]),
                "Wilson covers": float(mean[2]),
                "Wilson ±": float(error[2]),
                "Wilson width": float(mean[3]),
            }
        )
    return rows


def _study(
    rng: np.random.Generator, size: tuple[int, int, int], rate: float, sds: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Return covered share and mean width of the shipped interval, then of Wilson's."""
    raters, items = random_design(rng, size[0], size[2], size[1])
    start = intercept_for(rate, float(np.hypot(*sds)))
    v = start + sds[1] * rng.standard_normal(size[2])
    eta = sds[0] * rng.standard_normal(size[0])[raters] + v[items]
    y = (rng.random(len(eta)) < expit(eta)).astype(float)
    seen = np.unique(items)
    truth = (expit(v[:, None] + sds[0] * NODES) @ WEIGHTS)[seen]
    k = np.bincount(items, y, size[2])[seen].astype(np.float64)
    n = np.bincount(items, minlength=size[2])[seen].astype(float)
    _, low, high = posterior(prior(y, design(raters, items)), k, n, 0.05)
    ends = pooled_wilson(k, n)
    return (
        float(((low <= truth) & (truth <= high)).mean()),
        float((high - low).mean()),
        float(((ends[0] <= truth) & (truth <= ends[1])).mean()),
        float((ends[1] - ends[0]).mean()),
    )
