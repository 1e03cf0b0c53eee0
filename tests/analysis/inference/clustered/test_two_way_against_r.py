"""The variances against R (tests/analysis/oracles.R; versions are named there)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.inference.clustered.crossed_design import design
from analysis.inference.clustered.crossed_moments import squares, weighting
from analysis.inference.clustered.share import share_variance
from analysis.judgments.table import read_judgments

DATA = Path(__file__).parents[2] / "data"

# clubSandwich 0.5.8: vcovCR(lm(fooled ~ 1), cluster, type = "CR2").
FROM_R = {
    "m1": (107, 0.28971962616822, 0.00094671734533309, 0.0068978657935446),
    "m2": (86, 0.5, 0.0041708940465886, 0.005717832949515),
}


def condition(name: str):
    table = read_judgments(DATA / "unbalanced.csv")
    rows = table[table["condition"] == name]
    raters, items = (rows[c].cat.codes.to_numpy() for c in ("rater_id", "item_id"))
    return rows["fooled"].to_numpy(), raters, items


@pytest.mark.parametrize("name", FROM_R)
def test_cr2_variances_equal_clubsandwich(name: str) -> None:
    y, raters, items = condition(name)
    trials, p, v_rater, v_item = FROM_R[name]
    who = design(raters, items)
    assert (who.trials, y.mean()) == (trials, pytest.approx(p, abs=1e-13))
    parts = share_variance(y, who)
    assert parts.rater == pytest.approx(v_rater, rel=1e-9)
    assert parts.item == pytest.approx(v_item, rel=1e-9)


def test_cr2_equals_the_matrix_formula() -> None:
    # Pustejovsky & Tipton (2018): A_g = (I - H_gg)^(-1/2), V = (X'X)^-1 Σ X'A e e'A X (X'X)^-1.
    y, raters, items = condition("m1")
    n = len(y)
    total = 0.0
    for g in np.unique(raters):
        inside = raters == g
        e = y[inside] - y.mean()
        values, vectors = np.linalg.eigh(np.eye(inside.sum()) - np.full((inside.sum(),) * 2, 1 / n))
        adjust = vectors @ np.diag(values**-0.5) @ vectors.T
        total += (np.ones(inside.sum()) @ adjust @ e) ** 2
    ours = squares(y, weighting(design(raters, items))).rater
    assert ours == pytest.approx(total / n**2, rel=1e-12)


def test_many_data_sets_at_once_equal_one_by_one() -> None:
    _, raters, items = condition("m1")
    who = design(raters, items)
    sets = (np.random.default_rng(1).random((who.trials, 7)) < 0.4).astype(float)
    together = share_variance(sets, who)
    for column in range(7):
        alone = share_variance(sets[:, column], who)
        assert together.total[column] == pytest.approx(float(alone.total), rel=1e-9)
        assert together.df[column] == pytest.approx(float(alone.df), rel=1e-9)


def test_gaps_in_the_codes_do_not_matter() -> None:
    y = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
    dense = share_variance(y, design(np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 0, 1])))
    gaps = share_variance(y, design(np.array([3, 3, 9, 9, 11, 11]), np.array([5, 7, 5, 7, 5, 7])))
    pd.testing.assert_frame_equal(
        pd.DataFrame(vars(dense), index=[0]), pd.DataFrame(vars(gaps), index=[0])
    )
