"""Fool rates from the crossed mixed model, marginalised over new raters and new images.

A mixed model's intercept is the rate of the average rater on the average image: neither the
population rate nor a rate anybody sees (0.30 in the population is 0.24 there at sds 1/1). The
marginal rate is

    p = E[expit(β0 + sqrt(s_R² + s_I²)·Z)]

with the delta method on logit(p) and Satterthwaite's t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit, logit

from analysis.errors import DesignError
from analysis.inference.clustered.crossed_design import satterthwaite
from analysis.models.glmm import Glmm, fit_glmm
from analysis.models.simulation import marginal_rate


@dataclass(frozen=True)
class GlmmRate:
    """The marginal fool rate with its interval, and the fit behind it on the logit scale."""

    rate: float
    low: float
    high: float
    df: float
    intercept: float
    intercept_se: float
    sd_rater: float
    sd_item: float
    log_likelihood: float
    penalised: bool


def glmm_rate(rows: pd.DataFrame, alpha: float = 0.05, *, penalised: bool = True) -> GlmmRate:
    """Return the marginal fool rate of these rows (one condition and task).

    Raises what `glmm.fit_glmm` raises: without convergence there is no number.
    """
    answered = rows[rows["fooled"].notna()]
    if answered.empty:
        raise DesignError(f"a GLMM needs answered trials, all {len(rows)} trials were skipped")
    fit = fit_glmm(
        answered["fooled"].to_numpy(dtype=np.float64),
        answered["rater_id"].cat.codes.to_numpy(),
        answered["item_id"].cat.codes.to_numpy(),
        penalised=penalised,
    )
    rate, low, high, df = marginal_interval(fit, alpha)
    return GlmmRate(
        rate,
        low,
        high,
        df,
        float(fit.beta[0]),
        float(fit.se[0]),
        fit.sd_rater,
        fit.sd_item,
        fit.log_likelihood,
        penalised,
    )


def marginal_interval(fit: Glmm, alpha: float = 0.05) -> tuple[float, float, float, float]:
    """Return (rate, low, high, df) of an intercept-only fit, marginalised."""
    centre = np.array([fit.beta[0], fit.sd_rater, fit.sd_item])
    slope = np.array(
        [
            (_logit_rate(centre + step) - _logit_rate(centre - step)) / 2e-5
            for step in 1e-5 * np.eye(3)
        ]
    )
    known = ~np.isnan(np.diag(fit.covariance))
    covariance = fit.covariance[np.ix_(known, known)]
    error = float(np.sqrt(slope[known] @ covariance @ slope[known]))
    df = float(
        satterthwaite(
            np.asarray(fit.sd_rater**2 / fit.raters),
            fit.raters - 1,
            np.asarray(fit.sd_item**2 / fit.items),
            fit.items - 1,
        )
    )
    middle, half = _logit_rate(centre), float(stats.t.ppf(1 - alpha / 2, df)) * error
    low, high = expit([middle - half, middle + half])
    return float(expit(middle)), float(low), float(high), df


def _logit_rate(parameters: np.ndarray) -> float:
    intercept, sd_rater, sd_item = parameters
    return float(logit(marginal_rate(intercept, float(np.hypot(sd_rater, sd_item)))))
