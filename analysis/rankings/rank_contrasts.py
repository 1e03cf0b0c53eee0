"""Which models of a ranking are shown to be better than which, all pairs at once."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
from scipy import optimize, stats

from analysis.inference.clustered.crossed_design import Array, Codes, Mask
from analysis.models.bradley_terry import BradleyTerry, chances

DRAWS = 20_000


def simultaneous_quantile(fit: BradleyTerry, df: int, alpha: float, seed: int) -> float:
    """Return the quantile of the largest |t| over all pairwise contrasts, by seeded draws.

    Each contrast is drawn with a variance of 1, so that the quantile is at least that of one t. The
    correlations are those of independent trials: the two-way covariance need not be a covariance.
    """
    one = float(stats.t.ppf(1 - alpha / 2, df))
    size = len(fit.theta)
    if size == 2:
        return one
    values, vectors = np.linalg.eigh(fit.information)
    rng = np.random.default_rng(seed)
    draws = rng.standard_normal((DRAWS, size)) @ (vectors * np.sqrt(np.maximum(values, 0))).T
    spread = np.sqrt(rng.chisquare(df, DRAWS) / df)
    largest = np.zeros(DRAWS)
    for i, j in combinations(range(size), 2):
        se = np.sqrt(fit.information[i, i] + fit.information[j, j] - 2 * fit.information[i, j])
        largest = np.maximum(largest, np.abs(draws[:, i] - draws[:, j]) / se)
    return max(one, float(np.quantile(largest / spread, 1 - alpha)))


def better_in_core(fit: BradleyTerry, critical: float) -> Mask:
    """Return (K, K): whether scored model i is shown to be better than j."""
    size = len(fit.theta)
    better = np.zeros((size, size), dtype=bool)
    for i, j in permutations(range(size), 2):
        contrast = np.eye(size)[i] - np.eye(size)[j]
        gap = float(contrast @ fit.theta)
        better[i, j] = gap > margin(fit, contrast, critical)
    return better


def margin(fit: BradleyTerry, contrast: Array, critical: float) -> float:
    """Return what contrast @ theta has to exceed: it would still do so with half a vote less."""
    return critical * float(np.sqrt(fit.variance(contrast))) + fit.half_vote(contrast)


def bound(
    against: Array,
    clusters: tuple[Codes, Codes],
    never_lost: bool,
    log_nu: float | None,
    alpha: float,
) -> float | None:
    """Return the bound on the score of a model that never lost (lower) or never won (upper).

    ``against`` (N,) are the scores of its opponents, ``clusters`` who judged and what. At the bound
    the model wins (or loses) every trial with a chance of alpha / 2: Clopper & Pearson (1934), in
    which each rater counts once, however many comparisons they made, or each item, where there are
    fewer (but several). None without a trial.
    """
    if not len(against):
        return None
    sign = 1.0 if never_lost else -1.0
    times = _times_counted(clusters)
    limit = -np.log(alpha / 2)

    def excess(score: float) -> float:
        win, _ = chances(sign * (score - against), log_nu)
        return float((-np.log(np.maximum(win, 1e-300)) / times).sum() - limit)

    return float(optimize.brentq(excess, -200, 200))


def _times_counted(clusters: tuple[Codes, Codes]) -> Array:
    """Return (N,) how many trials share a trial's cluster, of the side with fewer but several."""
    found = [np.unique(codes, return_inverse=True)[1] for codes in clusters]
    several = [codes for codes in found if codes.max() > 0] or found[:1]
    codes = min(several, key=lambda each: int(each.max()))
    return np.asarray(np.bincount(codes)[codes], dtype=np.float64)
