"""How many raters, images and trials a study needs, what it costs, and what it can show.

    half-width ≈ t · sqrt(s_R²/R + s_I²/I + s_E²/(R·n))        (statistics: docs/statistics.md)

Buy raters and images; doubling the trials of each rater gains next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import stats

from analysis.errors import DesignError
from analysis.inference.clustered.crossed_design import satterthwaite
from analysis.models.components import Components, components_of_model

TRIAL_CHOICES = (20, 30, 40, 50, 60, 80, 100)
MOST_RATERS = 100_000
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(400)
RANGES = {
    "rate": (0, 1), "target": (0, 0.5), "alpha": (0, 0.5), "power": (0, 1), "share": (0, 1),
    "error_on_fakes": (0, 1), "error_on_reals": (0, 1), "made_share": (0, 1),
}  # fmt: skip
SD = 0.8  # logit sds of real studies: .58-1.35 for raters, .58-1.23 for images


@dataclass(frozen=True, kw_only=True)
class StudyDesign:
    """What a study is planned from: its size, and what is assumed of raters and images.

    ``raters``, ``items`` and ``trials`` are per condition; ``trials`` is per rater.
    ``sd_rater`` and ``sd_item`` are logit standard deviations; ``components`` from a pilot replace
    them and ``rate``. ``target`` is a half-width as a share, ``power`` the chance to tell the rate
    from 50 %; with either, the fewest ``raters`` are found. ``shared_raters``: the same raters
    judge all ``conditions``. ``pay_per_hour`` is in any currency, and ``fee`` the panel's share on
    top of the pay (0.33 for a third).
    """

    rate: float = 0.4
    raters: int | None = 50
    items: int = 100
    trials: int = 50
    sd_rater: float = SD
    sd_item: float = SD
    target: float | None = None
    power: float | None = None
    difference: float = 0.08
    conditions: int = 1
    shared_raters: bool = False
    seconds_per_trial: float = 6.0
    minutes_per_rater: float = 3.0
    pay_per_hour: float | None = None
    fee: float = 0.0
    alpha: float = 0.05
    components: Components | None = None


@dataclass(frozen=True)
class PlannedDesign:
    """One design for one condition and task, and what it gives.

    ``half_width`` is that of the interval as a share; ``power_…`` are chances; ``cost`` is in the
    currency of the pay, None without a pay.
    """

    raters: int
    items: int
    trials: int
    rate: float
    half_width: float
    judgments: int
    per_item: float
    minutes: float
    cost: float | None
    power_below_half: float
    power_of_difference: float
    difference: float
    enough: bool | None = None


def plan(of: StudyDesign) -> PlannedDesign:
    """Return what a design gives; with ``target``, of the fewest raters that reach it.

    Raises DesignError: a number is out of range, or no number of raters reaches the target.
    """
    _check(of)
    parts = of.components or components_of_model(of.rate, of.sd_rater, of.sd_item)
    raters = raters_for(
        of,
        lambda count: half_width(parts, count, of.items, of.trials, of.alpha),
        lambda count: _power_below_half(parts, count, of),
    )
    half = half_width(parts, raters, of.items, of.trials, of.alpha)
    gap = difference_error(parts, raters, of.items, of.trials, of.shared_raters)
    minutes, cost = _time_and_pay(of, raters)
    return PlannedDesign(
        raters=raters,
        items=of.items,
        trials=of.trials,
        rate=parts.rate,
        half_width=half,
        judgments=raters * of.trials,
        per_item=raters * of.trials / of.items,
        minutes=minutes,
        cost=cost,
        power_below_half=_power_below_half(parts, raters, of),
        power_of_difference=chance_to_find(of.difference, *gap, of.alpha),
        difference=of.difference,
        enough=None if of.target is None else half <= of.target,
    )


def _power_below_half(parts: Components, raters: int, of: StudyDesign) -> float:
    error = share_error(parts, raters, of.items, of.trials)
    return chance_to_find(abs(parts.rate - 0.5), *error, of.alpha)


def _time_and_pay(of: StudyDesign, raters: int) -> tuple[float, float | None]:
    """Return the minutes of one rater, and what all of them cost (None without a pay)."""
    people, blocks = (raters, of.conditions) if of.shared_raters else (raters * of.conditions, 1)
    return time_and_pay(of, people, of.trials * blocks)


class Paid(Protocol):
    """What is known of a rater's time and pay."""

    @property
    def seconds_per_trial(self) -> float: ...
    @property
    def minutes_per_rater(self) -> float: ...
    @property
    def pay_per_hour(self) -> float | None: ...
    @property
    def fee(self) -> float: ...


