"""Odds ratios between conditions from one crossed mixed model, with its convergence or an error.

All conditions of a task share the raters' and the images' intercepts; each condition has its own
fixed effect. An odds ratio holds for a given rater and image, so it is farther from 1 than the
ratio of the two fool rates' odds: it is no substitute for the difference of rates.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, stats

from analysis.errors import AnalysisError, DesignError
from analysis.inference.clustered.crossed_design import Array, Codes
from analysis.judgments.table import cells
from analysis.models.glmm import Glmm, fit_glmm


@dataclass(frozen=True)
class OddsRatio:
    """Odds of being fooled by ``condition`` over those by ``baseline``, for one rater and image.

    Where one of the two fooled nobody or everybody, the likelihood has no maximum: ``odds_ratio``
    is None, one end is the bound of the profile likelihood, and ``flags`` say so.
    """

    condition: str
    baseline: str
    task: str
    odds_ratio: float | None
    low: float | None
    high: float | None
    p: float | None
    sd_rater: float | None
    sd_item: float | None
    simulated: bool
    flags: tuple[str, ...] = ()


def odds_ratios(
    judgments: pd.DataFrame, *, baseline: str | None = None, alpha: float = 0.05
) -> list[OddsRatio]:
    """Return each condition's odds ratio against ``baseline`` (the first by name) within each task.

    Empty where nobody answered.

    Raises what `glmm.fit_glmm` raises, and DesignError for an unknown baseline.
    """
    tables: dict[str, list[pd.DataFrame]] = {}
    for key, rows in cells(judgments):
        if rows["fooled"].notna().any():
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
    trials = Trials.of(rows)
    others = [name for name in names if name != first]
    apart = {name for name in names if trials.never_varied(name)}
    try:
        estimated = [name for name in others if name not in apart and first not in apart]
        found = {
            **_estimates(trials, first, estimated, alpha),
            **{
                name: _bounds(trials, (name, first), apart, alpha)
                for name in others
                if name not in estimated
            },
        }
    except AnalysisError as error:
        where = f"task {task!r}" if task else "odds ratios"
        raise type(error)(f"{where}: {error}") from None
    simulated = bool(rows["simulated"].any())
    return [
        OddsRatio(condition=name, baseline=first, task=task, simulated=simulated, **found[name])
        for name in others
    ]


@dataclass(frozen=True)
class Trials:
    """Answers ``y`` (N,) 0/1 with the condition, rater and image of each."""

    y: Array
    given: npt.NDArray[np.str_]
    raters: Codes
    items: Codes

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Trials:
        """Return the trials of answered rows."""
        codes = [rows[name].cat.codes.to_numpy() for name in ("rater_id", "item_id")]
        given = rows["condition"].astype(str).to_numpy(dtype=np.str_)
        return cls(rows["fooled"].to_numpy(dtype=np.float64), given, codes[0], codes[1])

    def only(self, names: Collection[str]) -> Trials:
        """Return the trials of these conditions."""
        kept = np.isin(self.given, list(names))
        return Trials(self.y[kept], self.given[kept], self.raters[kept], self.items[kept])

    def never_varied(self, name: str) -> bool:
        """Return whether this condition fooled nobody, or everybody."""
        mine = self.y[self.given == name]
        return bool(mine.min() == mine.max())

    def fit(self, intercept: Collection[str], free: Sequence[str], shift: float = 0.0) -> Glmm:
        """Return the fit with one effect for ``intercept`` and one for each of ``free``.

        ``shift`` is added to the log odds of the first of ``intercept``.
        """
        columns = [np.isin(self.given, list(intercept)), *(self.given == name for name in free)]
        x = np.column_stack([c.astype(float) for c in columns if c.any()])
        offset = shift * (self.given == next(iter(intercept), "")).astype(float)
        return fit_glmm(self.y, self.raters, self.items, x, offset=offset)


def _estimates(
    trials: Trials, first: str, others: list[str], alpha: float
) -> dict[str, dict[str, Any]]:
    """Return the estimates of conditions in which some were fooled and some were not."""
    if not others:
        return {}
    kept = trials.only([first, *others])
    x = np.column_stack([np.ones(len(kept.y)), *((kept.given == name) for name in others)])
    fit = fit_glmm(kept.y, kept.raters, kept.items, x.astype(float))
    quantile = float(stats.norm.ppf(1 - alpha / 2))
    out = {}
    for place, name in enumerate(others, start=1):
        beta, se = float(fit.beta[place]), float(fit.se[place])
        low, high = np.exp([beta - quantile * se, beta + quantile * se])
        out[name] = {
            "odds_ratio": float(np.exp(beta)),
            "low": float(low),
            "high": float(high),
            "p": float(2 * stats.norm.sf(abs(beta) / se)),
            "sd_rater": fit.sd_rater,
            "sd_item": fit.sd_item,
        }
    return out


def _bounds(trials: Trials, pair: tuple[str, str], apart: set[str], alpha: float) -> dict[str, Any]:
    """Return the end of the profile-likelihood interval where the likelihood has no maximum.

    As the log odds ratio runs away, the trials of the conditions that never varied come to cost
    nothing: the supremum is the likelihood of the other trials.
    """
    means = [float(trials.y[trials.given == name].mean()) for name in pair]
    words = " and ".join(
        f"{name} fooled {'nobody' if mean == 0 else 'everybody'}"
        for name, mean in zip(pair, means, strict=True)
        if name in apart
    )
    nothing = dict.fromkeys(("odds_ratio", "low", "high", "p", "sd_rater", "sd_item"))
    if means[0] == means[1]:
        return {**nothing, "flags": (f"{words}: the odds ratio could be anything",)}
    varied = [name for name in np.unique(trials.given) if name not in apart]
    free = [name for name in varied if name not in pair]
    kept = trials.only([*pair, *free])
    most = _log_likelihood(trials.only(varied), varied)

    def short(shift: float) -> float:
        return most - kept.fit(pair, free, shift).log_likelihood

    limit = float(stats.chi2.ppf(1 - alpha, 1)) / 2
    end = float(optimize.brentq(lambda b: short(b) - limit, -25, 25, xtol=1e-4))
    lower = means[0] > means[1]
    at_end = kept.fit(pair, free, end)
    return {
        **nothing,
        "low" if lower else "high": float(np.exp(end)),
        "p": float(stats.chi2.sf(2 * max(short(0.0), 0.0), 1)),
        "sd_rater": at_end.sd_rater,
        "sd_item": at_end.sd_item,
        "flags": (f"{words}: no estimate, the {'lower' if lower else 'upper'} bound is of the"
                  " profile likelihood",),
    }  # fmt: skip


def _log_likelihood(trials: Trials, names: Sequence[str]) -> float:
    return trials.fit(names[:1], names[1:]).log_likelihood if len(trials.y) else 0.0
