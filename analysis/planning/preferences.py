"""How many raters a preference study needs: win shares of pairs and of models, and scores.

A pair p of models a and b has n comparisons and the win share w_p; b_p is +1 at a and -1 at b. The
errors of two pairs' win shares belong together where the same raters, or images, were asked:

    Cov(e_p, e_q) = (s_R² K_R(p, q) + s_I² K_I(p, q)) b_p·b_q / 2  +  [p = q] s_E² / n
    K_R(p, q)     = Σ_r n_rp n_rq / n²          over raters; K_I over images

b_p·b_q / 2 says that likings are of models: a rater who likes a is on its side in each of its
pairs. Near equal models Bradley and Terry's scores are linear in the e_p, with γ = (1 - ties) / 4:

    θ = (B Bᵀ)⁺ B e / γ,     B = [b_1, b_2, …]
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from analysis.errors import DesignError
from analysis.inference.clustered.crossed_design import Array, satterthwaite
from analysis.models.components import Components, components_of_model
from analysis.planning.plan import (
    SD,
    chance_to_find,
    check_size,
    raters_for,
    time_and_pay,
)


@dataclass(frozen=True, kw_only=True)
class PreferenceDesign:
    """What a preference study is planned from; shares are 0-1.

    ``share`` is the win share that is expected of a pair's better model, a tie counted half;
    ``ties`` the share of ties. All pairs of ``models`` are compared, or with ``baseline`` the first
    with each other one, or the pairs of numbers in ``compared``. ``trials`` are a rater's
    comparisons in all; without ``shared_raters``, ``raters`` of their own judge each pair.
    ``sd_rater`` and ``sd_item`` are the logit standard deviations of the gap between two models.
    ``target`` is the half-width of a pair's win share, ``power`` the chance to tell it from 50 %;
    with either, the fewest ``raters`` are found.
    """

    models: int = 2
    baseline: bool = False
    compared: tuple[tuple[int, int], ...] = ()
    share: float = 0.6
    ties: float = 0.0
    raters: int | None = 50
    items: int = 100
    trials: int = 50
    shared_raters: bool = True
    sd_rater: float = SD
    sd_item: float = SD
    target: float | None = None
    power: float | None = None
    seconds_per_trial: float = 6.0
    minutes_per_rater: float = 3.0
    pay_per_hour: float | None = None
    fee: float = 0.0
    alpha: float = 0.05

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Return the pairs of models, by number."""
        if self.compared:
            return list(self.compared)
        found = combinations(range(self.models), 2)
        return [pair for pair in found if not self.baseline or pair[0] == 0]


@dataclass(frozen=True)
class PlannedPreferences:
    """One design and what it gives, for one question.

    ``pair_half_width`` is that of the win share of a pair, at ``share``; ``model_half_width`` that
    of a model's share of all its comparisons, and ``score_half_width`` that of its score in log
    odds, both where the models are equally good, of a model in the fewest pairs (no baseline).
    """

    raters: int
    items: int
    trials: int
    models: int
    pairs: int
    share: float
    ties: float
    comparisons: int
    per_pair: float
    pair_half_width: float
    model_half_width: float
    score_half_width: float
    power_below_half: float
    minutes: float
    cost: float | None
    enough: bool | None = None


@dataclass(frozen=True)
class Errors:
    """The covariances (P, P) of pairs' win shares: by raters, by images, and the noise in both."""

    rater: Array
    item: Array
    noise: Array
    df: tuple[float, float]

    def of(self, weights: Array) -> tuple[float, float]:
        """Return the standard error of weights @ e, and its degrees of freedom."""
        rater, item, noise = (
            float(weights @ part @ weights) for part in (self.rater, self.item, self.noise)
        )
        df = satterthwaite(
            np.asarray(rater + noise), self.df[0], np.asarray(item + noise), self.df[1]
        )
        return float(np.sqrt(rater + item + noise)), float(df)


