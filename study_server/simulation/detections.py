"""Single images with a known truth: signal detection, as rates over new raters and new items.

Real photos are called real in the share P_r, and a model's outputs in the share

    P_m = Φ(z(P_r) - d'_m)        so that z(P_r) - z(P_m) = d'_m

On one trial rater r calls item i of condition c real with probability

    logistic(m_c + √½·(a_r ± s_r) + b_ic)    a_r, s_r ~ N(0, rater_sd²)   b_ic ~ N(0, item_sd²)

where a_r moves the rater's criterion, s_r their sensitivity (+ for a photo, - for an output), and
m_c makes the rate over raters and items P_c, blind answers included.
"""

from __future__ import annotations

from statistics import NormalDist

_NORMAL = NormalDist()


def called_real(photos: float, d_prime: float) -> float:
    """Return the share of a model's outputs that are called real, of photos' share and its d'."""
    return _NORMAL.cdf(_NORMAL.inv_cdf(photos) - d_prime)


def sensitivity(photos: float, outputs: float) -> float:
    """Return d' of the shares of photos and of outputs that are called real."""
    return _NORMAL.inv_cdf(photos) - _NORMAL.inv_cdf(outputs)
