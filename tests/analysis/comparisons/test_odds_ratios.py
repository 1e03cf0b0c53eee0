"""Odds ratios where a condition fooled nobody or everybody: bounds, by a likelihood of our own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from analysis.commands.compare import compare_payload, compare_text
from analysis.comparisons.odds_ratios import odds_ratios
from analysis.judgments.table import check_judgments


def study(conditions: dict[str, float], seed: int = 0, raters: int = 8, items: int = 6):
    """Return a full table; a condition's value is the chance of being fooled."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"r{r}", f"i{i}", name, str(int(rng.random() < chance)))
        for name, chance in conditions.items()
        for r in range(raters)
        for i in range(items)
    ]
    frame = pd.DataFrame(rows, columns=["rater_id", "item_id", "condition", "fooled"])
    return check_judgments(frame, "test")


@pytest.mark.slow
def test_a_condition_that_fooled_nobody_gets_an_upper_bound() -> None:
    table = study({"a": 0.5, "none": 0.0})
    found = odds_ratios(table, baseline="a")[0]
    assert (found.odds_ratio, found.low) == (None, None)
    assert found.high < 0.2
    assert found.p < 0.001
    assert "none fooled nobody: no estimate, the upper bound" in found.flags[0]
    swapped = odds_ratios(table, baseline="none")[0]
    assert (swapped.odds_ratio, swapped.high) == (None, None)
    assert swapped.low == pytest.approx(1 / found.high, rel=1e-2)
    assert swapped.p == pytest.approx(found.p, rel=1e-2)
    text = compare_text(compare_payload(table, baseline="a", odds=True))
    assert "note: none : a: none fooled nobody" in text


def test_the_bound_without_effects_is_that_of_two_binomials() -> None:
    # Where raters and images bring no variance (sds at 0) the model is a 2 x 2 table.
    y = np.tile([1, 0, 0, 1, 0, 1], 8)  # alike for all raters
    rows = [(f"r{k // 6}", f"i{(k % 6 + k // 6) % 6}", "a", str(v)) for k, v in enumerate(y)]
    rows += [(f"r{k // 6}", f"i{k % 6}", "none", "0") for k in range(48)]
    frame = pd.DataFrame(rows, columns=["rater_id", "item_id", "condition", "fooled"])
    found = odds_ratios(check_judgments(frame, "test"), baseline="a")[0]
    assert found.sd_rater == pytest.approx(0, abs=1e-6)
    assert found.sd_item == pytest.approx(0, abs=1e-6)

    def short(gap: float) -> float:
        def loss(start: float) -> float:
            return 48 * np.logaddexp(0, start) - 24 * start + 48 * np.logaddexp(0, start + gap)

        return float(optimize.minimize_scalar(loss, bounds=(-15, 15), method="bounded").fun)

    limit = 48 * np.log(2) + stats.chi2.ppf(0.95, 1) / 2
    end = optimize.brentq(lambda gap: short(gap) - limit, -20, 0)
    assert found.high == pytest.approx(np.exp(end), rel=1e-2)


@pytest.mark.slow
def test_everybody_and_nobody_in_several_conditions() -> None:
    table = study({"a": 0.4, "all": 1.0, "b": 0.6, "none": 0.0, "zero": 0.0})
    found = {each.condition: each for each in odds_ratios(table, baseline="a")}
    assert found["b"].odds_ratio is not None
    assert found["b"].odds_ratio == pytest.approx(
        odds_ratios(table[table["condition"].isin(["a", "b"])], baseline="a")[0].odds_ratio
    )
    assert found["all"].low > 1
    assert found["none"].high < 1
    against = {each.condition: each for each in odds_ratios(table, baseline="none")}
    assert against["all"].low > 1
    assert (against["zero"].low, against["zero"].high, against["zero"].p) == (None, None, None)
    assert "could be anything" in against["zero"].flags[0]
