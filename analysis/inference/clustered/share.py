"""The interval of a share whose trials belong to raters and to images.

    V   = max(V_R + V_I - V_O, V_R, V_I, p(1-p)·Σw²)
    df  = (V_R + V_I)² / (V_R²/df_R + V_I²/df_I)

V_R and V_I are CR2 variances clustered on raters and on images; V_O is what both hold
(`crossed_moments`). The ends are the rates p₀ that a t test does not reject, with the variance that
the study would have at p₀: chance goes with p₀(1-p₀), what raters and images add with its power
1.5 (between the 1.47 and 1.95 of logit-normal effects). Without clusters that is Wilson's interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.inference.clustered.crossed_design import Array, Design, satterthwaite
from analysis.inference.clustered.crossed_moments import Side, squares, variances, weighting

POWER = 1.5
HALVINGS = 60


@dataclass(frozen=True)
class Variance:
    """The variance of a share and its parts; each () or (B,).

    ``overlap`` is what rater and item both hold; ``floor`` the variance of independent trials;
    ``chance`` that of the judgments' own chance; ``rater_df`` the degrees of freedom of ``rater``.
    ``clustered``, in the triples, is the share of a variance that raters and images bring, 0 to 1.
    """

    mean: Array
    rater: Array
    item: Array
    overlap: Array
    floor: Array
    total: Array
    df: Array
    rater_df: Array
    chance: Array

    @property
    def two_way(self) -> tuple[Array, Array, Array]:
        """Return (variance, df, clustered) over new raters and new images."""
        return self.total, self.df, _clustered(self.chance, self.total)

    @property
    def raters_only(self) -> tuple[Array, Array, Array]:
        """Return (variance, df, clustered) over new raters, on these images."""
        total = np.maximum(self.rater, self.floor)
        return total, self.rater_df, _clustered(self.chance, total)


def share_variance(
    y: Array, who: Design, weights: Array | None = None, *, scores: bool = False
) -> Variance:
    """Return the two-way variance of the share Σ w·y over new raters and new images.

    ``y`` is (N,) or, for many data sets of one design at once, (N, B); ``weights`` (N,) sum to 1,
    None for equal ones. Where ``y`` are ``scores`` between 0 and 1, independent trials have the
    spread that is observed and not the p(1-p) of zeros and ones.
    """
    by = weighting(who, weights)
    found = squares(y, by)
    parts = variances(by, found)
    overlap = np.tensordot(by.counted_twice, parts, axes=1)
    p = found.mean
    floor = (found.spread if scores else p * (1 - p)) * by.target[2]
    total = np.maximum.reduce([found.rater + found.item - overlap, found.rater, found.item, floor])
    rater_df = effective_df(by.rater, p, parts)
    item_df = effective_df(by.item, p, parts[[1, 0, 2]])
    return Variance(
        mean=p,
        rater=found.rater,
        item=found.item,
        overlap=np.asarray(overlap),
        floor=np.asarray(floor),
        total=total,
        df=satterthwaite(found.rater, rater_df, found.item, item_df),
        rater_df=rater_df,
        chance=np.asarray(parts[2] * by.target[2]),
    )


def overlap_of_mean(y: Array, who: Design, weights: Array | None = None) -> Array:
    """Return what V_R and V_I of Σ w·y both hold: chance and, in thin designs, more."""
    by = weighting(who, weights)
    return np.asarray(np.tensordot(by.counted_twice, variances(by, squares(y, by)), axes=1))


def _clustered(chance: Array, total: Array) -> Array:
    some = total > 0
    share = np.divide(chance, total, out=np.ones_like(total), where=some)
    return np.asarray(np.clip(1 - share, 0.0, 1.0))


def effective_df(side: Side, p: Array, parts: Array) -> Array:
    """Return Satterthwaite's degrees of freedom of one side's CR2 variance.

    2·E[V]² / Var[V] under a working model: cluster sums are independent, with the variances that
    ``parts`` (own, other, residual) give them, and with the excess kurtosis of a share. Clusters of
    one size and a rate near ½ give G - 1 (Bell & McCaffrey 2002); large clusters beside small
    ones, and rates near 0 or 1, give fewer.
    """
    own, other, rest = (np.atleast_1d(part)[None, :] for part in parts)
    share = side.share[:, None]
    size = np.square(share) * own + side.cells[:, None] * other + side.square[:, None] * rest
    scale = side.scale[:, None]
    trace, square = _trace_of_sums(scale, share, size)
    tail = excess_kurtosis(np.atleast_1d(p), np.square(share), size)
    square = square + 0.5 * (tail * np.square(scale * size)).sum(axis=0)
    df = np.divide(np.square(trace), square, out=np.ones_like(trace), where=square > 0)
    return np.asarray(np.maximum(df, 1.0).reshape(np.shape(p)))


def _trace_of_sums(scale: Array, share: Array, size: Array) -> tuple[Array, Array]:
    """Return tr Γ and tr Γ² of the centred cluster sums, (B,) each.

    Γ = C (D - w v' - v w' + (Σv) w w') C with D = diag(v), C² = diag(scale): a diagonal and a
    matrix of rank two, so that nothing of size (G, G) is made.
    """
    whole = size.sum(axis=0)

    def inner(a: Array, b: Array) -> Array:
        return np.asarray((scale * a * b).sum(axis=0))

    ww, wv, vv = inner(share, share), inner(share, size), inner(size, size)
    shift = whole * np.square(share) - 2 * share * size
    trace = (scale * (size + shift)).sum(axis=0)
    dense = 2 * ww * vv + 2 * wv**2 + whole**2 * ww**2 - 4 * whole * ww * wv
    diagonal = (np.square(scale) * (np.square(size + shift) - np.square(shift))).sum(axis=0)
    return trace, dense + diagonal


def excess_kurtosis(p: Array, whole: Array, size: Array) -> Array:
    """Return the excess kurtosis of cluster means with variance ``size`` / ``whole``, at least 0.

    Halfway between that of a binomial share and of a beta variable with that mean and variance: a
    mean of trials with a rate of its own lies between the two.
    """
    chance = p * (1 - p)
    safe = np.where(chance > 0, chance, 0.25)
    trials = np.maximum(safe * whole / np.where(size > 0, size, 1.0), 1.0)
    binomial = (1 - 6 * safe) / (trials * safe)
    beta = 6 * ((1 - 4 * safe) * trials - safe * (trials + 1))
    beta = beta / (safe * (trials + 1) * (trials + 2))
    return np.where(size > 0, np.maximum((binomial + beta) / 2, 0.0), 0.0)


def variance_at(
    null: Array, p: Array | float, total: Array | float, clustered: Array | float
) -> Array:
    """Return the variance that a share of variance ``total`` at ``p`` would have at ``null``."""
    ratio = null * (1 - null) / (p * (1 - p))
    return np.asarray(total * (clustered * ratio**POWER + (1 - clustered) * ratio))


def share_interval(
    p: Array, total: Array | float, clustered: Array | float, quantile: Array | float
) -> tuple[Array, Array]:
    """Return the rates within ``quantile`` standard errors of their own from ``p``, by bisection.

    ``p`` lies strictly between 0 and 1; arrays are () or (B,).
    """

    def end(edge: float) -> Array:
        near, far = np.array(p, dtype=float), np.full_like(p, edge, dtype=float)
        for _ in range(HALVINGS):
            middle = (near + far) / 2
            reach = np.square(quantile) * variance_at(middle, p, total, clustered)
            inside = np.square(p - middle) <= reach
            near, far = np.where(inside, middle, near), np.where(inside, far, middle)
        return near

    return end(0.0), end(1.0)


def equal_raters(who: Design) -> Array:
    """Return the weights (N,) under which every rater counts alike, whatever their trials."""
    return np.asarray(who.by_rater.T @ (1 / (who.raters * who.rater_trials)))
