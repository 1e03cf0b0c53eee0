"""How many raters a study of single images needs: errors on both kinds, d' and criterion.

Half of a rater's difference from others is taken as criterion and half as sensitivity, and a photo
and an output of one item as two images. Then P(real | real) and P(real | fake) err independently:

    human error = (error on fakes + error on reals) / 2      Var = (V_fake + V_real) / 4
    d'          = z(P(real | real)) - z(P(real | fake))      Var = V_real/φ(z)² + V_fake/φ(z)²
    c           = -(the sum of both z) / 2                   Var = Var(d') / 4
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.stats import norm

from analysis.errors import DesignError
from analysis.inference.clustered.crossed_design import satterthwaite
from analysis.models.components import components_of_model
from analysis.planning.plan import (
    SD,
    chance_to_find,
    check_size,
    raters_for,
    time_and_pay,
)
from analysis.planning.preferences import together


@dataclass(frozen=True, kw_only=True)
class SingleDesign:
    """What a study of single images is planned from; shares are 0-1.

    ``trials`` are all main trials of a rater, ``made_share`` of them outputs, of each of ``models``
    equally many; without ``shared_raters``, ``raters`` of their own judge each model beside the
    photos. ``sd_rater`` and ``sd_item`` are logit standard deviations. ``target`` is the half-width
    of the error on fakes, ``power`` the chance to tell a model's human error from 50 %; with
    either, the fewest ``raters`` are found.
    """

    models: int = 1
    error_on_fakes: float = 0.4
    error_on_reals: float = 0.25
    made_share: float = 0.5
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


@dataclass(frozen=True)
class PlannedSingle:
    """One design and what it gives for each model: half-widths as shares, of d' and c as they are.

    ``power_below_half`` is the chance to tell the human error from 50 %, which is to tell the
    model's outputs from the photos.
    """

    raters: int
    items: int
    trials: int
    models: int
    of_a_model: float
    of_photos: float
    error_on_fakes: float
    error_on_reals: float
    human_error: float
    d_prime: float
    criterion: float
    fakes_half_width: float
    reals_half_width: float
    human_half_width: float
    d_prime_half_width: float
    criterion_half_width: float
    power_below_half: float
    minutes: float
    cost: float | None
    enough: bool | None = None


@dataclass(frozen=True)
class Share:
    """A share that will be estimated: its standard error with what raters and images add to it."""

    rate: float
    rater: float
    item: float
    noise: float
    df: tuple[float, float]

    @property
    def error(self) -> tuple[float, float]:
        """Return the standard error and its degrees of freedom."""
        return _combined([self], [1.0])


def plan_single(of: SingleDesign) -> PlannedSingle:
    """Return what a design gives; with ``target`` or ``power``, of the fewest raters for it.

    Raises DesignError: a number is out of range, or no number of raters reaches the goal.
    """
    check_size(of)
    if of.models < 1:
        raise DesignError(f"models is {of.models}, expected 1 or more")
    raters = raters_for(
        of,
        lambda count: _half([_shares(of, count)[0]], [1.0], of.alpha),
        lambda count: _chance(of, count),
    )
    fake, real = _shares(of, raters)
    z_fake, z_real = map(float, norm.ppf([fake.rate, real.rate]))
    slopes = [1 / float(norm.pdf(z)) for z in (z_fake, z_real)]
    people = raters if of.shared_raters else raters * of.models
    minutes, cost = time_and_pay(of, people, of.trials)
    of_d_prime = _half([fake, real], slopes, of.alpha)
    half = _half([fake], [1.0], of.alpha)
    return PlannedSingle(
        raters=raters,
        items=of.items,
        trials=of.trials,
        models=of.models,
        of_a_model=_of_a_model(of),
        of_photos=of.trials * (1 - of.made_share),
        error_on_fakes=of.error_on_fakes,
        error_on_reals=of.error_on_reals,
        human_error=(of.error_on_fakes + of.error_on_reals) / 2,
        d_prime=z_real - z_fake,
        criterion=-(z_real + z_fake) / 2,
        fakes_half_width=min(0.5, half),
        reals_half_width=min(0.5, _half([real], [1.0], of.alpha)),
        human_half_width=min(0.5, _half([fake, real], [0.5, 0.5], of.alpha)),
        d_prime_half_width=of_d_prime,
        criterion_half_width=of_d_prime / 2,
        power_below_half=_chance(of, raters),
        minutes=minutes,
        cost=cost,
        enough=None if of.target is None else half <= of.target,
    )


def _of_a_model(of: SingleDesign) -> float:
    """Return how many outputs of one model a rater sees who sees any."""
    return of.trials * of.made_share / (of.models if of.shared_raters else 1)


def _shares(of: SingleDesign, raters: int) -> tuple[Share, Share]:
    """Return P(real | fake) of a model and P(real | real)."""
    everybody = raters if of.shared_raters else raters * of.models
    return (
        _share(of, of.error_on_fakes, raters, _of_a_model(of)),
        _share(of, 1 - of.error_on_reals, everybody, of.trials * (1 - of.made_share)),
    )


def _share(of: SingleDesign, rate: float, raters: int, trials: float) -> Share:
    parts = components_of_model(rate, of.sd_rater, of.sd_item)
    by_rater = float(together(raters, trials, 1)[0, 0])
    by_item = float(together(of.items, raters * trials / of.items, 1)[0, 0])
    return Share(
        rate=rate,
        rater=parts.rater * by_rater,
        item=parts.item * by_item,
        noise=parts.residual / (raters * trials),
        df=(max(1.0, 1 / by_rater - 1), max(1.0, 1 / by_item - 1)),
    )


def _combined(shares: list[Share], weights: list[float]) -> tuple[float, float]:
    """Return the standard error of a weighted sum of independent shares, and its df."""
    squares = np.square(weights)
    rater, item, noise = (
        float(squares @ [getattr(each, name) for each in shares])
        for name in ("rater", "item", "noise")
    )
    people, images = (min(each.df[side] for each in shares) for side in (0, 1))
    df = satterthwaite(np.asarray(rater + noise), people, np.asarray(item + noise), images)
    return float(np.sqrt(rater + item + noise)), float(df)


def _half(shares: list[Share], weights: list[float], alpha: float) -> float:
    error, df = _combined(shares, weights)
    return float(stats.t.ppf(1 - alpha / 2, df) * error)


def _chance(of: SingleDesign, raters: int) -> float:
    fake, real = _shares(of, raters)
    error, df = _combined([fake, real], [1.0, 1.0])
    return chance_to_find(abs(fake.rate - real.rate), error, df, of.alpha)
