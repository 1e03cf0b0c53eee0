"""Rates of single images and single raters, shrunken so that few judgments do not top a list.

Rates of a condition's images follow Beta(μM, (1-μ)M); given μ and M, an image picked k times in n
has the posterior Beta(μM + k, (1-μ)M + n - k). Neither is known: the posterior is a mixture over

* M, by how well each between-image standard deviation explains V_I, the variance of the rate
  clustered on images, which is E[V_I]·χ²_df/df (`crossed_moments`), under a Rayleigh prior of mode
  0.6 on the logit sd (real studies: .58 to 1.23; it is 0 at 0, as Chung et al. 2013 advise);
* μ, by the two-way t distribution of the fool rate on the logit scale. Where that error comes from
  the raters, who are a sample, it moves an image's own count too: lenient raters raise both.

The shrunken rate is the mixture's mean, the interval its quantiles: Morris (1983) on what an
interval lacks that takes an estimated variance for the true one. Raters likewise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from analysis.inference.clustered.crossed_design import Array, Design, design
from analysis.inference.clustered.crossed_moments import Weighting, squares, variances, weighting
from analysis.inference.clustered.share import effective_df, share_variance
from analysis.models.components import components_of_model

LOGIT_SDS = np.linspace(0.05, 3.0, 30)
MODE = 0.6
USUAL_SD = 0.8  # of the other side, for turning a logit sd into a variance of rates
NODES = 10
HALVINGS = 20  # of the unit interval: to 1e-6


@dataclass(frozen=True)
class Prior:
    """Equally likely beta priors of a unit's rate, all pairs of ``mean`` (P,) and ``weight`` (Q,).

    A weight counts like so many judgments. ``shift`` (P,), on the logit scale, is what a mean says
    of the raters' common leniency, and ``common`` its variance as a share of p(1-p).
    """

    mean: Array
    weight: Array
    shift: Array
    common: float = 0.0


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
    raters, items = (answered[name].cat.codes.to_numpy() for name in ("rater_id", "item_id"))
    y = answered["fooled"].to_numpy(dtype=np.float64)
    known = prior(y, design(raters, items) if unit == "item_id" else design(items, raters))
    table["shrunken"], table["low"], table["high"] = posterior(known, k, n, alpha)
    return table.sort_values(["shrunken", unit], ascending=[False, True], ignore_index=True)


def prior(y: Array, who: Design) -> Prior:
    """Return the priors of the ``item`` side's rates: what these judgments leave open.

    Nobody or everybody fooled, or one rater or image, leave no variance to learn from: μ is then
    Jeffreys' with each rater one trial, and M what it is in usual studies.
    """
    p = float(y.mean())
    if y.min() == y.max() or who.raters < 2 or who.items < 2:
        units = min(who.raters, who.trials) if who.raters > 1 else who.trials
        means = stats.beta.ppf(_middles(), p * units + 0.5, (1 - p) * units + 0.5)
        weights = _weights(_between(float(np.median(means))), np.ones_like(LOGIT_SDS))
        return Prior(means, weights, np.zeros(NODES))
    found, by = share_variance(y, who), weighting(who)
    total = float(found.total)
    steps = total**0.5 / (p * (1 - p)) * stats.t.ppf(_middles(), float(found.df))
    of_raters = min(float(variances(by, squares(y, by))[0] * by.target[0]), total)
    between = _between(p)
    return Prior(
        mean=special.expit(special.logit(p) + steps),
        weight=_weights(between, _likelihood(y, by, between)),
        shift=of_raters / total * steps,
        common=of_raters / (p * (1 - p)),
    )


def _middles() -> Array:
    return (np.arange(NODES) + 0.5) / NODES


def _between(p: float) -> Array:
    """Return the variances of images' rates that the logit sds stand for, as shares of p(1-p)."""
    found = [components_of_model(p, USUAL_SD, sd).item for sd in LOGIT_SDS]
    return np.array(found) / (p * (1 - p))


def _likelihood(y: Array, by: Weighting, between: Array) -> Array:
    """Return how likely each logit sd makes the V_I that was found, up to a factor."""
    found = squares(y, by)
    parts = variances(by, found)
    p, whole = float(found.mean), float(parts.sum())
    item = whole * between
    rater = min(float(parts[0]), 0.5 * whole) * np.ones_like(item)
    expected = by.equations[1] @ np.stack([rater, item, np.maximum(whole - item - rater, 0.0)])
    sizes = np.stack([rater, item, np.maximum(whole - item - rater, 1e-12)])[[1, 0, 2]]
    df = effective_df(by.item, np.full_like(item, p), sizes)
    seen = max(float(found.item), 1e-3 * float(expected.min()))  # 0 would be impossible everywhere
    log = stats.chi2.logpdf(df * seen / expected, df) + np.log(df / expected)
    return np.asarray(np.exp(log - log.max()))


def _weights(between: Array, likelihood: Array) -> Array:
    """Return weights M at equal steps of the posterior of the logit sd."""
    density = likelihood * LOGIT_SDS * np.exp(-np.square(LOGIT_SDS / MODE) / 2)
    reached = np.cumsum(density) - density / 2
    sd = np.interp(_middles(), reached / density.sum(), LOGIT_SDS)
    share = np.interp(sd, LOGIT_SDS, between)
    return 1 / share - 1


def posterior(known: Prior, k: Array, n: Array, alpha: float) -> tuple[Array, Array, Array]:
    """Return (mean, low, high) of the mixture for each unit, picked ``k`` times in ``n``; (U,).

    The priors were weighed with all judgments, the unit's own among them: they count alike here.
    """
    pairs, place = np.unique(np.stack([k, n], axis=1), axis=0, return_inverse=True)
    mean, weight = (each.ravel() for each in np.meshgrid(known.mean, known.weight))
    shift = np.tile(known.shift, len(known.weight))
    share, trials = _own(pairs[:, 0], pairs[:, 1], shift, known.common)
    a = (mean * weight)[None, :] + share * trials
    b = ((1 - mean) * weight)[None, :] + (1 - share) * trials

    def quantile(level: float) -> Array:
        low, high = np.zeros(len(pairs)), np.ones(len(pairs))
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            below = special.betainc(a, b, middle[:, None]).mean(axis=1) < level
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return (low + high) / 2

    centre = (a / (a + b)).mean(axis=1)
    at = place.ravel()
    return centre[at], quantile(alpha / 2)[at], quantile(1 - alpha / 2)[at]


def _own(k: Array, n: Array, shift: Array, common: float) -> tuple[Array, Array]:
    """Return the shares (U, P) of units without their raters' common shift, and the trials (U, 1).

    1/n holds the variance of that shift once, which is taken off (at most half of it).
    """
    seen = np.maximum(n, 1)  # a unit without a trial has weight 0
    smooth = (k + 0.5) / (n + 1)
    moved = special.expit(special.logit(smooth)[:, None] + shift[None, :]) - smooth[:, None]
    share = np.clip((k / seen)[:, None] + moved, 0.0, 1.0)
    return share, (n / np.maximum(1 - seen * common, 0.5))[:, None]
