"""Plans of preferences and single images: against the planner of fool rates, and by simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from analysis.commands.plans import planned, words
from analysis.errors import DesignError
from analysis.models.components import components_of_model
from analysis.planning.plan import StudyDesign, half_width, plan
from analysis.planning.preferences import PreferenceDesign, plan_preferences, together
from analysis.planning.single_images import SingleDesign, plan_single
from benchmarks.intervals import plans as simulated


def test_two_models_are_planned_as_a_fool_rate_is() -> None:
    of = PreferenceDesign(share=0.6, pay_per_hour=12.0, fee=0.33)
    made, rate = plan_preferences(of), plan(StudyDesign(rate=0.6, pay_per_hour=12.0, fee=0.33))
    assert made.pair_half_width == pytest.approx(rate.half_width)
    assert made.power_below_half == pytest.approx(rate.power_below_half)
    assert (made.minutes, made.cost) == (rate.minutes, rate.cost)
    # Near one half a win share of w is a gap of 4(w - ½), of which a score is half.
    even = plan_preferences(replace(of, share=0.5))
    df_only = 1.984 / 1.9867  # t of 49 and of 62 degrees of freedom, less and more
    assert even.score_half_width == pytest.approx(2 * even.model_half_width, rel=1 - df_only + 0.02)


def test_raters_and_images_are_counted_as_they_are_shown() -> None:
    """By hand: 3 trials on 2 pairs are 1 and 2; on 6 pairs three raters in six see a pair."""
    few, many = together(10, 3, 2), together(10, 3, 6)
    assert few[0, 0] == pytest.approx((1**2 + 2**2) / 2 / 1.5**2 / 10)
    assert few[0, 1] == pytest.approx(1 * 2 / 1.5**2 / 10)
    assert many[0, 0] == pytest.approx(1 / (10 * 0.5))
    assert many[0, 1] == pytest.approx(0.2 / 0.5**2 / 10)  # both of two pairs: 3/6 · 2/5
    assert together(10, 6, 3) == pytest.approx(np.full((3, 3), 0.1))


def test_errors_of_single_images_are_planned_as_shares_are() -> None:
    of = SingleDesign(models=2, trials=48, error_on_fakes=0.4, error_on_reals=0.25)
    made = plan_single(of)
    fake, real = components_of_model(0.4, 0.8, 0.8), components_of_model(0.75, 0.8, 0.8)
    assert made.fakes_half_width == pytest.approx(half_width(fake, 50, 100, 12), rel=1e-9)
    assert made.reals_half_width == pytest.approx(half_width(real, 50, 100, 24), rel=1e-9)
    assert made.human_error == pytest.approx(0.325)
    assert made.d_prime == pytest.approx(norm.ppf(0.75) - norm.ppf(0.4))
    independent = np.hypot(made.fakes_half_width, made.reals_half_width) / 2
    assert made.human_half_width == pytest.approx(independent, rel=0.02)  # but for t
    own = plan_single(replace(of, shared_raters=False))
    assert (own.of_a_model, own.reals_half_width < made.reals_half_width) == (24, True)


@pytest.mark.parametrize(
    ("trial", "options"),
    [("real-or-model", {}), ("preference", {"conditions": 4, "ties": 0.2}), ("single", {})],
)
def test_the_fewest_raters_reach_a_power(trial: str, options: dict[str, object]) -> None:
    rate = 0.6 if trial == "single" else 0.43
    found = planned(trial, {**options, "rate": rate, "power": 0.8})
    less = planned(trial, {**options, "rate": rate, "raters": found.raters - 1})
    assert less.power_below_half < 0.8 <= found.power_below_half
    assert "chance to tell" in words(found, options)


@pytest.mark.parametrize(
    ("trial", "options", "said"),
    [
        ("preference", {"raters": 9, "conditions": 1}, "models is 1, expected 2 or more"),
        ("preference", {"raters": 9, "ties": 0.9}, "ties is 0.9 at a win share of 0.6"),
        ("preference", {"target": 0.01}, "cannot be reached with 100 images"),
        ("preference", {"power": 0.8, "rate": 0.501}, "a power of 0.8 cannot be reached"),
        ("preference", {"raters": 9, "made_share": 0.5}, "--made-share is for --trial single"),
        ("single", {"raters": 9, "ties": 0.1}, "--ties is for --trial preference"),
        ("single", {}, "expected a number of raters, a target half-width or a power"),
        ("real-or-model", {"raters": 9, "baseline": True}, "--baseline is for --trial preference"),
    ],
)
def test_impossible_plans_are_refused(trial: str, options: dict[str, object], said: str) -> None:
    with pytest.raises(DesignError, match=said):
        planned(trial, options)


@pytest.mark.slow
@pytest.mark.statistical
def test_simulated_studies_agree_with_the_plans() -> None:
    """Planned by the site, answered by Davidson's model; of single images by signal detection."""
    of = simulated.PREFERENCES[2]
    rng = np.random.default_rng(1)
    seen = [simulated.preference_seen(rng, of, study) for study in range(20)]
    made = plan_preferences(of)
    for name, value in (("pair", made.pair_half_width), ("model", made.model_half_width),
                        ("score", made.score_half_width)):  # fmt: skip
        found = np.mean([getattr(each, name) for each in seen])
        assert found == pytest.approx(value, rel=0.1), name
    assert np.mean([each.told for each in seen]) == pytest.approx(made.power_below_half, abs=0.35)
    case = simulated.SINGLE[0]
    single, many = plan_single(simulated.single_design(case)), []
    many = [simulated.single_seen(rng, case, study) for study in range(20)]
    for name, value in (("error_on_fakes", single.fakes_half_width),
                        ("human_error", single.human_half_width),
                        ("d_prime", single.d_prime_half_width)):  # fmt: skip
        assert np.mean([each[name] for each in many]) == pytest.approx(value, rel=0.1), name
