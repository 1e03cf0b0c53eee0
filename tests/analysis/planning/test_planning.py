"""Plans: the numbers of a known design, recommendations, and refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import nct, norm
from scipy.stats import t as student

from analysis.commands.plans import planned, words
from analysis.errors import DesignError
from analysis.inference.clustered.crossed_design import design
from analysis.models.components import components_of_judgments, components_of_model
from analysis.models.simulation import (
    crossed_judgments,
    intercept_for,
    marginal_rate,
    random_design,
)
from analysis.planning.plan import (
    PlannedDesign,
    StudyDesign,
    chance_to_find,
    fewest_raters,
    half_width,
    plan,
    plan_table,
)
from analysis.planning.simulated_plan import simulate_plan


def test_the_intercept_is_not_the_rate() -> None:
    # At sds 1/1 a population rate of 0.30 is 0.239 at the intercept: scipy's quadrature.
    intercept = intercept_for(0.3, 2**0.5)
    assert expit(intercept) == pytest.approx(0.239, abs=5e-4)
    found, _ = quad(lambda z: expit(intercept + 2**0.5 * z) * norm.pdf(z), -12, 12)
    assert found == pytest.approx(0.3, abs=1e-9)
    assert marginal_rate(intercept, 2**0.5) == pytest.approx(found, abs=1e-9)


def test_components_add_up_and_match_a_large_simulation() -> None:
    parts = components_of_model(0.4, 0.8, 1.0)
    assert parts.rater + parts.item + parts.residual == pytest.approx(0.24)
    assert sum(parts.shares.values()) == pytest.approx(1)
    rng = np.random.default_rng(0)
    codes = random_design(rng, 800, 800, 200)
    y = crossed_judgments(rng, codes, rate=0.4, sds=(0.8, 1.0))[:, 0]
    found = components_of_judgments(y, design(*codes))
    assert found.rater == pytest.approx(parts.rater, rel=0.12)
    assert found.item == pytest.approx(parts.item, rel=0.12)
    assert found.residual == pytest.approx(parts.residual, rel=0.05)


def test_sr3s_design_gives_the_half_widths_measured_for_it() -> None:
    # By simulation: ±3.7 to ±6.4 points at rates .3-.5 (logit sds .5/.5 to 1/1).
    widths = [
        plan(StudyDesign(rate=rate, sd_rater=sd, sd_item=sd)).half_width
        for rate in (0.3, 0.5)
        for sd in (0.5, 1)
    ]
    assert min(widths) == pytest.approx(0.037, abs=0.003)
    assert max(widths) == pytest.approx(0.064, abs=0.003)
    gain = (
        plan(StudyDesign(rate=0.4)).half_width - plan(StudyDesign(rate=0.4, trials=100)).half_width
    )
    assert 0.0005 < gain < 0.003  # twice the trials of each rater: 0.1 to 0.2 points


def test_the_fewest_raters_reach_the_target_and_one_less_does_not() -> None:
    parts = components_of_model(0.4, 0.8, 0.8)
    raters = fewest_raters(parts, 200, 50, 0.05)
    assert half_width(parts, raters, 200, 50) <= 0.05 < half_width(parts, raters - 1, 200, 50)


def test_the_table_is_cheapest_first_and_reaches_the_target() -> None:
    plans = plan_table(target=0.05, pay_per_hour=12.0, fee=0.33)
    assert [each.cost for each in plans] == sorted(each.cost for each in plans)
    assert all(each.half_width <= 0.05 and each.enough for each in plans)
    assert all(each.trials <= each.items for each in plans)


def test_cost_by_hand() -> None:
    # 50 raters x (50 trials x 6 s + 3 min = 8 min) at 12 an hour and a third on top.
    made = plan(StudyDesign(raters=50, trials=50, pay_per_hour=12.0, fee=1 / 3))
    assert made.minutes == 8
    assert made.cost == pytest.approx(50 * 8 / 60 * 12 * 4 / 3)
    two = plan(StudyDesign(raters=50, trials=50, pay_per_hour=12.0, fee=1 / 3, conditions=2))
    assert two.cost == pytest.approx(2 * made.cost)
    assert (
        plan(StudyDesign(shared_raters=True)).power_of_difference
        > plan(StudyDesign()).power_of_difference
    )


GRID = list(
    itertools.product(
        (10, 30, 100, 400, 2000),
        (20, 50, 200, 1000),
        (5, 20),
        (0.02, 0.2, 0.4, 0.5, 0.95),
        (0.0, 0.8),
    )
)


@pytest.mark.slow
@pytest.mark.parametrize("shared_raters", [False, True])
def test_no_ordinary_design_has_a_chance_that_is_not_a_number(shared_raters: bool) -> None:
    for raters, items, trials, rate, sd in GRID:
        made = plan(StudyDesign(
            raters=raters, items=items, trials=trials, rate=rate, sd_rater=sd, sd_item=sd,
            shared_raters=shared_raters,
        ))  # fmt: skip
        for chance in (made.power_below_half, made.power_of_difference):
            assert 0.0499 <= chance <= 1, made  # at least alpha, whatever the effect
        assert 0 < made.half_width < 1


def test_the_chance_is_that_of_the_noncentral_t() -> None:
    # Against scipy's nct where it has an answer; where it has none, the normal limit bounds it.
    for shift, df in itertools.product((0, 0.5, 1, 2, 3, 5, 8), (3, 9.5, 19, 99, 3000)):
        critical = student.ppf(0.975, df)
        expected = nct.sf(critical, df, shift) + nct.cdf(-critical, df, shift)
        assert chance_to_find(shift, 1.0, df, 0.05) == pytest.approx(expected, abs=1e-6)
    assert chance_to_find(12, 1.0, 1.0, 0.05) == pytest.approx(
        0.6535559968, abs=1e-6
    )  # 2 raters, 2 images
    assert chance_to_find(40, 1.0, 19, 0.05) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rate": 1.2}, "rate is 1.2"),
        ({"raters": 1}, "raters is 1, expected at least 2"),
        ({"trials": 200}, "200 trials a rater with 100 images"),
        ({"target": 0.01}, "cannot be reached with 100 images"),
        ({"raters": None}, "expected a number of raters, a target half-width"),
    ],
)
def test_impossible_plans_are_refused(options: dict, said: str) -> None:
    with pytest.raises(DesignError, match=said):
        plan(StudyDesign(**options))


@pytest.mark.statistical
def test_simulation_agrees_with_the_formula() -> None:
    made = plan(StudyDesign(rate=0.4))
    found = simulate_plan(rate=0.4, design_size=(50, 100, 50), sds=(0.8, 0.8), sets=1000, seed=1)
    assert found.half_width == pytest.approx(made.half_width, rel=0.05)
    assert 0.93 <= found.coverage <= 0.97
    assert found.excludes_half == pytest.approx(made.power_below_half, abs=0.05)


def test_a_plan_in_words_has_the_numbers_of_the_plan() -> None:
    options = {"raters": 50, "conditions": 3, "pay_per_hour": 12.0}
    made = planned("real-or-model", options)
    assert isinstance(made, PlannedDesign)
    text = words(made, options)
    assert text.startswith("150 raters x 50 trials of 100 images: 2,500 judgments per condition")
    assert f"about ±{100 * made.half_width:.1f} points" in text
    assert f"{made.cost:,.2f} in all" in text
