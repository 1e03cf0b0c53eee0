"""Precision, recall, density and coverage in feature space.

Kynkäänniemi et al. 2019 (precision, recall) and Naeem et al. 2020 (density, coverage), with the
strict inequality of the authors' ``prdc`` package: a point on a ball's surface is outside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metrics.errors import InputError
from metrics.extraction.algebra import (
    Device,
    Matrix,
    kth_smallest,
    placed,
    plain,
    squared_norms,
    wide,
)

K = 5  # prdc's and Naeem's; Kynkäänniemi et al. and ADM's evaluator use 3
SUBSET = 10_000
SEED = 2020
_BLOCK = 512


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """What the four measures are means of."""

    inside: NDArray[np.int64]  # (fake,) real balls that hold the fake point
    recalled: NDArray[np.bool_]  # (real,) whether some fake ball holds the real point
    covered: NDArray[np.bool_]  # (real,) whether the real ball holds some fake point
    k: int

    def values(self) -> dict[str, float]:
        """Return the four measures by name."""
        return {
            "precision": float((self.inside > 0).mean()),
            "recall": float(self.recalled.mean()),
            "density": float(self.inside.mean() / self.k),
            "coverage": float(self.covered.mean()),
        }


def neighbourhoods(
    real: NDArray[Any], fake: NDArray[Any], k: int = K, device: Device = None
) -> Neighbourhoods:
    """Return who lies in whose k-nearest-neighbour balls, for rows ``(N, d)`` and ``(M, d)``.

    Distances are taken in fp64, block by block, on the device. Raises `InputError` for k or fewer
    rows.
    """
    if min(len(real), len(fake)) <= k:
        raise InputError(f"k = {k} needs more images a side, found {len(real)} and {len(fake)}")
    x, y = (wide(placed(rows, device)) for rows in (real, fake))
    centre = x.mean(axis=0)  # differences stay, and squares lose fewer digits
    x -= centre
    y -= centre
    radius_x, radius_y = _radii(x, k), _radii(y, k)
    inside = np.zeros(len(y), np.int64)
    recalled = np.zeros(len(x), np.bool_)
    covered = np.zeros(len(x), np.bool_)
    for start in range(0, len(x), _BLOCK):
        at = slice(start, start + _BLOCK)
        squared = _squared(x[at], y)
        within = squared < radius_x[at, None]
        inside += plain(within.sum(axis=0))
        covered[at] = plain(within.any(axis=1))
        recalled[at] = plain((squared < radius_y).any(axis=1))
    return Neighbourhoods(inside, recalled, covered, k)


def _squared(x: Matrix, y: Matrix) -> Matrix:
    product = -2.0 * (x @ y.T)
    product += squared_norms(x)[:, None]
    product += squared_norms(y)
    return product


def _radii(x: Matrix, k: int) -> Matrix:
    """Return the squared distance of each row ``(N,)`` to its k-th nearest other row."""
    found = []
    for start in range(0, len(x), _BLOCK):
        squared = _squared(x[start : start + _BLOCK], x)
        own = np.arange(len(squared))
        squared[own, start + own] = -1.0  # the row itself comes first, whatever the rounding
        found.append(kth_smallest(squared, k))
    return torch.cat(found) if isinstance(x, Tensor) else np.concatenate(found)


def subset(count: int, most: int = SUBSET) -> NDArray[np.int64]:
    """Return the seeded choice of at most `most` of `count` row numbers, in order."""
    if count <= most:
        return np.arange(count)
    chosen: NDArray[np.int64] = np.random.default_rng(SEED).choice(count, most, replace=False)
    return np.sort(chosen)


def expected_coverage(real: int, fake: int, k: int = K) -> float:
    """Return the coverage to expect when both sets come from one distribution (Naeem, eq. 8)."""
    return 1.0 - math.prod((real - i) / (real + fake - i) for i in range(1, k + 1))
