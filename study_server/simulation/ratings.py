"""Ratings with a known truth: a latent score on the logit scale, cut into the steps of a scale.

On one trial rater r rates item i of condition c at a step above j of k with probability

    logistic(score_c + a_r + b_ic - cut_j)    a_r ~ N(0, rater_sd²)   b_ic ~ N(0, item_sd²)

with cuts `APART` from each other around 0, so that a score of 0 lies in the middle of the scale
(the proportional odds of an ordinal regression). A higher score moves answers towards the last
step, also where the steps have no order. With probability `lapse` a step is drawn blindly.
"""

from __future__ import annotations

import math
from statistics import NormalDist

APART = 1.5  # logits between two cuts
_NODES = 201  # of the midpoint rule over the normal distribution


def cuts_of(steps: int) -> list[float]:
    """Return the cuts between so many steps, the lowest first."""
    return [APART * (place - steps / 2) for place in range(1, steps)]


def step_of(latent: float, draw: float, steps: int) -> int:
    """Return the step, from 0, at which a latent score is rated; `draw` is uniform on 0 to 1."""
    return sum(draw < _logistic(latent - cut) for cut in cuts_of(steps))


def true_shares(score: float, spread: float, lapse: float, steps: int) -> list[float]:
    """Return how often each step is chosen, over new raters and items whose effects have a spread.

    >>> true_shares(0.0, 0.0, 0.0, 2)
    [0.5, 0.5]
    """
    quantiles = [spread * NormalDist().inv_cdf((k + 0.5) / _NODES) for k in range(_NODES)]
    above = [
        sum(_logistic(score + quantile - cut) for quantile in quantiles) / _NODES
        for cut in cuts_of(steps)
    ]
    shares = [high - low for high, low in zip([1.0, *above], [*above, 0.0], strict=True)]
    return [(1 - lapse) * share + lapse / steps for share in shares]


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))