def time_and_pay(of: Paid, people: int, trials: int) -> tuple[float, float | None]:
    """Return the minutes of one rater with ``trials``, and the cost of all (None without a pay)."""
    minutes = trials * of.seconds_per_trial / 60 + of.minutes_per_rater
    if of.pay_per_hour is None:
        return minutes, None
    return minutes, people * minutes / 60 * of.pay_per_hour * (1 + of.fee)


def plan_table(
    *, target: float, items: Sequence[int] = (50, 100, 200, 400), **assumed: Any
) -> list[PlannedDesign]:
    """Return the plans that reach a target half-width, cheapest first: images × trials per rater.

    Designs that no number of raters saves (too few images) are left out.

    Raises
    ------
    DesignError
        No design reaches the target.
    """
    _check(StudyDesign(target=target, items=max(items), trials=1, **assumed))
    plans = []
    for count in items:
        for trials in (n for n in TRIAL_CHOICES if n <= count):
            try:
                design = StudyDesign(target=target, items=count, trials=trials, **assumed)
                plans.append(plan(design))
            except DesignError:
                continue
    if not plans:
        raise DesignError(
            f"no design with up to {max(items)} images reaches ±{100 * target:g} points;"
            " more images are needed, or a wider target"
        )
    return sorted(plans, key=lambda each: (each.cost or each.judgments, each.raters))


def half_width(
    parts: Components, raters: int, items: int, trials: int, alpha: float = 0.05
) -> float:
    """Return the expected half-width of the two-way interval, as a share; at most a half.

    A rate lies between 0 and 1: a wider interval would say nothing more.
    """
    error, df = share_error(parts, raters, items, trials)
    return min(0.5, float(stats.t.ppf(1 - alpha / 2, df) * error))


def fewest_raters(
    parts: Components, items: int, trials: int, target: float, alpha: float = 0.05
) -> int:
    """Return the smallest number of raters whose half-width is at most ``target``."""
    return _fewest_within(
        lambda raters: half_width(parts, raters, items, trials, alpha), target, items
    )


class Goal(Paid, Protocol):
    """What a number of raters is found for, or the number itself."""

    @property
    def raters(self) -> int | None: ...
    @property
    def items(self) -> int: ...
    @property
    def target(self) -> float | None: ...
    @property
    def power(self) -> float | None: ...


def raters_for(of: Goal, half: Callable[[int], float], chance: Callable[[int], float]) -> int:
    """Return the fewest raters for the target half-width or the power, else the number given.

    ``half`` and ``chance`` are the half-width and the power of a number of raters. Raises
    DesignError where no number reaches the goal.
    """
    if of.target is not None:
        return _fewest_within(half, of.target, of.items)
    if of.power is not None:
        return _fewest_with_power(chance, of.power, of.items)
    if of.raters is None:
        raise DesignError("expected a number of raters, a target half-width or a power; none given")
    return of.raters


def _fewest_within(half: Callable[[int], float], target: float, items: int) -> int:
    best = half(MOST_RATERS)
    if best > target:
        raise DesignError(
            f"±{100 * target:g} points cannot be reached with {items} images:"
            f" any number of raters leaves ±{100 * best:.1f}; add images"
        )
    return _fewest(lambda raters: half(raters) <= target)


