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

from analysis.inference.share import overlap_of_mean
from analysis.inference.two_way import (
    Array,
    Codes,
    Mask,
    design,
    indicator,
    satterthwaite,
)


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


def difference(y: Array, first: Mask, raters: Codes, items: Codes | None) -> Difference:
    """Return the difference of the means of ``y[first]`` and ``y[~first]``.

    ``y`` is (N,) or (N, B); ``first`` (N,) bool; codes name the same rater or image by the same
    number in both conditions. V = max(V_R + V_I - V_O, V_R, V_I), where V_O is the sum of both
    conditions' overlaps (`share.overlap_of_mean`); without ``items`` the images are fixed, and
    V = V_R.
    """
    masks = (first, ~first)
    means = [y[mask].mean(axis=0) for mask in masks]
    rater, rater_df = clustered(y, masks, raters)
    if items is None:
        return Difference(np.asarray(means[0] - means[1]), np.sqrt(rater), np.asarray(rater_df))
    item, item_df = clustered(y, masks, items)
    twice = sum(overlap_of_mean(y[mask], design(raters[mask], items[mask])) for mask in masks)
    total = np.maximum.reduce([rater + item - twice, rater, item])
    df = satterthwaite(rater, rater_df, item, item_df)
    return Difference(np.asarray(means[0] - means[1]), np.sqrt(total), np.asarray(df))


def clustered(y: Array, masks: tuple[Mask, Mask], clusters: Codes) -> tuple[Array, float]:
    """Return the CR2 variance of the difference over these clusters, and its degrees of freedom.

    For two means I - H_gg has eigenvalues 1 - n_mg/n_m on the indicator of each condition m, so the
    adjusted score of cluster g is Σ_m ± (Σ e)_mg / (n_m sqrt(1 - n_mg/n_m)).
    """
    groups = indicator(clusters)
    score: Array | float = 0.0
    diagonal = np.zeros(groups.shape[0])
    vectors = []
    for sign, mask in zip((1.0, -1.0), masks, strict=True):
        size = int(mask.sum())
        inside = groups[:, mask]
        counts = np.asarray(inside.sum(axis=1))
        room = 1 - counts / size
        scale = np.divide(1.0, size * np.sqrt(room), out=np.zeros_like(room), where=room > 0)
        sums = inside @ (y[mask] - y[mask].mean(axis=0))
        score = score + sign * (scale.reshape(-1, *[1] * (y.ndim - 1)) * sums)
        diagonal += counts * scale**2
        vectors.append(counts * scale / np.sqrt(size))
    return np.asarray(np.square(score).sum(axis=0)), _degrees(diagonal, vectors)


def _degrees(diagonal: Array, vectors: list[Array]) -> float:
    """Return tr(Γ)²/tr(Γ²) of Γ = diag(d) - Σ u u', the Bell-McCaffrey degrees of freedom."""
    inner = np.array([[a @ b for b in vectors] for a in vectors])
    trace = diagonal.sum() - np.trace(inner)
    square = np.square(diagonal).sum() + np.square(inner).sum()
    square -= 2 * sum(float(diagonal @ np.square(u)) for u in vectors)
    return float(trace**2 / square) if square > 0 else 1.0
