"""How far raters agree: Krippendorff's α and split-half reliability.

In a 2AFC study of a good generator α is expected to be low (.05 to .20). That is people guessing,
not bad data: judgments that cannot be told from a coin cannot agree either.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.inference.clustered.crossed_design import Array


def nominal_alpha(counts: Array) -> float:
    """Return Krippendorff's nominal α (2011) of ``(units, values)``: raters per unit and value.

    NaN when fewer than two values were paired, 1 when all paired values are one and the same.
    """
    each = counts.sum(axis=1)
    paired = counts[each >= 2]
    weight = 1 / (each[each >= 2] - 1)
    observed = (paired * weight[:, None]).T @ paired - np.diag(weight @ paired)
    totals = observed.sum(axis=1)
    n = totals.sum()
    if n < 2:
        return float("nan")
    expected = n**2 - np.square(totals).sum()
    apart = observed.sum() - np.trace(observed)
    return 1.0 if expected == 0 else 1 - float((n - 1) * apart / expected)


def judgments_alpha(rows: pd.DataFrame) -> float:
    """Return the nominal α of answered judgments; a unit is an item in a condition and task."""
    answered = rows[rows["fooled"].notna()]
    units = answered.groupby(["item_id", "condition", "task"], observed=True)["fooled"]
    yes, each = units.sum().to_numpy(float), units.count().to_numpy(float)
    return nominal_alpha(np.column_stack([each - yes, yes]))


def split_half(rows: pd.DataFrame, splits: int = 200, seed: int = 0) -> float:
    """Return the split-half reliability of per-item fool rates, Spearman-Brown corrected.

    Raters are halved at random ``splits`` times; the mean correlation r over items that both halves
    judged becomes 2r/(1 + r), at least -1. It bounds the correlation of anything with these rates.
    NaN when there are too few raters or items, or no item differs from another.
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
    return max(-1.0, 2 * r / (1 + r)) if r > -1 else r


def _correlation(yes: Array, each: Array, other_yes: Array, other_each: Array) -> float:
    """Return the correlation over items of two halves' rates, NaN where it does not exist."""
    both: npt.NDArray[np.bool_] = (each > 0) & (other_each > 0)
    if both.sum() < 3:
        return float("nan")
    a, b = yes[both] / each[both], other_yes[both] / other_each[both]
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
