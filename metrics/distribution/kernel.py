"""Kernel distance (KID; Bińkowski et al. 2018): squared MMD with the cubic polynomial kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from metrics.errors import InputError
from metrics.extraction.algebra import Matrix, plain, squared_norms, wide

Blocks = Callable[[], Iterable[Matrix]]  # a fresh walk over a set's rows, block by block


def polynomial(x: Matrix, y: Matrix) -> Matrix:
    """Return the kernel matrix (x·y / d + 1)³ in fp64 for rows ``(N, d)`` and ``(M, d)``."""
    product = wide(x @ y.T)
    product /= x.shape[1]
    product += 1.0
    return product * product * product


def kernel_distance(x: Blocks, y: Blocks) -> tuple[float, float]:
    """Return the unbiased squared MMD of two sets over all their pairs, and its standard error.

    The full U-statistic needs no subsets, hence no seed. Its error is the first-order one
    (Hoeffding projection), which is too small when the two sets are all but equal.
    """
    xx, self_x = _within(x)
    yy, self_y = _within(y)
    n, m = len(xx), len(yy)
    if min(n, m) < 2:
        raise InputError(f"a kernel distance needs at least 2 images a side, found {n} and {m}")
    within_x, within_y = (xx - self_x) / (n - 1), (yy - self_y) / (m - 1)
    xy, yx = _across(x, y)
    value = within_x.mean() + within_y.mean() - 2 * xy.sum() / (n * m)
    spread_x, spread_y = np.var(within_x - xy / m), np.var(within_y - yx / n)
    return float(value), 2 * math.sqrt(spread_x / n + spread_y / m)


def _within(x: Blocks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each row's kernel sum over its own set, and its kernel value with itself."""
    sums, own = [], []
    for rows in x():
        sums.append(plain(sum(polynomial(rows, others).sum(axis=1) for others in x())))
        own.append(plain((squared_norms(rows) / rows.shape[1] + 1.0) ** 3))
    return np.concatenate(sums), np.concatenate(own)


def _across(x: Blocks, y: Blocks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the kernel sums of each row of x over y, and of each row of y over x."""
    of_x, of_y = [], [np.zeros(len(rows)) for rows in y()]
    for rows in x():
        sums = np.zeros(len(rows))
        for number, others in enumerate(y()):
            kernel = polynomial(rows, others)
            sums += plain(kernel.sum(axis=1))
            of_y[number] += plain(kernel.sum(axis=0))
        of_x.append(sums)
    return np.concatenate(of_x), np.concatenate(of_y)
