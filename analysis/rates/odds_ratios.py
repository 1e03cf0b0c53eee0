"""Odds ratios between conditions from one crossed mixed model, with its convergence or an error.

All conditions of a task share the raters' and the images' intercepts; each condition has its own
fixed effect. An odds ratio holds for a given rater and image, so it is farther from 1 than the
ratio of the two fool rates' odds: it is no substitute for the difference of rates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.errors import AnalysisError, DesignError
from analysis.models.glmm import fit_glmm
from analysis.rates.fool_rates import cells


@dataclass(frozen=True)
class OddsRatio:
    """Odds of being fooled by ``condition`` over those by ``baseline``, for one rater and image."""

    condition: str
    baseline: str
    task: str
    odds_ratio: float
    low: float
    high: float
    p: float
    sd_rater: float
    sd_item: float
    simulated: bool


def odds_ratios(
    judgments: pd.DataFrame, *, baseline: str | None = None, alpha: float = 0.05
) -> list[OddsRatio]:
    """Return each condition's odds ratio against ``baseline`` (the first by name) within each task.

    Raises what `glmm.fit_glmm` raises, and DesignError for an unknown baseline.
    """
    tables: dict[str, list[pd.DataFrame]] = {}
    for key, rows in cells(judgments):
        tables.setdefault(key["task"], []).append(rows[rows["fooled"].notna()])
    return [each for task, rows in tables.items() for each in _of_task(task, rows, baseline, alpha)]


def _of_task(
    task: str, parts: list[pd.DataFrame], baseline: str | None, alpha: float
) -> list[OddsRatio]:
    rows = pd.concat(parts)
    names = sorted(map(str, rows["condition"].unique()))
    first = baseline or names[0]
    if first not in names:
        raise DesignError(f"no condition {first!r}, found {', '.join(names)}")
    others = [name for name in names if name != first]
    given = rows["condition"].astype(str).to_numpy()
    x = np.column_stack([np.ones(len(rows)), *((given == name) for name in others)]).astype(float)
    codes = [rows[name].cat.codes.to_numpy() for name in ("rater_id", "item_id")]
    try:
        fit = fit_glmm(rows["fooled"].to_numpy(dtype=np.float64), codes[0], codes[1], x)
    except AnalysisError as error:
        raise type(error)(f"task {task!r}: {error}") from None
    quantile = float(stats.norm.ppf(1 - alpha / 2))
    simulated = bool(rows["simulated"].any())
    out = []
    for place, name in enumerate(others, start=1):
        beta, se = float(fit.beta[place]), float(fit.se[place])
        low, high = np.exp([beta - quantile * se, beta + quantile * se])
        out.append(
            OddsRatio(
                condition=name,
                baseline=first,
                task=task,
                odds_ratio=float(np.exp(beta)),
                low=float(low),
                high=float(high),
                p=float(2 * stats.norm.sf(abs(beta) / se)),
                sd_rater=fit.sd_rater,
                sd_item=fit.sd_item,
                simulated=simulated,
            )
        )
    return out
