"""Counts become single judgments, and the rates that come back are the published ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from import_cases import imported

from analysis.importing.answers.counts import expanded
from analysis.judgments.table import read_judgments
from analysis.rates.fool_rates import fool_rates

# Fooled k of n per rater: the mean of the rates is (.75 + .5 + 0 + .25) / 4 by hand.
PER_RATER = "rater,model,k,n\na,m,3,4\nb,m,2,4\nc,m,0,4\nd,m,1,4\n"


def test_counts_per_rater_give_the_rates_back(tmp_path) -> None:
    status, table = imported(
        tmp_path,
        "a.csv",
        PER_RATER,
        "--map",
        "fooled_count=k",
        "--map",
        "trials=n",
        "--unknown-items",
    )
    assert status == 0
    assert len(table) == 16
    rates = fool_rates(read_judgments(tmp_path / "out.csv"), estimand="fixed-images")
    assert rates[0].rate == pytest.approx(6 / 16)
    assert rates[0].raters == 4


def test_correct_counts_are_turned_round(tmp_path) -> None:
    options = ("--map", "correct_count=k", "--map", "trials=n", "--unknown-items")
    _, table = imported(tmp_path, "a.csv", PER_RATER, *options)
    assert (table["fooled"] == "1").sum() == 16 - 6


@pytest.mark.slow
@given(st.data(), st.integers(1, 400), st.booleans())
def test_a_rate_written_exactly_enough_gives_its_count_back(data, n, percent) -> None:
    import pandas as pd

    k = data.draw(st.integers(0, n))
    shown = f"{100 * k / n:.4f} %" if percent else f"{k / n:.6f}"
    found = pd.DataFrame({"fool_rate": [shown], "trials": [str(n)]}, index=[2])
    made = expanded(found, None)
    assert made.reasons == [""]
    assert (made.fooled == "1").sum() == k
    assert len(made.fooled) == n


def test_a_rate_that_fits_two_counts_is_not_guessed(tmp_path, capsys) -> None:
    text = "rater,model,rate,n\na,m,0.3,100\nb,m,0.5,100\n"
    options = ("--map", "fool_rate=rate", "--map", "trials=n", "--unknown-items")
    assert imported(tmp_path, "a.csv", text, *options)[0] == 1
    assert "'0.3' of 100 trials is no count" in capsys.readouterr().err
