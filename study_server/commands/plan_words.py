"""A planned design in words. The numbers come from the planner that manage.py hands in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Plan(Protocol):
    """What the planner gives back (see analysis.planning.plan)."""

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


def describe(plan: Plan, conditions: int, *, within: bool) -> Iterator[str]:
    """Return a plan as lines for a terminal."""
    people = plan.raters if within else plan.raters * conditions
    yield (
        f"{people} raters x {plan.trials} trials of {plan.items} images:"
        f" {plan.judgments:,} judgments a condition, {plan.per_item:.1f} an image"
    )
    yield (
        f"95 % interval at a fool rate of {100 * plan.rate:g} %:"
        f" about +-{100 * plan.half_width:.1f} points (new raters and new images)"
    )
    yield f"chance to tell it from 50 %: {100 * plan.power_below_half:.0f} %"
    yield (
        f"chance to find a difference of {100 * plan.difference:g} points between two conditions:"
        f" {100 * plan.power_of_difference:.0f} %"
    )
    cost = "" if plan.cost is None else f", {plan.cost:,.2f} in all (in the currency of the pay)"
    yield f"{plan.minutes:.0f} minutes a rater{cost}"
