"""Variance of a share when every trial belongs to a rater and to an image.

Trials of one rater hang together, and so do trials of one image; counting them as independent makes
intervals two to four times too short. This module holds the three pieces that every closed-form
interval here is made of: CR2 variances for a mean (Pustejovsky & Tipton 2018, eq. 6, for an
intercept alone), the residual mean square of the additive rater + image fit, and their sum.

All functions take ``y`` as ``(N,)`` or, for many data sets of one design at once, ``(N, B)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer]
Mask = npt.NDArray[np.bool_]

CG_TOLERANCE = 1e-10


@dataclass(frozen=True)
class Design:
    """Who judged what: N trials, R raters and I images, as sparse indicators.

    ``by_rater`` is (R, N), ``by_item`` (I, N); ``rater_trials`` (R,) and ``item_trials`` (I,) are
    counts.
    """

    by_rater: sparse.csr_array
    by_item: sparse.csr_array
    rater_trials: Array
    item_trials: Array

    @property
    def trials(self) -> int:
        """Return N."""
        return int(self.by_rater.shape[1])

    @property
    def raters(self) -> int:
        """Return R."""
        return int(self.by_rater.shape[0])

    @property
    def items(self) -> int:
        """Return I."""
        return int(self.by_item.shape[0])

    @property
    def seen(self) -> sparse.csr_array:
        """Return the (R, I) table of how often each rater judged each image."""
        return (self.by_rater @ self.by_item.T).tocsr()


@dataclass(frozen=True)
class Variance:
    """The parts of the variance of a share; each () or (B,)."""

    rater: Array
    item: Array
    residual: Array
    total: Array
    df: Array


def design(raters: Codes, items: Codes) -> Design:
    """Return the design of trials with these rater and image codes, each ``(N,)``; gaps allowed."""
    by_rater, by_item = indicator(raters), indicator(items)
    return Design(by_rater, by_item, by_rater.sum(axis=1), by_item.sum(axis=1))


def indicator(codes: Codes) -> sparse.csr_array:
    """Return the (groups, N) indicator of the groups that occur in ``codes``."""
    _, dense = np.unique(codes, return_inverse=True)
    size = len(codes)
    groups = int(dense.max(initial=-1)) + 1
    return sparse.csr_array((np.ones(size), (dense, np.arange(size))), shape=(groups, size))


def cr2_mean_variance(y: Array, groups: sparse.csr_array, counts: Array) -> Array:
    """Return the CR2 cluster-robust variance of mean(y): Σ_g e_g² / (1 - n_g/N) / N²."""
    trials = y.shape[0]
    sums = groups @ (y - y.mean(axis=0))
    room = 1 - counts / trials
    scale = np.divide(1.0, room, out=np.zeros_like(room), where=room > 0)
    return np.asarray(scale @ np.square(sums) / trials**2)


def residual_variance(y: Array, who: Design) -> Array:
    """Return the residual mean square of the additive rater + image fit, over N.

    Zero (the cautious side) where the design leaves no degree of freedom for it.
    """
    seen = who.seen
    pieces, _ = connected_components(
        sparse.block_array([[None, seen], [seen.T, None]]), directed=False
    )
    free = who.trials - (who.raters + who.items - pieces)
    if free <= 0:
        return np.zeros(y.shape[1:])
    residual = y - _additive_fit(y, who, seen)
    return np.asarray(np.square(residual).sum(axis=0) / free / who.trials)


def _additive_fit(y: Array, who: Design, seen: sparse.csr_array) -> Array:
    """Return the least-squares fit of rater + image effects; raters are eliminated first."""
    per_rater = 1.0 / who.rater_trials
    shape = (-1,) + (1,) * (y.ndim - 1)
    weight = per_rater.reshape(shape)
    rater_mean = weight * (who.by_rater @ y)
    right = who.by_item @ y - seen.T @ rater_mean
    diagonal = who.item_trials.reshape(shape)
    back = seen.T.tocsr()

    def reduced(effect: Array) -> Array:
        return np.asarray(diagonal * effect - back @ (weight * (seen @ effect)))

    item = conjugate_gradient(reduced, right, diagonal)
    rater = rater_mean - weight * (seen @ item)
    return np.asarray(who.by_rater.T @ rater + who.by_item.T @ item)


def conjugate_gradient(apply: Callable[[Array], Array], right: Array, diagonal: Array) -> Array:
    """Return x with apply(x) = right, for a positive semi-definite consistent system.

    Columns of ``right`` are separate systems; ``diagonal`` preconditions. It stops when every
    residual is below 1e-10 of its start, or after as many steps as there are unknowns.
    """
    x = np.zeros_like(right)
    residual = right.copy()
    step = residual / diagonal
    size = (residual * step).sum(axis=0)
    start = np.maximum(size, np.finfo(float).tiny)
    for _ in range(10 * len(right) + 10):
        live = size > CG_TOLERANCE**2 * start
        if not np.any(live):
            break
        image = apply(step)
        curve = (step * image).sum(axis=0)
        rate = np.where(live, size, 0.0) / np.where(curve > 0, curve, 1.0)
        x += rate * step
        residual -= rate * image
        scaled = residual / diagonal
        new = (residual * scaled).sum(axis=0)
        step = scaled + step * (np.where(live, new, 0.0) / np.where(size > 0, size, 1.0))
        size = np.where(live, new, size)
    return x


def share_variance(y: Array, who: Design) -> Variance:
    """Return the two-way variance of the share mean(y) over new raters and new images.

    V = max(V_R + V_I - V_E, V_R, V_I, p(1-p)/N), with Satterthwaite's degrees of freedom
    (V_R + V_I)² / (V_R²/(R-1) + V_I²/(I-1)).
    """
    p = y.mean(axis=0)
    rater = cr2_mean_variance(y, who.by_rater, who.rater_trials)
    item = cr2_mean_variance(y, who.by_item, who.item_trials)
    residual = residual_variance(y, who)
    floor = p * (1 - p) / who.trials
    total = np.maximum.reduce([rater + item - residual, rater, item, floor])
    df = satterthwaite(rater, who.raters - 1, item, who.items - 1)
    return Variance(rater, item, residual, total, df)


def satterthwaite(
    first: Array, first_df: Array | float, second: Array, second_df: Array | float
) -> Array:
    """Return the degrees of freedom of a sum of two variances; the smaller df where both are 0."""
    below = np.square(first) / first_df + np.square(second) / second_df
    some = below > 0
    ratio = np.square(first + second) / np.where(some, below, 1.0)
    return np.where(some, ratio, np.minimum(first_df, second_df))
