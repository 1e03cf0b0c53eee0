"""Adjusted p-values for a family of tests: Holm (1979) and Benjamini & Hochberg (1995)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.errors import DesignError


def holm(p: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order given: the family-wise error is kept."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values)
    scaled = values[order] * np.arange(len(values), 0, -1)
    out = np.empty_like(values)
    out[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(each) for each in out]


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Return Benjamini & Hochberg's adjusted p-values: the false discovery rate is kept."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values)[::-1]
    scaled = values[order] * len(values) / np.arange(len(values), 0, -1)
    out = np.empty_like(values)
    out[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return [float(each) for each in out]


def unadjusted(p: Sequence[float]) -> list[float]:
    """Return the p-values as they are."""
    return [float(each) for each in p]


CORRECTIONS = {"holm": holm, "bh": benjamini_hochberg, "none": unadjusted}


def adjusted(p: Sequence[float | None], correction: str) -> list[float | None]:
    """Return adjusted p-values; None (no test) stays None and is not in the family."""
    if correction not in CORRECTIONS:
        raise DesignError(f"correction is {correction!r}, expected {', '.join(CORRECTIONS)}")
    tested = [index for index, value in enumerate(p) if value is not None]
    out: list[float | None] = [None] * len(p)
    values = CORRECTIONS[correction]([p[index] for index in tested])  # type: ignore[misc]
    for index, value in zip(tested, values, strict=True):
        out[index] = value
    return out
