"""A small blind adversary: from features of the left and the right image, which is the model's?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from study_server.audit.auc import Area, scored_area

Matrix = NDArray[np.float64]

RIDGE = 3.0  # in units of one pair's weight, after scaling
STEPS = 50
FEWEST = 20
BLOCKS = 12
KEPT = 8  # columns: more of them only add noise at a few hundred pairs


def attack(left: Matrix, right: Matrix, model_left: NDArray[np.bool_], seed: int = 0) -> Area:
    """Return how well a classifier, tested on pairs it never saw, finds the model's side.

    `left` and `right` are ``(pairs, features)``, `model_left` ``(pairs,)`` bool, at least 20
    pairs. The classifier sees the difference left - right without an intercept, so that swapping
    the sides swaps its verdict: if no feature knows the truth, its expected area is .5 whatever
    their number.
    """
    if len(model_left) < FEWEST:
        raise ValueError(f"{len(model_left)} pairs, expected at least {FEWEST}")
    tested, scores = forward_scores(left, right, model_left, seed)
    return scored_area(scores, model_left[tested])


def forward_scores(
    left: Matrix, right: Matrix, model_left: NDArray[np.bool_], seed: int = 0
) -> tuple[NDArray[np.intp], Matrix]:
    """Return the tested pairs' indices and a score for each: positive says the model's is left.

    Cross-validation by forward chaining: the first quarter of a shuffled order only trains, then
    each block is scored by what was learnt from the blocks before it. Ordinary k-fold scores of a
    blind classifier vary more than its interval says (pair i helps to score j and j to score i,
    so their errors agree: a nominal 95 % interval excluded .5 in about 17 % of blind runs); these
    do not.
    """
    difference = _expanded(left, right)
    sign = np.where(model_left, 1.0, -1.0)
    order = np.random.default_rng(seed).permutation(len(sign))
    first = max(FEWEST // 2, len(order) // 4)
    blocks = [block for block in np.array_split(order[first:], BLOCKS) if len(block)]
    seen, scores = order[:first], []
    for block in blocks:
        scale = _scale(difference[seen] * sign[seen, None])
        weights = fit(difference[seen] * scale * sign[seen, None])
        length = float(np.linalg.norm(weights)) or 1.0
        scores.append((difference[block] * scale) @ weights / length)
        seen = np.concatenate([seen, block])
    return order[first:], np.concatenate(scores)


def _expanded(left: Matrix, right: Matrix) -> Matrix:
    """Return differences of the features and of their squared distance from the typical value."""
    both = np.concatenate([left, right])
    centre, spread = np.median(both, axis=0), both.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    a, b = (left - centre) / spread, (right - centre) / spread
    return np.concatenate([a - b, a**2 - b**2], axis=1)


def _scale(towards_model: Matrix) -> Matrix:
    """Return a factor per column: one over its size, and 0 for all but the most telling columns."""
    size = np.sqrt((towards_model**2).mean(axis=0))
    telling = np.abs(towards_model.mean(axis=0)) / np.maximum(size, 1e-12)
    floor = np.sort(telling)[-min(KEPT, len(telling))]
    return np.where((telling >= floor) & (size > 1e-12), 1 / np.maximum(size, 1e-12), 0.0)


def fit(towards_model: Matrix) -> Matrix:
    """Return ridge-logistic weights ``(features,)`` of rows model minus real, by Newton steps."""
    width = towards_model.shape[1]
    weights = np.zeros(width)
    penalty = RIDGE * np.eye(width)
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(np.clip(towards_model @ weights, -30, 30)))
        gradient = towards_model.T @ chance - RIDGE * weights
        curvature = (towards_model.T * (chance * (1 - chance))) @ towards_model + penalty
        step = np.linalg.solve(curvature, gradient)
        # Steps are shortened, because a separable sample sends plain Newton far past the optimum.
        weights += step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-6:
            break
    return weights
