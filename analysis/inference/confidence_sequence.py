"""The only interval that may be looked at while a study runs.

A 95 % interval that is recomputed after every rater excludes the truth, at some moment, in most
studies. A confidence *sequence* holds at all times at once: hedged betting on the means of finished
raters (Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by betting",
theorem 3, with the predictable plug-in bets of section 4.2). The unit is the rater, because trials
of one rater are not independent; raters are taken as drawn alike, the images as fixed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from analysis.errors import DesignError

Array = npt.NDArray[np.float64]

GRID = np.linspace(0, 1, 2001)
LARGEST_BET = 0.5  # the share of the capital that may be lost in one step


def confidence_sequence(rater_means: Sequence[float], alpha: float = 0.05) -> tuple[float, float]:
    """Return (low, high) for the mean fool rate after these raters, in the order they finished.

    ``rater_means`` are each finished rater's own fool rate (0-1). With nobody finished it is (0,
    1). The interval is the running intersection: it never grows as raters are added. Ends are
    rounded outwards to 0.0005.

    Raises
    ------
    DesignError
        A mean is not a number between 0 and 1.
    """
    x = np.asarray(rater_means, dtype=np.float64)
    if x.size and not (np.isfinite(x).all() and x.min() >= 0 and x.max() <= 1):
        wrong = next(value for value in rater_means if not 0 <= value <= 1)
        raise DesignError(f"a rater's mean is {wrong!r}, expected a number from 0 to 1")
    if not x.size:
        return 0.0, 1.0
    low, high = sequence_bounds(x[:, None], alpha)
    return float(low[-1, 0]), float(high[-1, 0])


def sequence_bounds(x: Array, alpha: float = 0.05, grid: Array = GRID) -> tuple[Array, Array]:
    """Return the running bounds ``(T, B)`` after each of T raters, in B studies at once.

    ``x`` is ``(T, B)``, the rater means in order of finishing.
    """
    bets = plug_in_bets(x, alpha)
    gain = np.zeros((2, len(grid), x.shape[1]))
    alive = np.ones((len(grid), x.shape[1]), dtype=bool)
    low, high = np.empty_like(x), np.empty_like(x)
    cap = np.log(2 / alpha)  # half the capital backs each side
    upper = LARGEST_BET / np.maximum(grid, 1e-12)[:, None]
    lower = LARGEST_BET / np.maximum(1 - grid, 1e-12)[:, None]
    for t, values in enumerate(x):
        gap = values - grid[:, None]
        gain[0] += np.log1p(np.minimum(bets[t], upper) * gap)
        gain[1] += np.log1p(-np.minimum(bets[t], lower) * gap)
        alive &= gain.max(axis=0) < cap
        low[t], high[t] = _ends(alive, grid)
    return low, high


def _ends(alive: npt.NDArray[np.bool_], grid: Array) -> tuple[Array, Array]:
    """Return the first and last grid points not yet ruled out, one step outwards."""
    first = alive.argmax(axis=0)
    last = len(grid) - 1 - alive[::-1].argmax(axis=0)
    return grid[np.maximum(first - 1, 0)], grid[np.minimum(last + 1, len(grid) - 1)]


def plug_in_bets(x: Array, alpha: float) -> Array:
    """Return the bet sizes ``(T, B)``: each uses only the raters before it (section 4.2)."""
    count = np.arange(1, len(x) + 1)[:, None]
    mean = (0.5 + np.cumsum(x, axis=0)) / (count + 1)
    variance = (0.25 + np.cumsum(np.square(x - mean), axis=0)) / (count + 1)
    before = np.vstack([np.full((1, x.shape[1]), 0.25), variance[:-1]])
    return np.asarray(np.sqrt(2 * np.log(2 / alpha) / (before * count * np.log1p(count))))
