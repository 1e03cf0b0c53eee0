"""Areas under the ROC curve, and their intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import norm, rankdata


@dataclass(frozen=True)
class Area:
    """How well something tells a model's output from the real photo: .5 is not at all, 1 always."""

    value: float
    low: float
    high: float
    n: int  # pairs

    @property
    def blind(self) -> bool:
        """Return whether .5 lies inside the interval."""
        return self.low <= 0.5 <= self.high

    def __str__(self) -> str:
        """Return the area as a report prints it."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def roc_area(scores: ArrayLike, positive: ArrayLike) -> float:
    """Return the area under the ROC curve, ties counted half (the Mann-Whitney form).

    `scores` ``(n,)`` and `positive` ``(n,)`` bool. Raises ValueError when one class is empty.
    """
    truth = np.asarray(positive, dtype=bool)
    ones, zeros = int(truth.sum()), int((~truth).sum())
    if not ones or not zeros:
        raise ValueError(f"the area needs both classes, found {ones} positive and {zeros} negative")
    ranks = rankdata(np.asarray(scores, dtype=float))
    return float((ranks[truth].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def roc_interval(area: float, ones: int, zeros: int, level: float = 0.95) -> tuple[float, float]:
    """Return the score interval of an area (Newcombe 2006, method 5).

    It inverts the Hanley-McNeil variance at the candidate value instead of the estimate, so that an
    area of exactly 1 still gets a lower bound below 1.
    """
    z = float(norm.ppf(0.5 + level / 2))
    mean_count = (ones + zeros) / 2 - 1

    def excess(candidate: float) -> float:
        spread = (1 - candidate) / (2 - candidate) + candidate / (1 + candidate)
        variance = candidate * (1 - candidate) * (1 + mean_count * spread) / (ones * zeros)
        return (candidate - area) ** 2 - z * z * variance

    nudge = 1e-9  # the estimate itself is a root at 0 and 1, and lies between the roots elsewhere
    low = 0.0 if area <= 0 else float(brentq(excess, 0.0, area - nudge))
    high = 1.0 if area >= 1 else float(brentq(excess, area + nudge, 1.0))
    return low, high


def scored_area(scores: ArrayLike, positive: ArrayLike, level: float = 0.95) -> Area:
    """Return the area and its interval for one score per pair."""
    truth = np.asarray(positive, dtype=bool)
    value = roc_area(scores, truth)
    low, high = roc_interval(value, int(truth.sum()), int((~truth).sum()), level)
    return Area(value, low, high, len(truth))


def paired_area(differences: ArrayLike, level: float = 0.95) -> Area:
    """Return the share of pairs in which the output's value is the larger one, ties counted half.

    `differences` ``(n,)`` are output minus reference. It is what a single number tells somebody
    who sees both images of a pair. Interval: Wilson.
    """
    signs = np.sign(np.asarray(differences, dtype=float))
    n = len(signs)
    if not n:
        raise ValueError("no pairs to compare")
    share = float((signs > 0).mean() + (signs == 0).mean() / 2)
    z = float(norm.ppf(0.5 + level / 2))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    return Area(share, max(0.0, centre - half), min(1.0, centre + half), n)
