"""The difference of two fool rates, clustered on raters and on images.

    e = (y - p1)·1[m1]/n1 - (y - p2)·1[m2]/n2

is summed within raters and within images *as they are*, so that one code path serves conditions
that share raters and images, share some, or share none. The CR2 correction and the degrees of
freedom (Bell & McCaffrey 2002; Pustejovsky & Tipton 2018) have closed forms for two means.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.inference.clustered.crossed_design import (
    Array,
    Codes,
    Mask,
    design,
    indicator,
    satterthwaite,
)
from analysis.inference.clustered.share import overlap_of_mean


@dataclass(frozen=True)
class Difference:
    """p1 - p2 with its two-way standard error; all arrays () or (B,)."""

    value: Array
    se: Array
    df: Array

    def interval(self, alpha: float = 0.05) -> tuple[Array, Array]:
        """Return the t interval, cut to -1..1."""
        half = stats.t.ppf(1 - alpha / 2, self.df) * self.se
        return np.maximum(self.value - half, -1.0), np.minimum(self.value + half, 1.0)

    def p_value(self, margin: float = 0.0, side: str = "two-sided") -> Array:
        """Return the p-value of p1 - p2 = margin ("two-sided"), or for p1 - p2 > or < margin."""
        gap, se = np.asarray(self.value - margin), np.asarray(self.se)
        certain = np.where(gap == 0, 0.0, np.copysign(np.inf, gap))
        t = np.where(se > 0, gap / np.where(se > 0, se, 1.0), certain)
        if side == "greater":
            return np.asarray(stats.t.sf(t, self.df))
        if side == "less":
            return np.asarray(stats.t.cdf(t, self.df))
        return np.asarray(2 * stats.t.sf(np.abs(t), self.df))


def difference(
    y: Array,
    first: Mask,
    raters: Codes,
    items: Codes | None,
    weights: tuple[Array, Array] | None = None,
) -> Difference:
    """Return the difference of the means of ``y[first]`` and ``y[~first]``.

    ``y`` is (N,) or (N, B); ``first`` (N,) bool; codes name the same rater or image by the same
    number in both conditions. V = max(V_R + V_I - V_O, V_R, V_I), where V_O is the sum of both
    conditions' overlaps (`share.overlap_of_mean`); without ``items`` the images are fixed, and
    V = V_R. ``weights`` of each condition's trials sum to 1, None for equal ones.
    """
    masks = (first, ~first)
    w = weights or (
        np.full(first.sum(), 1 / first.sum()),
        np.full((~first).sum(), 1 / (~first).sum()),
    )
    means = [w[k] @ y[mask] for k, mask in enumerate(masks)]
    rater, rater_df = clustered(y, masks, raters, w)
    if items is None:
        return Difference(np.asarray(means[0] - means[1]), np.sqrt(rater), np.asarray(rater_df))
    item, item_df = clustered(y, masks, items, w)
    twice = sum(
        overlap_of_mean(y[mask], design(raters[mask], items[mask]), w[k])
        for k, mask in enumerate(masks)
    )
    total = np.maximum.reduce([rater + item - twice, rater, item])
    df = satterthwaite(rater, rater_df, item, item_df)
    return Difference(np.asarray(means[0] - means[1]), np.sqrt(total), np.asarray(df))


def clustered(
    y: Array, masks: tuple[Mask, Mask], clusters: Codes, weights: tuple[Array, Array]
) -> tuple[Array, float]:
    """Return the CR2 variance of the difference over these clusters, and its degrees of freedom.

    For two means I - H_gg has eigenvalues 1 - W_mg on the indicator of each condition m, where
    W_mg is the weight that cluster g has in it, so the adjusted score of cluster g is
    Σ_m ± (Σ w·e)_mg / sqrt(1 - W_mg).
    """
    groups = indicator(clusters)
    score: Array | float = 0.0
    diagonal = np.zeros(groups.shape[0])
    vectors = []
    for sign, mask, w in zip((1.0, -1.0), masks, weights, strict=True):
        inside = groups[:, mask]
        share = np.asarray(inside @ w)
        room = 1 - share
        scale = np.divide(1.0, np.sqrt(room), out=np.zeros_like(room), where=room > 1e-12)
        shape = (-1, *[1] * (y.ndim - 1))
        sums = inside @ (w.reshape(shape) * (y[mask] - w @ y[mask]))
        score = score + sign * (scale.reshape(shape) * sums)
        diagonal += np.asarray(inside @ np.square(w)) * scale**2
        vectors.append(share * scale * np.sqrt(float(w @ w)))
    return np.asarray(np.square(score).sum(axis=0)), _degrees(diagonal, vectors)


def _degrees(diagonal: Array, vectors: list[Array]) -> float:
    """Return tr(Γ)²/tr(Γ²) of Γ = diag(d) - Σ u u', the Bell-McCaffrey degrees of freedom."""
    inner = np.array([[a @ b for b in vectors] for a in vectors])
    trace = diagonal.sum() - np.trace(inner)
    square = np.square(diagonal).sum() + np.square(inner).sum()
    square -= 2 * sum(float(diagonal @ np.square(u)) for u in vectors)
    return float(trace**2 / square) if square > 0 else 1.0
