"""Rank correlations, many at once, and their permutation p-values."""

from __future__ import annotations

from itertools import permutations as all_orders

import numpy as np
from scipy import stats

from analysis.inference.clustered.crossed_design import Array

EXACT_BELOW = 8
DRAWS = 20_000


def spearman(x: Array, y: Array) -> Array:
    """Return Spearman's ρ over the last axis of ``x`` and ``y``; NaN if one is constant."""
    return pearson(stats.rankdata(x, axis=-1), stats.rankdata(y, axis=-1))


def pearson(x: Array, y: Array) -> Array:
    """Return Pearson's r over the last axis of ``x`` and ``y``; NaN if one is constant."""
    a = x - x.mean(axis=-1, keepdims=True)
    b = y - y.mean(axis=-1, keepdims=True)
    below = np.sqrt(np.square(a).sum(axis=-1) * np.square(b).sum(axis=-1))
    some = below > 1e-12
    return np.where(some, (a * b).sum(axis=-1) / np.where(some, below, 1.0), np.nan)


def permutation_p(x: Array, y: Array, seed: int = 0) -> float:
    """Return the two-sided p-value of Spearman's ρ by permuting ``y``; 1 if ρ does not exist.

    All orders below 8 values (exact), 20,000 seeded ones from there on.
    """
    seen = float(spearman(x, y))
    if np.isnan(seen):
        return 1.0
    if len(y) < EXACT_BELOW:
        orders = np.array(list(all_orders(y)))
        return float((np.abs(spearman(x, orders)) >= abs(seen) - 1e-12).mean())
    rng = np.random.default_rng(seed)
    orders = rng.permuted(np.tile(y, (DRAWS, 1)), axis=1)
    return float((1 + (np.abs(spearman(x, orders)) >= abs(seen) - 1e-12).sum()) / (1 + DRAWS))
