"""Intervals for a share of independent trials: Wilson, Clopper-Pearson, Jeffreys.

Wilson (1927), Clopper & Pearson (1934), Brown, Cai & DasGupta (2001). Judgments are *not*
independent trials: these are the ends that the two-way interval is built from, and the pooled
interval that a report draws thin and labels as too short.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats


def wilson(p: Any, n: Any, quantile: Any) -> tuple[Any, Any]:
    """Return Wilson's interval for a share ``p`` of ``n`` trials; ``n`` may be an effective number.

    ``quantile`` is the normal or t quantile, 1.96 for 95 %. Arrays broadcast.
    """
    square = np.square(quantile) / n
    middle = (p + square / 2) / (1 + square)
    half = quantile * np.sqrt(p * (1 - p) / n + square / n / 4) / (1 + square)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def pooled_wilson(k: Any, n: Any, alpha: float = 0.05) -> tuple[Any, Any]:
    """Return Wilson's interval for ``k`` of ``n`` trials taken as independent."""
    return wilson(np.asarray(k) / n, n, stats.norm.ppf(1 - alpha / 2))


def clopper_pearson(k: Any, n: Any, alpha: float = 0.05) -> tuple[Any, Any]:
    """Return the exact interval for ``k`` of ``n`` independent trials."""
    k, n = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    low = np.where(k > 0, stats.beta.ppf(alpha / 2, np.maximum(k, 1), n - k + 1), 0.0)
    high = np.where(k < n, stats.beta.ppf(1 - alpha / 2, k + 1, np.maximum(n - k, 1)), 1.0)
    return low, high


def jeffreys(k: Any, n: Any, alpha: float = 0.05) -> tuple[Any, Any]:
    """Return the equal-tailed interval under Jeffreys' prior Beta(½, ½)."""
    k, n = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    low = np.where(k > 0, stats.beta.ppf(alpha / 2, k + 0.5, n - k + 0.5), 0.0)
    high = np.where(k < n, stats.beta.ppf(1 - alpha / 2, k + 0.5, n - k + 0.5), 1.0)
    return low, high
