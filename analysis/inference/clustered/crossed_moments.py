"""What a weighted mean of crossed judgments says about its own variance, for any design.

A judgment is y = μ + a_rater + b_image + e, with variances s_R², s_I² and s_E² on the scale of the
rate (the Hoeffding parts of an exchangeable table: nothing is assumed normal). Three sums of
squares have expectations that are linear in the three variances, with coefficients that only the
design decides; solving them is the method of moments (Searle, Casella & McCulloch 1992, ch. 5; Gao
& Owen 2017 for large unbalanced tables). Two are V_R and V_I, the CR2 variances of a mean clustered
on raters and on images (Pustejovsky & Tipton 2018, eq. 6, for an intercept only); the third is
Q = Σ w·(y - ȳ)².
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analysis.inference.clustered.crossed_design import Array, Design

# Where a design cannot tell raters from chance (one trial each), chance gets the variance.
PREFERENCE = np.array([0.1, 0.1, 1.0])
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Side:
    """The clusters of one kind, G of them: raters, or images.

    ``share`` (G,) is the sum of a cluster's weights, ``square`` (G,) the sum of their squares,
    ``cells`` (G,) the sum of squares over the cluster's cells, each with one cluster of the other
    kind, and ``scale`` (G,) the CR2 factor 1 / (1 - share), 0 for a cluster that holds everything.
    """

    groups: sparse.csr_array
    share: Array
    square: Array
    cells: Array
    scale: Array

    @property
    def clusters(self) -> int:
        """Return G."""
        return len(self.share)


@dataclass(frozen=True)
class Weighting:
    """Weights (N,) that sum to 1, with what they make of a design.

    ``equations`` (3, 3) @ (s_R², s_I², s_E²) is the expectation of (V_R, V_I, Q); ``target`` (3,) @
    the same is the variance of the weighted mean.
    """

    weights: Array
    rater: Side
    item: Side
    equations: Array
    target: Array

    @property
    def counted_twice(self) -> Array:
        """Return (3,): what V_R + V_I holds of each variance beyond the target."""
        return np.asarray(self.equations[0] + self.equations[1] - self.target)


@dataclass(frozen=True)
class Squares:
    """The mean and the three sums of squares, each () or (B,)."""

    mean: Array
    rater: Array
    item: Array
    spread: Array


def weighting(who: Design, weights: Array | None = None) -> Weighting:
    """Return what ``weights`` (N,) that sum to 1 make of a design; None counts trials alike."""
    w = np.full(who.trials, 1 / who.trials) if weights is None else weights
    cells = sparse.csr_array(who.by_rater @ sparse.diags_array(w) @ who.by_item.T)
    rater = _side(who.by_rater, w, cells)
    item = _side(who.by_item, w, cells.T.tocsr())
    square = float(w @ w)
    target = np.array([rater.share @ rater.share, item.share @ item.share, square])
    of_rater = _expectation(rater, item, cells, square)
    of_item = _expectation(item, rater, cells.T.tocsr(), square)
    equations = np.array([of_rater, of_item[[1, 0, 2]], 1 - target])
    return Weighting(w, rater, item, equations, target)


def _side(groups: sparse.csr_array, w: Array, cells: sparse.csr_array) -> Side:
    share = np.asarray(groups @ w)
    room = 1 - share
    scale = np.divide(1.0, room, out=np.zeros_like(room), where=room > 1e-12)
    squared = np.asarray(cells.multiply(cells).sum(axis=1)).ravel()
    return Side(groups, share, np.asarray(groups @ np.square(w)), squared, scale)


def _expectation(mine: Side, other: Side, cells: sparse.csr_array, square: float) -> Array:
    """Return E[V] of one side as coefficients of (own, the other side's, residual) variance."""
    share = mine.share
    own = np.square(share) * (1 - 2 * share + share @ share)
    across = np.square(share) * (other.share @ other.share) - 2 * share * (cells @ other.share)
    rest = mine.square * (1 - 2 * share) + np.square(share) * square
    return np.array([mine.scale @ part for part in (own, across + mine.cells, rest)])


def squares(y: Array, by: Weighting) -> Squares:
    """Return mean, V_R, V_I (CR2) and Q of ``y``, (N,) or (N, B)."""
    mean = by.weights @ y
    error = y - mean
    weighted = by.weights.reshape(-1, *[1] * (y.ndim - 1)) * error
    rater, item = (
        np.asarray(side.scale @ np.square(side.groups @ weighted)) for side in (by.rater, by.item)
    )
    return Squares(np.asarray(mean), rater, item, np.asarray(by.weights @ np.square(error)))


def variances(by: Weighting, found: Squares) -> Array:
    """Return (s_R², s_I², s_E²) by the method of moments, (3,) or (3, B), none below 0.

    What a negative estimate leaves over is taken off the others, so that Q keeps its expectation.
    """
    right = np.stack([found.rater, found.item, found.spread])
    size = by.equations.max(axis=1)
    size = np.where(size > 0, size, 1.0)
    left = by.equations / size[:, None] * PREFERENCE
    flat = (right.T / size).T.reshape(3, -1)
    solved = np.linalg.lstsq(left, flat, rcond=TOLERANCE)[0] * PREFERENCE[:, None]
    kept = np.maximum(solved, 0.0)
    expected = by.equations[2] @ kept
    factor = np.divide(flat[2] * size[2], expected, out=np.zeros_like(expected), where=expected > 0)
    return np.asarray((kept * factor).reshape(right.shape))
