"""Whether those with more trials have other rates: then the pooled rate is nobody's.

A rater who goes on because they do well (or is fooled and gives up) weighs in the pooled rate by
what is being measured. The test compares the pooled rate with the mean of the raters' own rates
(or of the images'), which have one expectation where counts and rates have nothing to do with each
other.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse, stats

from analysis.inference.clustered.crossed_design import Array, Design
from analysis.inference.clustered.crossed_moments import Weighting, squares, variances, weighting
from analysis.inference.clustered.share import effective_df

LEVEL = 0.01


def counts_follow_rates(y: Array, who: Design, estimand: str = "population") -> tuple[str, ...]:
    """Return what to tell a reader whose raters' (or images') counts go with their rates.

    Where each rater counts alike (`rater-average`), only the images'.
    """
    sides = (
        (who.by_rater, who.rater_trials, "rater", "--estimand rater-average counts raters alike"),
        (who.by_item, who.item_trials, "image", "the pooled rate is not that of a new image"),
    )
    by = weighting(who)
    return tuple(
        f"{what}s with more trials have other rates: {100 * y.mean():.1f} % of the trials,"
        f" {100 * mean:.1f} % as a mean over {what}s (p {_p_text(p)}); {advice}"
        for groups, counts, what, advice in sides[estimand == "rater-average" :]
        for mean, p in [mean_and_p(y, by, groups, counts)]
        if p < LEVEL
    )


def _p_text(p: float) -> str:
    return "< .001" if p < 0.001 else f"= {p:.3f}"


def mean_and_p(
    y: Array, by: Weighting, groups: sparse.csr_array, counts: Array
) -> tuple[float, float]:
    """Return the mean of the groups' own rates, and the p-value of its equality with mean(y).

    A t test: the variance of the difference, a weighted sum of trials, is that of crossed effects
    whose variances come from `crossed_moments`.
    """
    weights = groups.T @ (1 / (len(counts) * counts))
    gap = weights - 1 / len(y)
    found = squares(y, by)
    parts = variances(by, found)
    sides = (by.rater, by.item)
    loads = [float(np.square(side.groups @ gap).sum()) for side in sides]
    variance = float(np.array([*loads, float(gap @ gap)]) @ parts)
    mean = float(weights @ y)
    if variance < 1e-12:
        return mean, 1.0
    df = min(
        float(effective_df(sides[0], found.mean, parts)),
        float(effective_df(sides[1], found.mean, parts[[1, 0, 2]])),
    )
    return mean, float(2 * stats.t.sf(abs(float(gap @ y)) / np.sqrt(variance), df))
