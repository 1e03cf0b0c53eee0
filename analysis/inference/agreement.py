"""How far raters agree: Krippendorff's α, intraclass correlations, split-half reliability.

In a 2AFC study of a good generator α is expected to be low (.05 to .20). That is people guessing,
not bad data: judgments that cannot be told from a coin cannot agree either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.errors import DesignError
from analysis.inference.two_way import Array

Level = Literal["nominal", "ordinal", "interval", "ratio"]


def krippendorff_alpha(ratings: Array, level: Level = "nominal") -> float:
    """Return α of ``(raters, units)`` ratings, NaN where a rater did not rate (Krippendorff 2011).

    NaN when fewer than two values were paired, 1 when all paired values are one and the same.
    """
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = np.stack([(ratings == value).sum(axis=0) for value in values], axis=1)
    return alpha_of_counts(counts.astype(np.float64), values, level)


def alpha_of_counts(counts: Array, values: Array, level: Level = "nominal") -> float:
    """Return α from ``(units, values)``: how many raters gave each unit each value."""
    each = counts.sum(axis=1)
    paired = counts[each >= 2]
    weight = 1 / (each[each >= 2] - 1)
    observed = (paired * weight[:, None]).T @ paired - np.diag(weight @ paired)
    totals = observed.sum(axis=1)
    n = totals.sum()
    if n < 2:
        return float("nan")
    expected = (np.outer(totals, totals) - np.diag(totals)) / (n - 1)
    delta = squared_distance(values, totals, level)
    below = float((delta * expected).sum())
    return 1.0 if below == 0 else 1 - float((delta * observed).sum()) / below


def squared_distance(values: Array, totals: Array, level: Level) -> Array:
    """Return the (V, V) squared differences of Krippendorff (2011), section C, for this level."""
    if level == "nominal":
        return np.asarray(1.0 - np.eye(len(values)))
    if level == "ordinal":
        rank = np.cumsum(totals) - totals / 2  # Σ n between two values, with half of each end
        return np.square(rank[:, None] - rank[None, :])
    gap = values[:, None] - values[None, :]
    if level == "interval":
        return np.square(gap)
    if level == "ratio":
        total = values[:, None] + values[None, :]
        return np.square(np.divide(gap, total, out=np.zeros_like(gap), where=total != 0))
    raise DesignError(f"level is {level!r}, expected nominal, ordinal, interval or ratio")


def judgments_alpha(rows: pd.DataFrame) -> float:
    """Return the nominal α of answered judgments; a unit is an item in a condition and task."""
    answered = rows[rows["fooled"].notna()]
    units = answered.groupby(["item_id", "condition", "task"], observed=True)["fooled"]
    yes, each = units.sum().to_numpy(float), units.count().to_numpy(float)
    return alpha_of_counts(np.column_stack([each - yes, yes]), np.array([0.0, 1.0]))


@dataclass(frozen=True)
class Icc:
    """The six intraclass correlations of Shrout & Fleiss (1979)."""

    icc1: float
    icc2: float
    icc3: float
    icc1k: float
    icc2k: float
    icc3k: float


def icc(ratings: Array) -> Icc:
    """Return the ICCs of complete ``(targets, raters)`` ratings, at least 2 × 2, none missing."""
    n, k = ratings.shape
    if n < 2 or k < 2 or np.isnan(ratings).any():
        raise DesignError(f"an ICC needs a complete table of at least 2 x 2, found {n} x {k}")
    grand = ratings.mean()
    between = k * np.square(ratings.mean(axis=1) - grand).sum() / (n - 1)
    rater = n * np.square(ratings.mean(axis=0) - grand).sum() / (k - 1)
    within = np.square(ratings - ratings.mean(axis=1, keepdims=True)).sum() / (n * (k - 1))
    error = (within * n * (k - 1) - rater * (k - 1)) / ((n - 1) * (k - 1))
    return Icc(
        icc1=float((between - within) / (between + (k - 1) * within)),
        icc2=float((between - error) / (between + (k - 1) * error + k * (rater - error) / n)),
        icc3=float((between - error) / (between + (k - 1) * error)),
        icc1k=float((between - within) / between),
        icc2k=float((between - error) / (between + (rater - error) / n)),
        icc3k=float((between - error) / between),
    )


def split_half(rows: pd.DataFrame, splits: int = 200, seed: int = 0) -> float:
    """Return the split-half reliability of per-item fool rates, Spearman-Brown corrected.

    Raters are halved at random ``splits`` times; the mean correlation r over items that both halves
    judged becomes 2r/(1 + r). It bounds the correlation of anything with these rates. NaN when
    there are too few raters or items, or no item differs from another.
    """
    answered = rows[rows["fooled"].notna()]
    y = answered["fooled"].to_numpy(dtype=np.float64)
    raters, rater = np.unique(answered["rater_id"].cat.codes, return_inverse=True)
    items, item = np.unique(answered["item_id"].cat.codes, return_inverse=True)
    if len(raters) < 4 or len(items) < 3:
        return float("nan")
    rng = np.random.default_rng(seed)
    shape = (len(items), len(raters))
    yes, each = np.zeros(shape), np.zeros(shape)
    np.add.at(yes, (item, rater), y)
    np.add.at(each, (item, rater), 1.0)
    half = rng.permuted(np.tile(np.arange(len(raters)) % 2 == 0, (splits, 1)), axis=1).T
    found = [_correlation(yes @ part, each @ part, yes @ ~part, each @ ~part) for part in half.T]
    r = float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")
    return 2 * r / (1 + r)


def _correlation(yes: Array, each: Array, other_yes: Array, other_each: Array) -> float:
    """Return the correlation over items of two halves' rates, NaN where it does not exist."""
    both: npt.NDArray[np.bool_] = (each > 0) & (other_each > 0)
    if both.sum() < 3:
        return float("nan")
    a, b = yes[both] / each[both], other_yes[both] / other_each[both]
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
