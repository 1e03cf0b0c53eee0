"""Comparisons of two models with a known truth: Bradley and Terry's scores, Davidson's ties.

Over new raters and new items, blind picks included, model a with score θ_a (log odds) wins with

    P(a) = e^(g/2) / D,  P(tie) = ν / D,  D = e^(g/2) + e^(-g/2) + ν,  g = θ_a - θ_b

(Davidson 1970). Raters and items like models more or less than others do; that noise flattens the
odds, so the gap and ν of one trial are chosen such that their mean over the noise is P above: a
Bradley-Terry fit then has θ to find, whatever the noise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

_NODES = 101  # of the midpoint rule over the normal distribution
_STEPS = 45
_FEWEST = 1e-4  # no answer is rarer than this


def chances(gap: float, tie: float) -> tuple[float, float]:
    """Return P(first) and P(tie) of scores `gap` apart; `tie` is Davidson's ν, 0 for no ties."""
    first, second = np.exp(gap / 2), np.exp(-gap / 2)
    total = first + second + tie
    return float(first / total), float(tie / total)


@lru_cache(maxsize=4096)
def one_trial(gap: float, tie: float, spread: float, lapse: float) -> tuple[float, float]:
    """Return gap and ν of one trial, so that the mean over N(0, spread²) is `chances(gap, tie)`.

    `lapse` is the share of blind picks, which are of either side and never ties.
    """
    win, tied = chances(gap, tie)
    ahead = (2 * win + tied - 1) / (1 - lapse)  # P(first) - P(second), without the blind picks
    tied = min(tied / (1 - lapse), 1 - _FEWEST)
    ahead = min(max(ahead, tied - 1 + _FEWEST), 1 - tied - _FEWEST)
    quantile = NormalDist().inv_cdf
    noise = np.array([spread * quantile((k + 0.5) / _NODES) for k in range(_NODES)])
    if tied <= 0:
        return _gap_of(ahead, 0.0, noise), 0.0

    def ties(log_nu: float) -> float:
        nu = float(np.exp(log_nu))
        return _means(_gap_of(ahead, nu, noise), nu, noise)[1]

    nu = float(np.exp(_where(ties, tied, 30.0)))
    return _gap_of(ahead, nu, noise), nu


def _gap_of(ahead: float, nu: float, noise: NDArray[np.float64]) -> float:
    """Return the gap at which the first wins more often than the second by `ahead`."""
    return _where(lambda gap: _means(gap, nu, noise)[0], ahead, 40.0)


def _where(rising: Callable[[float], float], value: float, bound: float) -> float:
    """Return where a rising function has a value, by halving -bound..bound; else the nearer end."""
    low, high = -bound, bound
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return (low + high) / 2


def _means(gap: float, nu: float, noise: NDArray[np.float64]) -> tuple[float, float]:
    """Return P(first) - P(second) and P(tie), averaged over the noise."""
    first, second = np.exp((gap + noise) / 2), np.exp(-(gap + noise) / 2)
    total = first + second + nu
    return float(((first - second) / total).mean()), float((nu / total).mean())
