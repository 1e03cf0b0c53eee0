"""Estimators against R and printed tables. tests/analysis/oracles.R makes R's numbers (R 4.2.2)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.comparisons.comparisons import compare
from analysis.comparisons.odds_ratios import odds_ratios
from analysis.errors import DesignError
from analysis.inference.agreement import nominal_alpha
from analysis.inference.binomial import clopper_pearson, jeffreys, pooled_wilson
from analysis.inference.clustered.difference import clustered
from analysis.inference.multiplicity import adjusted, benjamini_hochberg, holm
from analysis.judgments.duels import read_duels
from analysis.judgments.table import check_judgments, read_judgments
from analysis.models.bradley_terry import Contests, fit_bradley_terry
from analysis.models.glmm import fit_glmm
from analysis.rankings.ranking import rank

DATA = Path(__file__).parents[1] / "data"

# prop.test(correct = FALSE), binom.test, qbeta(k + ½, n - k + ½): R 4.2.2.
INTERVALS = [
    (3, 20, (0.052368745896217, 0.360418864740757), (0.032070937185464, 0.378926826545314),
     (0.044131341975156, 0.348577710858454)),
    (47, 100, (0.37510817959341, 0.56711143029901), (0.36940516419439, 0.57241851510995),
     (0.37420051866484, 0.56750827212004)),
    (975, 2500, (0.37106324572498, 0.40927428400861), (0.37081881972213, 0.40943924622413),
     (0.37101682035253, 0.40923771301343)),
]  # fmt: skip


@pytest.mark.parametrize(("k", "n", "of_wilson", "of_clopper", "of_jeffreys"), INTERVALS)
def test_binomial_intervals(k: int, n: int, of_wilson, of_clopper, of_jeffreys) -> None:
    assert pooled_wilson(k, n) == pytest.approx(of_wilson, abs=1e-12)
    assert clopper_pearson(k, n) == pytest.approx(of_clopper, abs=1e-12)
    assert jeffreys(k, n) == pytest.approx(of_jeffreys, abs=1e-12)


def test_binomial_intervals_at_the_ends() -> None:
    assert pooled_wilson(0, 20) == pytest.approx((0, 0.16112515805282), abs=1e-12)
    assert clopper_pearson(0, 20) == pytest.approx((0, 0.16843347098309), abs=1e-12)
    assert clopper_pearson(20, 20) == pytest.approx((0.83156652901691, 1), abs=1e-12)
    # Brown, Cai & DasGupta (2001) set Jeffreys' end to exactly 0 at k = 0; the other is R's qbeta.
    assert jeffreys(0, 20) == pytest.approx((0, 0.116638982904882), abs=1e-12)


@pytest.mark.parametrize(
    ("column", "variance", "df"),
    [
        # clubSandwich 0.5.8: linear_contrast(lm(fooled ~ 0 + condition), "CR2", "Satterthwaite")
        ("rater_id", 0.0028382735653284, 11.7077923204854),
        ("item_id", 0.0071221319948346, 15.3896822692387),
    ],
)
def test_the_clustered_difference_equals_clubsandwich(column: str, variance: float, df: float):
    table = read_judgments(DATA / "unbalanced.csv")
    first = (table["condition"] == "m1").to_numpy()
    y = table["fooled"].to_numpy()
    weights = (np.full(first.sum(), 1 / first.sum()), np.full((~first).sum(), 1 / (~first).sum()))
    found = clustered(y, (first, ~first), table[column].cat.codes.to_numpy(), weights)
    assert found == (pytest.approx(variance, rel=1e-9), pytest.approx(df, rel=1e-9))


def test_adjusted_p_values_equal_p_adjust() -> None:
    p = [0.001, 0.008, 0.012, 0.04, 0.041, 0.2, 0.9]  # R: p.adjust
    assert holm(p) == pytest.approx([0.007, 0.048, 0.06, 0.16, 0.16, 0.4, 0.9])
    assert benjamini_hochberg(p) == pytest.approx(
        [0.007, 0.028, 0.028, 0.0574, 0.0574, 7 / 30, 0.9]
    )
    assert adjusted([0.01, None, 0.04], "holm") == [0.02, None, 0.04]
    with pytest.raises(DesignError, match="correction is 'bonf'"):
        adjusted([0.1], "bonf")


def verbagg() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    # De Boeck & Wilson (2004), as lme4 ships it: 316 persons x 24 items, r2 == "Y"; F or M first.
    lines = (DATA / "verbagg.txt").read_text().splitlines()
    y = np.array([[int(c) for c in line.split()[1]] for line in lines], dtype=float)
    male = np.array([line[0] == "M" for line in lines], dtype=float)
    person, item = np.indices(y.shape)
    return y.ravel(), person.ravel(), item.ravel(), male


def test_the_glmm_equals_glmer_on_verbagg() -> None:
    # lme4 1.1-31, glmer(r2 ~ 1 + (1|id) + (1|item), nAGQ = 1); se from glmmTMB 1.1.5 (glmer .2450).
    y, person, item, _ = verbagg()
    fit = fit_glmm(y, person, item)
    assert fit.beta[0] == pytest.approx(-0.16261, abs=2e-3)
    assert (fit.sd_rater, fit.sd_item) == (
        pytest.approx(1.3733, abs=2e-3),
        pytest.approx(1.1295, abs=2e-3),
    )
    assert fit.log_likelihood == pytest.approx(-4101.549, abs=2e-3)
    assert fit.se[0] == pytest.approx(0.24501530, abs=1e-3)


def test_the_glmm_equals_glmer_with_covariates_and_whichever_set_is_larger() -> None:
    # lme4 1.1-31: r2 ~ Gender + mode, bobyqa. Raters and images change places: the same model.
    y, person, item, male = verbagg()
    x = np.column_stack([np.ones_like(y), male[person], item >= 12])
    fit = fit_glmm(y, item, person, x)
    assert fit.beta == pytest.approx([0.12291, 0.30687, -0.71355], abs=2e-3)
    assert fit.se == pytest.approx([0.32443, 0.19495, 0.44129], abs=2e-3)
    assert (fit.sd_item, fit.sd_rater) == (
        pytest.approx(1.36727, abs=2e-3),
        pytest.approx(1.07184, abs=2e-3),
    )
    assert fit.log_likelihood == pytest.approx(-4099.07569, abs=2e-3)


def test_odds_ratios_equal_glmers_fixed_effect() -> None:
    # lme4 1.1-31 on VerbAgg with r2 ~ mode alone is the two-condition case: items 13-24 are "do".
    y, person, item, _ = verbagg()
    frame = pd.DataFrame(
        {
            "rater_id": [f"p{k}" for k in person],
            "item_id": [f"i{k:02d}" for k in item],
            "condition": np.where(item >= 12, "do", "want"),
            "fooled": y.astype(int).astype(str),
        }
    )
    found = odds_ratios(check_judgments(frame, "verbagg"), baseline="want")[0]
    assert np.log(found.odds_ratio) == pytest.approx(-0.713613, abs=2e-3)
    assert (np.log(found.high) - np.log(found.low)) / 2 / 1.959964 == pytest.approx(
        0.440723, abs=2e-3
    )


@pytest.mark.slow
def test_the_sparse_table_of_a_large_study_gives_the_same_fit(monkeypatch) -> None:
    y, person, item, _ = verbagg()
    dense = fit_glmm(y, person, item)
    monkeypatch.setattr("analysis.models.crossed.LARGEST_DENSE", 10)
    sparse = fit_glmm(y, person, item)
    assert sparse.beta == pytest.approx(dense.beta, abs=1e-8)
    assert sparse.covariance == pytest.approx(dense.covariance, abs=1e-8)


def test_the_glmm_at_the_boundary_equals_glmer() -> None:
    table = read_judgments(DATA / "unbalanced.csv")
    rows = table[table["condition"] == "m1"]
    raters, items = (rows[name].cat.codes.to_numpy() for name in ("rater_id", "item_id"))
    fit = fit_glmm(rows["fooled"].to_numpy(), raters, items)
    assert fit.singular  # lme4: sds .0023 and 1.8923, log-likelihood -54.52625
    assert fit.sd_rater == pytest.approx(0, abs=3e-3)
    assert fit.sd_item == pytest.approx(1.8923, abs=2e-3)
    assert fit.log_likelihood == pytest.approx(-54.526255, abs=1e-4)


# BradleyTerry2 1.1-2 on Stigler's citations (win1, win2 of each pair of journals).
CITATIONS = {(0, 1): (730, 33), (0, 2): (498, 320), (0, 3): (221, 284), (1, 2): (68, 813),
             (1, 3): (17, 276), (2, 3): (142, 325)}  # fmt: skip


def test_bradley_terry_equals_bradleyterry2_on_citations() -> None:
    rows = [
        (a, b, score)
        for (a, b), (first, second) in CITATIONS.items()
        for score, times in ((1.0, first), (0.0, second))
        for _ in range(times)
    ]
    a, b, score = (np.array(column) for column in zip(*rows, strict=True))
    some = np.arange(len(rows))
    fit = fit_bradley_terry(Contests(a, b, score, 4), some, some)
    contrasts = np.eye(4)[1:] - np.eye(4)[0]
    assert contrasts @ fit.theta == pytest.approx(
        [-2.94907249684, -0.47956976975, 0.26895405582], abs=1e-8
    )
    se = np.sqrt(np.diag(contrasts @ fit.information @ contrasts.T))
    assert se == pytest.approx([0.1025453354, 0.0605887292, 0.0708299651], abs=1e-6)


def test_bradley_terry_equals_bradleyterry2_on_baseball() -> None:
    table = pd.read_csv(DATA / "baseball.csv")  # Agresti (1990); Baltimore is R's reference
    teams = sorted(set(table["home.team"]))
    rows = []
    for _, game in table.iterrows():
        home, away = teams.index(game["home.team"]), teams.index(game["away.team"])
        rows += [(home, away, 1.0)] * game["home.wins"] + [(home, away, 0.0)] * game["away.wins"]
    a, b, score = (np.array(column) for column in zip(*rows, strict=True))
    fit = fit_bradley_terry(Contests(a, b, score, 7), np.arange(len(a)), np.arange(len(a)))
    names = ["Boston", "Cleveland", "Detroit", "Milwaukee", "New York", "Toronto"]
    values = [1.107697705, 0.683852769, 1.436408432, 1.581355877, 1.247617845, 1.294485124]
    for team, value in zip(names, values, strict=True):
        gap = fit.theta[teams.index(team)] - fit.theta[teams.index("Baltimore")]
        assert gap == pytest.approx(value, abs=1e-8)


def test_davidson_ties_equal_psychotools() -> None:
    # psychotools 0.7-2: btmodel(undecided = TRUE); the last model is R's reference.
    ranking = rank(read_duels(DATA / "duels.csv"))
    score = {each.model: each.score for each in ranking.models}
    gaps = [score[f"m{k}"] - score["m3"] for k in range(3)]
    assert gaps == pytest.approx([2.17679066733, 0.71077344456, 0.77435550726], abs=1e-8)
    assert ranking.log_nu == pytest.approx(-0.31687924565, abs=1e-8)
    assert ranking.log_likelihood == pytest.approx(-114.35429381217, abs=1e-8)


def test_krippendorffs_canonical_table() -> None:
    # Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": 4 coders, 12 units.
    text = """
    1 2 3 3 2 1 4 1 2 . . .
    1 2 3 3 2 2 4 1 2 5 . 3
    . 3 3 3 2 3 4 2 2 5 1 .
    1 2 3 3 2 4 4 1 2 5 1 .
    """
    rows = [line.split() for line in text.strip().splitlines()]
    units = zip(*rows, strict=True)
    counts = np.array([[unit.count(value) for value in "12345"] for unit in units], dtype=float)
    assert nominal_alpha(counts) == pytest.approx(0.7434, abs=5e-5)


def test_compare_puts_the_two_clusterings_together() -> None:
    found = compare(read_judgments(DATA / "unbalanced.csv"))[0]
    # V_R + V_I from clubSandwich above less their overlap is below V_I, which is what remains.
    assert found.se == pytest.approx(0.0071221319948346**0.5, rel=1e-9)
    assert (found.shared_raters, found.shared_items) == (9, 17)