def plan_preferences(of: PreferenceDesign) -> PlannedPreferences:
    """Return what a design gives; with ``target`` or ``power``, of the fewest raters for it.

    Raises DesignError: a number is out of range, or no number of raters reaches the goal.
    """
    _check(of)
    raters = raters_for(
        of,
        lambda count: _half(*_pair(of, count), of.alpha),
        lambda count: chance_to_find(abs(of.share - 0.5), *_pair(of, count), of.alpha),
    )
    error, df = _pair(of, raters)
    at_half = _errors(of, raters, 0.5)
    incidence = _incidence(of)
    times = np.abs(incidence).sum(axis=1)
    model = (
        of.models - 1 - int(np.where(times > 0, times, np.inf)[::-1].argmin())
    )  # in fewest pairs
    field = incidence[model] / times[model]
    score = np.linalg.pinv(incidence @ incidence.T)[model] @ incidence * 4 / (1 - of.ties)
    share_error, share_df = at_half.of(field)
    score_error, score_df = at_half.of(score)
    people = raters if of.shared_raters else raters * len(of.pairs)
    minutes, cost = time_and_pay(of, people, of.trials)
    half = _half(error, df, of.alpha)
    return PlannedPreferences(
        raters=raters,
        items=of.items,
        trials=of.trials,
        models=of.models,
        pairs=len(of.pairs),
        share=of.share,
        ties=of.ties,
        comparisons=people * of.trials,
        per_pair=people * of.trials / len(of.pairs),
        pair_half_width=half,
        model_half_width=_half(share_error, share_df, of.alpha),
        score_half_width=float(stats.t.ppf(1 - of.alpha / 2, score_df) * score_error),
        power_below_half=chance_to_find(abs(of.share - 0.5), error, df, of.alpha),
        minutes=minutes,
        cost=cost,
        enough=None if of.target is None else half <= of.target,
    )


def _half(error: float, df: float, alpha: float) -> float:
    return min(0.5, float(stats.t.ppf(1 - alpha / 2, df) * error))


def _pair(of: PreferenceDesign, raters: int) -> tuple[float, float]:
    """Return the standard error of a pair's win share at ``share``, and its degrees of freedom."""
    first = np.eye(len(of.pairs))[0]
    return _errors(of, raters, of.share).of(first)


def _incidence(of: PreferenceDesign) -> Array:
    """Return B (models, pairs): +1 at a pair's first model and -1 at its second."""
    columns = np.zeros((of.models, len(of.pairs)))
    for number, (a, b) in enumerate(of.pairs):
        columns[a, number], columns[b, number] = 1, -1
    return columns


def _errors(of: PreferenceDesign, raters: int, share: float) -> Errors:
    """Return the covariances of the pairs' win shares, where each pair's is ``share``."""
    parts = with_ties(components_of_model(share, of.sd_rater, of.sd_item), of.ties)
    pairs = len(of.pairs)
    likings = _incidence(of).T @ _incidence(of) / 2
    per_item = raters * of.trials / of.items
    if of.shared_raters:
        rater, item = (
            together(count, shown, pairs) for count, shown in ((raters, of.trials),
                                                              (of.items, per_item))
        )  # fmt: skip
        per_pair = raters * of.trials / pairs
    else:
        rater = np.eye(pairs) / raters
        of_item = together(of.items, per_item, 1)[0, 0]
        item = np.full((pairs, pairs), 1 / of.items) + np.eye(pairs) * (of_item - 1 / of.items)
        per_pair = raters * of.trials
    return Errors(
        rater=parts.rater * likings * rater,
        item=parts.item * likings * item,
        noise=parts.residual / per_pair * np.eye(pairs),
        df=(max(1.0, 1 / rater[0, 0] - 1), max(1.0, 1 / item[0, 0] - 1)),
    )


def together(count: int, shown: float, pairs: int) -> Array:
    """Return K (P, P): Σ n_rp n_rq / n² of ``count`` raters, each with ``shown`` trials, evenly.

    A rater's numbers of trials of two pairs differ by at most one. The same holds for images.
    """
    each = shown / pairs
    part = each - np.floor(each)
    square = each**2 + part * (1 - part)  # E[n_rp²]
    cross = (shown**2 - pairs * square) / (pairs * (pairs - 1)) if pairs > 1 else 0.0
    matrix = np.full((pairs, pairs), max(cross, 0.0))
    np.fill_diagonal(matrix, square)
    return np.asarray(matrix / (count * each**2))


def with_ties(parts: Components, ties: float) -> Components:
    """Return the components of points (1, ½ or 0) where this share of comparisons is tied.

    A tie takes ¼ of its share off the variance w(1 - w), and, in Davidson's model, as much off the
    slope with which the win share follows the gap.
    """
    whole = parts.rate * (1 - parts.rate)
    kept = (whole - ties / 4) / whole
    rater, item = parts.rater * kept**2, parts.item * kept**2
    return Components(parts.rate, rater, item, whole * kept - rater - item)


def _check(of: PreferenceDesign) -> None:
    check_size(of)
    if of.models < 2:
        raise DesignError(f"models is {of.models}, expected 2 or more: a preference compares them")
    most = 2 * min(of.share, 1 - of.share)
    if not 0 <= of.ties < most:
        raise DesignError(
            f"ties is {of.ties!r} at a win share of {of.share:g}, expected at least 0 and less than"
            f" {most:g}"
        )
