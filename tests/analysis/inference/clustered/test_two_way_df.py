"""Degrees of freedom of the two-way variance that is cut at its parts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from analysis.inference.clustered.two_way_df import excess, two_way_df


@pytest.mark.parametrize(("mean", "df", "least"), [(1.0, 9, 0.7), (0.4, 3, 1.0), (2.0, 39.5, 0.1)])
@pytest.mark.slow
def test_mean_and_variance_of_what_exceeds(mean: float, df: float, least: float) -> None:
    # By quadrature over scipy's density, which knows nothing of the closed form.
    law = stats.gamma(df / 2, scale=2 * mean / df)
    once, twice = (
        integrate.quad(lambda x, k=k: (x - least) ** k * law.pdf(x), least, np.inf)[0]
        for k in (1, 2)
    )
    assert excess(mean, df, least) == pytest.approx((once, twice - once**2))


def test_without_chance_it_is_satterthwaites_formula_for_a_sum() -> None:
    # Satterthwaite 1946: (a + b)^2 / (a^2 / f + b^2 / g), here (3 + 1)^2 / (9 / 9 + 1 / 39).
    assert two_way_df((3.0, 1.0, 1e-9), (9, 39, 399)) == pytest.approx(15.6)


def test_a_cut_sum_of_chance_only_agrees_with_draws() -> None:
    # 10 raters and 40 items that add nothing: V_R and V_I differ from V_C by chance.
    rng = np.random.default_rng(4)
    cells = rng.standard_normal((3_000, 10, 40))
    rater = np.square(cells.sum(axis=2)).sum(axis=1)
    item = np.square(cells.sum(axis=1)).sum(axis=1)
    cell = np.square(cells).sum(axis=(1, 2))
    found = cell + np.maximum(rater - cell, 0) + np.maximum(item - cell, 0)
    drawn = 2 * found.mean() ** 2 / found.var()
    assert two_way_df((400.0, 400.0, 400.0), (10, 40, 400)) == pytest.approx(drawn, rel=0.1)


@pytest.mark.parametrize(
    ("parts", "dfs", "df"),
    [
        ((1.0, 1.0, 1.0), (59, 59, 59), 59),  # one vote of each rater on an item of their own
        ((0.0, 1.0, 1.0), (1, 29, 29), 29),  # one rater: only the items differ
        ((0.0, 0.0, 1.0), (4, 6, 34), 4),  # all raters and all items split alike
        ((0.0, 0.0, 0.0), (4, 6, 34), 4),
    ],
)
def test_designs_in_which_a_part_says_nothing(parts, dfs, df) -> None:
    assert two_way_df(parts, dfs) == pytest.approx(df)
