"""Sensitivity in 2AFC, and whether one side was favoured.

d' = √2 · z(1 - fool rate)        0 = cannot tell, 1 ≈ 76 % correct (Macmillan & Creelman, ch. 7)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from analysis.judgments.table import cells
from analysis.rates.fool_rates import one_fool_rate


@dataclass(frozen=True)
class SideBias:
    """The share of answers that were "left", with its two-way interval, and fool rates by side.

    ``rate_model_left`` and ``rate_model_right`` are the fool rates where the output stood on that
    side; None where the file does not record it.
    """

    condition: str
    task: str
    left: float | None
    low: float | None
    high: float | None
    rate_model_left: float | None
    rate_model_right: float | None


def d_prime(fool_rate: float | None) -> float | None:
    """Return √2·z(1 - fool rate); None for no rate, 0 or 1, where it is unbounded."""
    if fool_rate is None or not 0 < fool_rate < 1:
        return None
    return float(np.sqrt(2) * norm.ppf(1 - fool_rate)) + 0.0


def side_biases(judgments: pd.DataFrame, alpha: float = 0.05) -> list[SideBias]:
    """Return the side bias per condition and task; empty when ``choice`` was not recorded."""
    if "choice" not in judgments:
        return []
    return [_side_bias(rows, key, alpha) for key, rows in cells(judgments)]


def _side_bias(rows: pd.DataFrame, key: dict[str, str], alpha: float) -> SideBias:
    left = rows.assign(fooled=rows["choice"].map({"left": 1.0, "right": 0.0}))
    record = one_fool_rate(left, key, alpha=alpha)
    sides = {
        side: _mean(rows.loc[rows["model_side"] == side, "fooled"])
        if "model_side" in rows
        else None
        for side in ("left", "right")
    }
    return SideBias(
        key["condition"],
        key["task"],
        record.rate,
        record.low,
        record.high,
        sides["left"],
        sides["right"],
    )


def _mean(values: pd.Series) -> float | None:
    return float(values.mean()) if values.notna().any() else None
