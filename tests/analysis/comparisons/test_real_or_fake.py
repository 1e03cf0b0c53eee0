"""Single images, real or fake: errors, d', criterion and verdicts against the real photos."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.comparisons.real_or_fake import against_real
from analysis.errors import DesignError
from analysis.judgments.table import check_judgments

NAMES = ["rater_id", "item_id", "condition", "fooled"]


def table(rows: list[tuple[str, str, str, str]], **columns: Any) -> pd.DataFrame:
    return check_judgments(pd.DataFrame(rows, columns=NAMES).assign(**columns), "test")


def answered(conditions: dict[str, tuple[int, int]], raters: int = 10) -> pd.DataFrame:
    """Return k "real" answers of n for each condition, spread over raters and images."""
    rows = [
        (f"r{trial % raters}", f"{name}-{trial // raters}", name, str(int(spread < k)))
        for name, (k, n) in conditions.items()
        for trial, spread in enumerate(np.random.default_rng(1).permutation(n))
    ]
    return table(rows)


def simulated(
    rng: np.random.Generator, means: dict[str, float], raters: int, items: int, sds: float
) -> pd.DataFrame:
    """Return every rater's answer to every image; logit-normal raters and images."""
    u = sds * rng.standard_normal(raters)
    fooled = []
    for mean in means.values():
        v = sds * rng.standard_normal(items)
        fooled.append(rng.random((raters, items)) < 1 / (1 + np.exp(-(mean + u[:, None] + v))))
    every = every_cell(tuple(means), raters, items)
    return every.assign(fooled=np.array(fooled, dtype=float).ravel())


@functools.cache
def every_cell(names: tuple[str, ...], raters: int, items: int) -> pd.DataFrame:
    """Return the trials of a complete study, checked once: checking takes as long as a result."""
    return table(
        [
            (f"r{r}", f"{name}-{i}", name, "0")
            for name in names
            for r in range(raters)
            for i in range(items)
        ]
    )


def test_d_prime_is_held_against_the_real_photos() -> None:
    """Finding 8: PGGAN called real in .1865, FFHQ in .5565: d' 1.031, not the 2AFC's 1.26."""
    (found,) = against_real(answered({"FFHQ": (1113, 2000), "PGGAN": (373, 2000)}), "FFHQ")
    assert found.d_prime.value == pytest.approx(1.033, abs=0.001)  # z(.5565) - z(.1865)
    assert found.criterion.value == pytest.approx(0.3745, abs=0.001)
    assert found.error_on_fakes.value == pytest.approx(0.1865)
    assert found.error_on_reals.value == pytest.approx(0.4435)
    assert found.human_error.value == pytest.approx(0.315)
    assert found.verdict == "below"


def test_criterion_and_d_prime_of_a_printed_example() -> None:
    """Macmillan & Creelman (2005), example 1: hits .8, false alarms .4: d' 1.095, c -0.29."""
    (found,) = against_real(answered({"real": (80, 100), "fake": (40, 100)}), "real")
    assert found.d_prime.value == pytest.approx(1.095, abs=0.001)
    assert found.criterion.value == pytest.approx(-0.294, abs=0.001)


def test_half_of_the_answers_is_no_yardstick() -> None:
    """A model at 50 % is found out where real photos are called real far more often."""
    (found,) = against_real(answered({"real": (360, 400), "gan": (200, 400)}, raters=40), "real")
    assert found.verdict == "below"
    (found,) = against_real(answered({"real": (80, 400), "gan": (200, 400)}, raters=40), "real")
    assert found.verdict == "above"


def test_on_these_images_the_errors_are_those_of_paired_raters() -> None:
    """Fixed images, complete: each interval is a paired t over raters (scipy 1.15)."""
    data = simulated(np.random.default_rng(2), {"real": 0.8, "fake": -0.5}, 25, 12, 0.7)
    (found,) = against_real(data, "real", estimand="fixed-images")
    of_rater = data.groupby(["condition", "rater_id"], observed=True)["fooled"].mean()
    real, fake = of_rater["real"].to_numpy(), of_rater["fake"].to_numpy()
    slopes = [1 / stats.norm.pdf(stats.norm.ppf(each.mean())) for each in (real, fake)]
    parts = (real * slopes[0], fake * slopes[1])
    for estimate, each in (
        (found.difference, fake - real),
        (found.human_error, (fake + 1 - real) / 2),
        (found.d_prime, parts[0] - parts[1]),
        (found.criterion, -(parts[0] + parts[1]) / 2),
    ):
        half = stats.t.ppf(0.975, 24) * stats.sem(each)
        assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=1e-9)


