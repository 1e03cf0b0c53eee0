"""Mean and covariance of feature rows, accumulated in fp64 and merged in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from metrics.errors import InputError
from metrics.extraction.algebra import Matrix, plain, wide

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean ``(d,)`` and sum of squared deviations ``(d, d)`` of N rows.

    While they are summed on a device, mean and deviations are tensors there.
    """

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


def of_rows(rows: Matrix) -> Moments:
    """Return the moments of rows ``(N, d)``, N >= 1."""
    rows = wide(rows)
    mean = rows.mean(axis=0)
    centred = rows - mean
    return Moments(len(rows), mean, centred.T @ centred)


def merge(a: Moments, b: Moments) -> Moments:
    """Return the moments of both sets of rows (Chan, Golub and LeVeque 1983)."""
    n = a.n + b.n
    delta = b.mean - a.mean
    mean = a.mean + delta * (b.n / n)
    return Moments(n, mean, a.scatter + b.scatter + delta[:, None] * delta * (a.n * b.n / n))


def over(blocks: Iterable[Matrix]) -> Moments:
    """Return the moments of all blocks, merged from first to last where the blocks are."""
    found = reduce(merge, (of_rows(block) for block in blocks))
    return Moments(found.n, plain(found.mean), plain(found.scatter))
