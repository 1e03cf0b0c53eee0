"""Rates of single images and single raters, shrunken so that few judgments do not top a list.

Empirical Bayes: rates of a condition's images follow Beta(μM, (1-μ)M), where μ is the fool rate
and M is such that the Beta's variance is the between-image variance found by the method of
moments. The posterior Beta(μM + k, (1-μ)M + n - k) gives the shrunken rate and its interval.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import beta

from analysis.inference.two_way import design
from analysis.models.components import components_of_judgments

MOST_PRIOR_TRIALS = 1e4  # what M is held to when no variance between images is found


def item_rates(rows: pd.DataFrame, alpha: float = 0.05) -> pd.DataFrame:
    """Return one row per image of these rows (one condition and task), most fooling first.

    Columns: ``item_id, fooled, trials, rate, shrunken, low, high``.
    """
    return _rates(rows, "item_id", alpha)


def rater_rates(rows: pd.DataFrame, alpha: float = 0.05) -> pd.DataFrame:
    """Return one row per rater of these rows (one condition and task), most fooled first.

    Columns: ``rater_id, fooled, trials, rate, shrunken, low, high``.
    """
    return _rates(rows, "rater_id", alpha)


def _rates(rows: pd.DataFrame, unit: str, alpha: float) -> pd.DataFrame:
    answered = rows[rows["fooled"].notna()]
    grouped = answered.groupby(unit, observed=True)["fooled"].agg(["sum", "count"])
    k, n = grouped["sum"].to_numpy(float), grouped["count"].to_numpy(float)
    table = pd.DataFrame({unit: grouped.index.astype(str), "fooled": k.astype(int)})
    table["trials"] = n.astype(int)
    table["rate"] = k / n
    mean, weight = prior(answered, unit)
    a, b = mean * weight + k, (1 - mean) * weight + n - k
    table["shrunken"] = a / (a + b)
    table["low"], table["high"] = beta.ppf(alpha / 2, a, b), beta.ppf(1 - alpha / 2, a, b)
    return table.sort_values(["shrunken", unit], ascending=[False, True], ignore_index=True)


def prior(answered: pd.DataFrame, unit: str) -> tuple[float, float]:
    """Return (μ, M) of the Beta prior of a unit's rates; M counts like so many judgments.

    Nobody or everybody fooled leaves no variance to learn from: Jeffreys' half judgments are added.
    """
    y = answered["fooled"].to_numpy(dtype=np.float64)
    mean = float((y.sum() + 0.5) / (len(y) + 1))
    who = design(
        answered["rater_id"].cat.codes.to_numpy(), answered["item_id"].cat.codes.to_numpy()
    )
    if who.raters < 2 or who.items < 2 or y.min() == y.max():
        return mean, 2.0
    parts = components_of_judgments(y, who)
    between = parts.item if unit == "item_id" else parts.rater
    most = mean * (1 - mean)
    weight = MOST_PRIOR_TRIALS if between <= 0 else most / between - 1
    return mean, float(np.clip(weight, 0.5, MOST_PRIOR_TRIALS))
