"""The crossed design of a study: who judged which image, as sparse indicators.

Trials of one rater hang together, and so do trials of one image; counting them as independent makes
intervals two to four times too short. `crossed_moments` and `share` make variances and intervals
of this design; `rates/fool_rates.py` reports them, with effective n and design effect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Design:
    """Who judged what: N trials, R raters and I images, as sparse indicators.

    ``by_rater`` is (R, N), ``by_item`` (I, N); ``rater_trials`` (R,) and ``item_trials`` (I,) are
    counts.
    """

    by_rater: sparse.csr_array
    by_item: sparse.csr_array
    rater_trials: Array
    item_trials: Array

    @property
    def trials(self) -> int:
        """Return N."""
        return int(self.by_rater.shape[1])

    @property
    def raters(self) -> int:
        """Return R."""
        return int(self.by_rater.shape[0])

    @property
    def items(self) -> int:
        """Return I."""
        return int(self.by_item.shape[0])


def design(raters: Codes, items: Codes) -> Design:
    """Return the design of trials with these rater and image codes, each ``(N,)``; gaps allowed."""
    by_rater, by_item = indicator(raters), indicator(items)
    return Design(by_rater, by_item, by_rater.sum(axis=1), by_item.sum(axis=1))


def indicator(codes: Codes) -> sparse.csr_array:
    """Return the (groups, N) indicator of the groups that occur in ``codes``."""
    _, dense = np.unique(codes, return_inverse=True)
    size = len(codes)
    groups = int(dense.max(initial=-1)) + 1
    return sparse.csr_array((np.ones(size), (dense, np.arange(size))), shape=(groups, size))


def satterthwaite(
    first: Array, first_df: Array | float, second: Array, second_df: Array | float
) -> Array:
    """Return the degrees of freedom of a sum of two variances; the smaller df where both are 0."""
    below = np.square(first) / first_df + np.square(second) / second_df
    some = below > 0
    ratio = np.square(first + second) / np.where(some, below, 1.0)
    return np.where(some, ratio, np.minimum(first_df, second_df))
