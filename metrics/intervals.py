"""Intervals of means and shares over images."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95
SEED = 20260101
Z = 1.959963984540054  # the normal quantile of a 95 % interval


def mean_interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval (95 %) of the mean, or None for fewer than 2 values.

    Images are drawn with replacement, 2,000 times with a fixed seed (Efron and Tibshirani 1993,
    section 13.3): the interval says how far the mean would move on other images of this kind.
    """
    if len(values) < 2:
        return None
    random = np.random.default_rng(SEED)
    count = len(values)
    means = [values[random.integers(count, size=count)].mean() for _ in range(RESAMPLES)]
    tail = (1 - LEVEL) / 2
    # Nearest order statistics, not interpolated ones: the mean of two infinities is not a number.
    low, high = np.quantile(means, [tail, 1 - tail], method="nearest")
    return float(low), float(high)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share of `count` independent points."""
    centre = share + Z**2 / (2 * count)
    half = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    scale = 1 + Z**2 / count
    # At the ends the limits are 0 and 1, and not what rounding leaves beside them.
    low = 0.0 if share == 0 else max((centre - half) / scale, 0.0)
    return low, 1.0 if share == 1 else min((centre + half) / scale, 1.0)