def _fewest_with_power(chance: Callable[[int], float], power: float, items: int) -> int:
    best = chance(MOST_RATERS)
    if best < power:
        raise DesignError(
            f"a power of {power:g} cannot be reached with {items} images:"
            f" any number of raters leaves {best:.2f}; add images"
        )
    return _fewest(lambda raters: chance(raters) >= power)


def _fewest(reach: Callable[[int], bool]) -> int:
    """Return the smallest number of raters that reaches a goal, which all larger ones reach."""
    low, high = 2, MOST_RATERS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reach(middle) else (middle + 1, high)
    return low


def share_error(
    parts: Components, raters: float, items: float, trials: float
) -> tuple[float, float]:
    """Return the standard error of a share and its degrees of freedom.

    ``trials`` are those of a rater. Unequal raters or items count as their effective number.
    """
    noise = parts.residual / (raters * trials)
    rater, item = parts.rater / raters + noise, parts.item / items + noise
    df = satterthwaite(np.asarray(rater), raters - 1, np.asarray(item), items - 1)
    return float(np.sqrt(rater + item - noise)), float(df)


def difference_error(
    parts: Components, raters: int, items: int, trials: int, shared_raters: bool
) -> tuple[float, float]:
    """Return the standard error of a difference of two conditions and its degrees of freedom.

    Images are shared, as raters may be; shared effects are taken as half the same (correlation ½).
    """
    kept = 0.5
    noise = 2 * parts.residual / (raters * trials)
    rater = 2 * parts.rater / raters * (kept if shared_raters else 1) + noise
    item = 2 * parts.item / items * kept + noise
    people = raters - 1 if shared_raters else 2 * (raters - 1)
    df = satterthwaite(np.asarray(rater), people, np.asarray(item), items - 1)
    return float(np.sqrt(rater + item - noise)), float(df)


def chance_to_find(effect: float, error: float, df: float, alpha: float) -> float:
    """Return the chance that a two-sided t test finds an effect of this size.

    T = (Z + shift) / s with s² = χ²_df / df: the normal tails are integrated over the density of s.
    (scipy 1.17's `nct` is NaN for many a shift above 8.)
    """
    if error == 0:
        return float(effect > 0)
    critical, shift = float(stats.t.ppf(1 - alpha / 2, df)), effect / error
    low, high = np.sqrt(stats.chi2.ppf([1e-14, 1 - 1e-14], df) / df)
    s = (high + low + (high - low) * NODES) / 2
    density = 2 * df * s * stats.chi2.pdf(df * np.square(s), df)
    tails = stats.norm.sf(critical * s - shift) + stats.norm.cdf(-critical * s - shift)
    return float(np.clip((high - low) / 2 * (NODE_WEIGHTS * density) @ tails, 0.0, 1.0))


def _check(of: StudyDesign) -> None:
    """Refuse numbers that make no study."""
    check_size(of)
    rate = of.rate if of.components is None else of.components.rate
    if not 0 < of.difference <= max(rate, 1 - rate):
        raise DesignError(
            f"difference is {of.difference!r} from a rate of {rate:.3g}, expected more than 0 and"
            f" at most {max(rate, 1 - rate):.3g}"
        )


def check_size(of: Any) -> None:
    """Raise `DesignError` where a design's shares or its size make no study."""
    for name, (low, high) in RANGES.items():
        value = getattr(of, name, None)
        if value is not None and not low < value < high:
            raise DesignError(f"{name} is {value!r}, expected more than {low} and less than {high}")
    for name, least in (("raters", 2), ("items", 2), ("trials", 1)):
        value = getattr(of, name)
        if value is not None and value < least:
            raise DesignError(f"{name} is {value!r}, expected at least {least}")
    if of.trials > of.items:
        raise DesignError(
            f"{of.trials} trials a rater with {of.items} images:"
            " expected at most one trial per image"
        )
