"""Mean and covariance of feature rows, accumulated in fp64 and merged in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean ``(d,)`` and sum of squared deviations ``(d, d)`` of N rows."""

    n: int
    mean: Array
    scatter: Array

    @property
    def covariance(self) -> Array:
        """Return the unbiased covariance ``(d, d)``. Raises `InputError` for fewer than 2 rows."""
        if self.n < 2:
            raise InputError(f"a covariance needs at least 2 images, found {self.n}")
        return self.scatter / (self.n - 1)

    @property
    def width(self) -> int:
        """Return the number of features."""
        return len(self.mean)


def of_rows(rows: NDArray[Any]) -> Moments:
    """Return the moments of rows ``(N, d)``, N >= 1."""
    wide = rows.astype(np.float64)
    mean = wide.mean(axis=0)
    centred = wide - mean
    return Moments(len(wide), mean, centred.T @ centred)


def merge(a: Moments, b: Moments) -> Moments:
    """Return the moments of both sets of rows (Chan, Golub and LeVeque 1983)."""
    n = a.n + b.n
    delta = b.mean - a.mean
    mean = a.mean + delta * (b.n / n)
    return Moments(n, mean, a.scatter + b.scatter + np.outer(delta, delta) * (a.n * b.n / n))


def over(blocks: Iterable[NDArray[Any]]) -> Moments:
    """Return the moments of all blocks, merged from first to last."""
    return reduce(merge, (of_rows(block) for block in blocks))
