"""The interval for looking while a study runs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from analysis.errors import DesignError
from analysis.inference.confidence_sequence import confidence_sequence, sequence_bounds
from analysis.models.simulation import crossed_judgments, random_design


def test_before_the_first_rater_anything_is_possible() -> None:
    assert confidence_sequence([]) == (0.0, 1.0)


def test_it_never_grows_and_holds_the_sample_mean_of_many_raters() -> None:
    means = np.random.default_rng(0).beta(4, 6, 200)
    ends = [confidence_sequence(means[:n].tolist()) for n in range(1, 201, 20)]
    for (low, high), (later_low, later_high) in pairwise(ends):
        assert low <= later_low <= later_high <= high
    assert ends[-1][0] < means.mean() < ends[-1][1]
    assert ends[-1][1] - ends[-1][0] < 0.15


def test_capital_by_hand() -> None:
    # One rater at 1.0: bet sqrt(2 ln 40 / (1/4 · ln 2)) = 6.5, cut to 0.5/m, so that the capital on
    # the side of a larger mean is at most 1.5 after one rater; only 2/0.05 = 40 rules a mean out.
    assert confidence_sequence([1.0]) == (0.0, 1.0)
    # Ten raters at 1.0: (1 + 0.5/m·(1-m))^10 >= 40 when m <= 0.5 / (40**0.1 - 0.5).
    low, high = confidence_sequence([1.0] * 10)
    assert high == 1.0
    assert low <= 0.5 / (40**0.1 - 0.5)


@pytest.mark.parametrize("wrong", [[0.5, 1.2], [-0.1], [float("nan")]])
def test_a_mean_outside_its_range_is_refused(wrong: list[float]) -> None:
    with pytest.raises(DesignError, match="expected a number from 0 to 1"):
        confidence_sequence(wrong)


@pytest.mark.statistical
@pytest.mark.parametrize(("rate", "sd"), [(0.1, 0.5), (0.4, 0.8), (0.5, 1.0)])
def test_peeking_after_every_rater_excludes_the_truth_in_under_five_per_cent(
    rate: float, sd: float
) -> None:
    rng = np.random.default_rng(8)
    codes = random_design(rng, 60, 100, 50)
    y = crossed_judgments(rng, codes, rate=rate, sds=(sd, 0.0), sets=600)
    means = y.reshape(60, 50, 600).mean(axis=1)
    low, high = sequence_bounds(means, grid=np.linspace(0, 1, 401))
    ever_out = ((low > rate) | (high < rate)).any(axis=0)
    assert ever_out.mean() < 0.05
    # The repeated Wilson interval is what this replaces; it must be seen to fail here.
    from analysis.inference.binomial import pooled_wilson

    total = means.cumsum(axis=0) * 50
    trials = 50 * np.arange(1, 61)[:, None] * np.ones_like(means)
    wilson_low, wilson_high = pooled_wilson(total, trials)
    assert ((wilson_low > rate) | (wilson_high < rate)).any(axis=0).mean() > 0.3
