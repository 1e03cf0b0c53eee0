"""The way papers report it: each rater's own rate, then mean and spread over raters.

Kept beside the default for comparison with published tables. Its interval treats the images as the
only ones there are, so it is too short for "this model fools people x % of the time".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats


@dataclass(frozen=True)
class PublishedRate:
    """Mean of rater means (0-1), their standard deviation, and the t interval over raters."""

    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    raters: int


def rater_means(rows: pd.DataFrame) -> pd.Series:
    """Return rater -> own fool rate over answered trials; raters without one are left out."""
    return rows.groupby("rater_id", observed=True)["fooled"].mean().dropna()


def published_rate(rows: pd.DataFrame, alpha: float = 0.05) -> PublishedRate:
    """Return the mean of rater means of these rows; no interval with fewer than two raters."""
    means = rater_means(rows).to_numpy(dtype=float)
    if not len(means):
        return PublishedRate(None, None, None, None, 0)
    centre = float(means.mean())
    if len(means) < 2:
        return PublishedRate(centre, None, None, None, len(means))
    sd = float(means.std(ddof=1))
    half = float(stats.t.ppf(1 - alpha / 2, len(means) - 1)) * sd / np.sqrt(len(means))
    return PublishedRate(centre, sd, max(0.0, centre - half), min(1.0, centre + half), len(means))
