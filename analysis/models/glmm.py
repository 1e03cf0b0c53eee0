"""A logistic mixed model with crossed rater and image intercepts, by Laplace's approximation.

    logit P(y = 1) = x'β + s_R·u_r + s_I·v_i,   u, v ~ N(0, 1)

Opt-in: for covariates, odds ratios and variance components. Its intercept is *not* a fool rate; the
rate over new raters and images is the marginal one (`glmm_rates`). The gradient is analytic,
through the mode by implicit differentiation; a fit that does not converge raises.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

from analysis.errors import ConvergenceError, DesignError
from analysis.inference.clustered.crossed_design import Array, Codes, Mask
from analysis.models.crossed import Crossing, Mode, crossing, find_mode

GRADIENT_TOLERANCE = 1e-3  # on the largest component, at the scale of the log-likelihood
SMALLEST_SD = 1e-6
STEP = 1e-4


@dataclass(frozen=True)
class Glmm:
    """A fitted model. ``covariance`` is of (β, s_R, s_I); NaN rows for an sd that is at 0."""

    beta: Array
    sd_rater: float
    sd_item: float
    log_likelihood: float
    covariance: Array
    trials: int
    raters: int
    items: int
    singular: bool

    @property
    def se(self) -> Array:
        """Return the standard errors of β."""
        return np.asarray(np.sqrt(np.diag(self.covariance)[: len(self.beta)]))


def fit_glmm(
    y: Array,
    raters: Codes,
    items: Codes,
    x: Array | None = None,
    *,
    penalised: bool = False,
    offset: Array | None = None,
) -> Glmm:
    """Return the fit of ``y`` (N,) 0/1 on ``x`` (N, K), only an intercept when it is None.

    ``penalised`` adds log s_R + log s_I (a Gamma(2, 0) prior, Chung et al. 2013), which keeps the
    standard deviations off 0; without it they are maximum likelihood, as lme4's. ``offset`` (N,) is
    added to the linear predictor as it is.

    Raises
    ------
    DesignError
        Nobody answered, nobody or everybody was fooled, or there are fewer than 2 raters or images.
    ConvergenceError
        The optimiser stopped where the gradient is not 0, or the Hessian is not positive definite.
    """
    if not len(y):
        raise DesignError("a GLMM needs answered trials, found none")
    x = np.ones((len(y), 1)) if x is None else x
    cross = crossing(raters, items)
    if cross.size_b < 2 or y.min() == y.max():
        raise DesignError(
            "a GLMM needs 2 raters, 2 images and both answers; leave out --glmm or --odds"
        )
    model = _Laplace(y, x, cross, penalised, np.zeros(len(y)) if offset is None else offset)
    start = np.r_[linalg.lstsq(x, 4 * (y - 0.5))[0], 0.7, 0.7]
    bounds = [(None, None)] * x.shape[1] + [(SMALLEST_SD if penalised else 0.0, None)] * 2
    found = optimize.minimize(
        model.value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": 500, "ftol": 1e-15, "gtol": 1e-6},
    )  # fmt: skip
    best = np.asarray(found.x, dtype=np.float64)
    _, gradient = model.value_and_gradient(best)
    at_zero = (best <= SMALLEST_SD) & (np.arange(len(best)) >= x.shape[1])
    steepest = float(np.abs(gradient[~at_zero]).max())
    if steepest > GRADIENT_TOLERANCE or (gradient[at_zero] < -GRADIENT_TOLERANCE).any():
        raise ConvergenceError(
            f"the GLMM did not converge: gradient {steepest:.2g}, expected under"
            f" {GRADIENT_TOLERANCE} ({found.message})"
        )
    return _fitted(model, best, at_zero)


def _fitted(model: _Laplace, best: Array, at_zero: Mask) -> Glmm:
    """Return the fit at the optimum, the two sets under their own names."""
    cross = model.cross
    covariance = _covariance(model, best, ~at_zero)
    sds, sizes = best[-2:], (cross.size_a, cross.size_b)
    if not cross.a_is_rater:
        swap = np.r_[np.arange(len(best) - 2), len(best) - 1, len(best) - 2]
        covariance = covariance[np.ix_(swap, swap)]
        sds, sizes = sds[::-1], sizes[::-1]
    return Glmm(
        beta=best[:-2],
        sd_rater=float(sds[0]),
        sd_item=float(sds[1]),
        log_likelihood=-model.laplace(best),
        covariance=covariance,
        trials=len(model.y),
        raters=sizes[0],
        items=sizes[1],
        singular=bool(at_zero.any()),
    )


class _Laplace:
    """The Laplace objective of one data set; keeps the last mode as the next start."""

    def __init__(self, y: Array, x: Array, cross: Crossing, penalised: bool, offset: Array) -> None:
        self.y, self.x, self.cross, self.penalised = y, x, cross, penalised
        self.offset = offset
        self.start = (np.zeros(cross.size_a), np.zeros(cross.size_b))

    def mode(self, parameters: Array) -> Mode:
        sds = (float(parameters[-2]), float(parameters[-1]))
        mode = find_mode(
            self.cross, self.y, self.offset + self.x @ parameters[:-2], sds, self.start
        )
        self.start = (mode.a, mode.b)
        return mode

    def laplace(self, parameters: Array) -> float:
        """Return the negative Laplace log-likelihood, without the penalty."""
        mode = self.mode(parameters)
        return mode.value + 0.5 * mode.curve.log_determinant

    def value_and_gradient(self, parameters: Array) -> tuple[float, Array]:
        """Return the objective and its gradient in (β, s_A, s_B)."""
        mode = self.mode(parameters)
        value = mode.value + 0.5 * mode.curve.log_determinant
        gradient = self._gradient(mode, float(parameters[-2]), float(parameters[-1]))
        if self.penalised:
            value -= float(np.log(parameters[-2:]).sum())
            gradient[-2:] -= 1 / parameters[-2:]
        return value, gradient

    def _gradient(self, mode: Mode, sd_a: float, sd_b: float) -> Array:
        """Return the gradient: the direct part, the trace of H⁻¹∂H, and both through the mode."""
        cross, mean = self.cross, mode.mean
        residual, weight = self.y - mean, mean * (1 - mean)
        aa, bb, ab = mode.curve.inverse_parts(cross)
        leverage = sd_a**2 * aa[cross.a] + sd_b**2 * bb[cross.b] + 2 * sd_a * sd_b * ab
        skew = 0.5 * leverage * weight * (1 - 2 * mean)
        pull_a, pull_b = cross.sums(skew)
        back_a, back_b = mode.curve.solve(sd_a * pull_a, sd_b * pull_b)
        through = weight * (sd_a * back_a[cross.a] + sd_b * back_b[cross.b])
        per_trial = skew - residual - through  # the derivative by η of each trial
        of_a, of_b = cross.sums(per_trial)
        miss_a, miss_b = cross.sums(residual)
        trace_a = weight @ (sd_a * aa[cross.a] + sd_b * ab)
        trace_b = weight @ (sd_b * bb[cross.b] + sd_a * ab)
        by_a = mode.a @ of_a + trace_a + back_a @ miss_a
        by_b = mode.b @ of_b + trace_b + back_b @ miss_b
        return np.asarray(np.r_[self.x.T @ per_trial, by_a, by_b])


def _covariance(model: _Laplace, best: Array, free: Mask) -> Array:
    """Return the inverse Hessian over the free parameters, by differences of the gradient."""
    columns = []
    for index in np.flatnonzero(free):
        step = np.zeros_like(best)
        step[index] = STEP
        ahead, behind = (model.value_and_gradient(best + sign * step)[1] for sign in (1, -1))
        columns.append(((ahead - behind) / (2 * STEP))[free])
    hessian = np.array(columns)
    hessian = (hessian + hessian.T) / 2
    try:
        linalg.cholesky(hessian)
    except linalg.LinAlgError:
        raise ConvergenceError(
            "the GLMM's Hessian is not positive definite at the optimum"
        ) from None
    covariance = np.full((len(best), len(best)), np.nan)
    covariance[np.ix_(free, free)] = linalg.inv(hessian)
    return covariance
