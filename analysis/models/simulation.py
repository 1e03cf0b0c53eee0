"""Simulated judgments with a known truth: crossed logit-normal rater and image effects.

    logit P(fooled) = β0 + s_R·u_r + s_I·v_i,   u, v ~ N(0, 1)

The truth is the *marginal* rate, the mean of P over both effects; β0 is solved for it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(61)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def marginal_rate(intercept: float, sd: float) -> float:
    """Return the mean of expit(intercept + sd·Z) over Z ~ N(0, 1), by 61-node quadrature."""
    return float(WEIGHTS @ expit(intercept + sd * NODES))


def intercept_for(rate: float, sd: float) -> float:
    """Return the intercept whose marginal rate is ``rate`` at this total logit sd."""
    return float(brentq(lambda b: marginal_rate(b, sd) - rate, -40, 40))


def random_design(
    rng: np.random.Generator, raters: int, items: int, trials: int
) -> tuple[Ints, Ints]:
    """Return rater and image codes: each rater sees ``trials`` different images drawn at random."""
    order = rng.random((raters, items)).argsort(axis=1)[:, :trials]
    return np.repeat(np.arange(raters), order.shape[1]), order.ravel()


def crossed_judgments(
    rng: np.random.Generator,
    codes: tuple[Ints, Ints],
    *,
    rate: float,
    sds: tuple[float, float],
    sets: int = 1,
) -> Array:
    """Return ``(N, sets)`` simulated judgments, 1 = fooled, whose marginal rate is ``rate``.

    ``sds`` are the rater's and the image's standard deviations on the logit scale.
    """
    chance = rater_and_item_chance(rng, codes, rate=rate, sds=sds, sets=sets)
    return (rng.random(chance.shape) < chance).astype(np.float64)


def rater_and_item_chance(
    rng: np.random.Generator,
    codes: tuple[Ints, Ints],
    *,
    rate: float,
    sds: tuple[float, float],
    sets: int = 1,
) -> Array:
    """Return the ``(N, sets)`` probabilities of being fooled, with fresh effects in each set."""
    raters, items = codes
    intercept = intercept_for(rate, float(np.hypot(*sds)))
    u = sds[0] * rng.standard_normal((int(raters.max()) + 1, sets))
    v = sds[1] * rng.standard_normal((int(items.max()) + 1, sets))
    return np.asarray(expit(intercept + u[raters] + v[items]))