@pytest.mark.slow
def test_raters_that_count_alike_give_the_rates_of_their_means() -> None:
    """Unequal raters: z of the mean of the raters' own shares (numpy), whatever they judged."""
    data = simulated(np.random.default_rng(9), {"real": 0.8, "fake": -0.5}, 15, 16, 0.7)
    place = data.groupby(["rater_id", "condition"], observed=True).cumcount()
    data = data[place < 4 + data["rater_id"].cat.codes % 12]
    (found,) = against_real(data, "real", estimand="rater-average")
    means = data.groupby(["condition", "rater_id"], observed=True)["fooled"].mean()
    real, fake = means["real"].mean(), means["fake"].mean()
    assert found.error_on_fakes.value == pytest.approx(fake)
    assert found.d_prime.value == pytest.approx(stats.norm.ppf(real) - stats.norm.ppf(fake))
    assert found.human_error.value == pytest.approx((1 - real + fake) / 2)
    (pooled,) = against_real(data, "real")
    assert found.d_prime.value != pytest.approx(pooled.d_prime.value, abs=1e-6)
    assert found.d_prime.low < found.d_prime.value < found.d_prime.high


@pytest.mark.slow
def test_p_values_are_adjusted_among_the_models_alone() -> None:
    data = simulated(
        np.random.default_rng(5), {"real": 0.5, "a": -0.2, "b": 0.1, "c": 0.4}, 20, 20, 0.5
    )
    found = against_real(data, "real")
    p = [each.p for each in found]
    order = np.argsort(p)
    holm = np.maximum.accumulate(np.minimum(1, np.sort(p) * [3, 2, 1]))
    assert [found[k].p_adjusted for k in order] == pytest.approx(holm)
    assert [each.condition for each in found] == ["a", "b", "c"]
    assert [e.condition for e in against_real(data, "real", family=["a", "real"])] == ["a"]


def test_alike_answers_leave_no_d_prime() -> None:
    (found,) = against_real(answered({"real": (80, 100), "fake": (0, 100)}), "real")
    assert (found.d_prime.value, found.criterion.value) == (None, None)
    assert any("do not exist" in flag for flag in found.flags)
    assert found.verdict == "below"


def test_one_rater_gives_values_without_intervals() -> None:
    (found,) = against_real(answered({"real": (8, 10), "fake": (4, 10)}, raters=1), "real")
    assert found.d_prime.value == pytest.approx(1.095, abs=0.001)
    assert found.d_prime.low is None
    assert found.verdict == "undefined"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (answered({"a": (1, 4), "b": (2, 4)}), "no condition 'real' of real photos, found a, b"),
        (answered({"real": (1, 4)}), "'real' is the only condition"),
        (table([("r", "i", "real", ""), ("r", "j", "a", "1")]), "no answer to a real photo"),
        (table([("r", "i", "real", "1"), ("r", "j", "a", "")]), "no other condition with answers"),
        (
            table([("r", "i", "real", "1"), ("r", "j", "a", "1")], model_side="left"),
            "these trials showed two images",
        ),
        (
            table([("r", "i", "real", "1"), ("r", "j", "a", "1")], task=["one", "two"]),
            "no answer to a real photo (condition 'real') in task 'two'",
        ),
    ],
)
def test_what_cannot_be_a_real_or_fake_study_is_refused(data: pd.DataFrame, said: str) -> None:
    with pytest.raises(DesignError) as caught:
        against_real(data, "real")
    assert said in str(caught.value)


@pytest.mark.statistical
def test_the_intervals_hold_the_truth() -> None:
    """100 studies of 20 raters and 20 images a condition: nominal 95 %, truth by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    sd = 0.7 * 2**0.5
    real, fake = (weights @ (1 / (1 + np.exp(-(m + sd * nodes)))) / weights.sum() for m in (1, -1))
    truth = {
        "d_prime": stats.norm.ppf(real) - stats.norm.ppf(fake),
        "criterion": -(stats.norm.ppf(real) + stats.norm.ppf(fake)) / 2,
        "human_error": (1 - real + fake) / 2,
    }
    rng, held = np.random.default_rng(6), dict.fromkeys(truth, 0)
    for _ in range(100):
        data = simulated(rng, {"real": 1.0, "fake": -1.0}, 20, 20, 0.7)
        (found,) = against_real(data, "real")
        for name, value in truth.items():
            held[name] += getattr(found, name).low <= value <= getattr(found, name).high
    assert all(0.90 <= count / 100 <= 0.995 for count in held.values()), held
