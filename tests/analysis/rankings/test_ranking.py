"""Rankings from direct comparisons: recovery, bounds, connectivity, bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from analysis.commands.rank import ranking_text
from analysis.errors import DesignError, TableError
from analysis.judgments.duels import Duels, read_duels
from analysis.models.bradley_terry import Contests, fit_bradley_terry
from analysis.rankings.rank_contrasts import margin
from analysis.rankings.ranking import elo, rank

HEADER = "rater_id,item_id,model_a,model_b,choice\n"


def duels(tmp_path: Path, rows: list[str]):
    path = tmp_path / "duels.csv"
    trials = [f"{row},t{number}" for number, row in enumerate(rows)]  # repeats are wanted here
    path.write_text(HEADER.rstrip("\n") + ",trial_id\n" + "\n".join(trials) + "\n")
    return read_duels(path)


def simulated(scores: dict[str, float], seed: int, raters: int = 30, items: int = 40) -> list[str]:
    rng = np.random.default_rng(seed)
    names = list(scores)
    rows = []
    for r in range(raters):
        for i in range(items):
            a, b = rng.choice(len(names), 2, replace=False)
            win = rng.random() < 1 / (1 + np.exp(scores[names[b]] - scores[names[a]]))
            rows.append(f"r{r},i{i},{names[a]},{names[b]},{'a' if win else 'b'}")
    return rows


def test_known_scores_are_recovered_and_centred(tmp_path: Path) -> None:
    truth = {"w": 1.0, "x": 0.4, "y": -0.3, "z": -1.1}
    ranking = rank(duels(tmp_path, simulated(truth, 1)))
    assert [each.model for each in ranking.models] == ["w", "x", "y", "z"]
    assert sum(each.score for each in ranking.models) == pytest.approx(0, abs=1e-9)
    for each in ranking.models:
        assert each.low <= truth[each.model] <= each.high
        assert each.elo == pytest.approx(1500 + 400 / np.log(10) * each.score)
    assert [(e.rank_low, e.rank_high) for e in ranking.models] == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_ten_to_one_is_400_elo_points() -> None:
    assert elo(np.log(10)) - elo(0.0) == pytest.approx(400)  # Elo's definition
    assert elo(None) is None


def test_equal_models_keep_their_rank_ranges_open(tmp_path: Path) -> None:
    ranking = rank(duels(tmp_path, simulated({"w": 0.0, "x": 0.0, "y": 0.0}, 2, 10, 12)))
    assert {(each.rank_low, each.rank_high) for each in ranking.models} == {(1, 3)}


def test_a_model_that_never_lost_gets_a_lower_bound_and_one_that_never_won_an_upper(tmp_path: Path):
    rows = simulated({"x": 0.3, "y": -0.3}, 3, 12, 6)
    rows += [f"r{r},i{i},best,{m},a" for r in range(12) for i in range(12) for m in "xy"]
    rows += [f"r{r},i{i},{m},worst,a" for r in range(12) for i in range(12) for m in "xy"]
    ranking = rank(duels(tmp_path, rows))
    assert [each.model for each in ranking.models] == ["best", "x", "y", "worst"]
    best, worst = ranking.models[0], ranking.models[-1]
    assert (best.score, best.high, best.wins, best.losses) == (None, None, 288, 0)
    assert best.low > 0
    assert (worst.score, worst.low) == (None, None)
    assert worst.high < 0
    said = "note: best never lost to a model with a score: a bound in place of a score"
    assert said in ranking_text(ranking)


def test_two_models_of_which_one_always_won(tmp_path: Path) -> None:
    rows = [f"r{r},i{i},a,b,a" for r in range(9) for i in range(6)]
    first, second = rank(duels(tmp_path, rows)).models
    assert (first.model, first.score, second.score) == ("a", None, 0.0)
    # Each of 6 items (they are fewer than the raters) is one trial of Clopper and Pearson's.
    assert 1 / (1 + np.exp(-first.low)) == pytest.approx(stats.beta.ppf(0.025, 6, 1), abs=1e-6)


def test_groups_that_nothing_joins_are_named(tmp_path: Path) -> None:
    rows = simulated({"a": 0.0, "b": 0.0}, 4, 6, 6) + simulated({"c": 0.0, "d": 0.0}, 5, 6, 6)
    with pytest.raises(
        DesignError, match=r"2 groups that no chain of wins joins: .*a, b.*c, d|c, d"
    ):
        rank(duels(tmp_path, rows))


def test_self_comparisons_and_skips_are_dropped_and_counted(tmp_path: Path) -> None:
    rows = [*simulated({"a": 0.0, "b": 0.0}, 6, 6, 6), "r0,i9,a,a,tie", "r0,i9,a,b,"]
    ranking = rank(duels(tmp_path, rows))
    assert (ranking.comparisons, ranking.skipped, ranking.self_comparisons) == (36, 1, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER + "r,i,a,b,left\n", "line 2: choice is 'left', expected a, b, tie or empty"),
        (HEADER.replace("choice", "chioce") + "r,i,a,b,a\n", "no column 'choice'.*'chioce'"),
        (HEADER + ",i,a,b,a\n", "line 2: rater_id is empty"),
        (HEADER + "r,i,a,a,a\n", "no answered comparison of two different models"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "duels.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=said):
        read_duels(path)


def test_models_whose_names_differ_only_in_capitals_are_told_of(tmp_path: Path) -> None:
    ranking = rank(duels(tmp_path, pairs("sr3~SR3 sr3~bicubic", 10, 10)))
    assert len(ranking.models) == 3
    said = "note: models 'SR3' and 'sr3' look alike: each is ranked by itself"
    assert said in ranking_text(ranking)


def test_one_rater_or_one_item_is_told_of_and_one_of_each_refused(tmp_path: Path) -> None:
    judge = rank(duels(tmp_path, [f"u,v{k},A,B,{'a' if k % 3 else 'b'}" for k in range(12)]))
    assert judge.models[0].low < judge.models[0].score < judge.models[0].high
    assert any("one rater only: intervals and ranks hold for this rater" in n for n in judge.notes)
    image = rank(duels(tmp_path, [f"u{k},v,A,B,{'a' if k % 3 else 'b'}" for k in range(12)]))
    assert any("one item only" in note for note in image.notes)
    with pytest.raises(DesignError, match="at least 2 raters or 2 items, found 1 of each"):
        rank(duels(tmp_path, ["r,i,a,b,a", "r,i,a,b,b"]))


def pairs(wins: str, raters: int = 4, items: int = 3) -> list[str]:
    """Return rows of ``"A>B A=C"``: each pair by every rater on every item; ~ is a win each way."""
    rows = []
    for pair in wins.split():
        sign = next(c for c in ">=~" if c in pair)
        a, b = pair.split(sign)
        for r in range(raters):
            for i in range(items):
                choice = {">": "a", "=": "tie", "~": "ab"[(r + i) % 2]}[sign]
                rows.append(f"r{r},i{i},{a},{b},{choice}")
    return rows


@pytest.mark.parametrize(
    ("wins", "said"),
    [
        # A chain: its last model was once printed second. Orders and groups have no scores.
        ("A>B B>C C>D", "A > B > C > D is the one order"),
        ("A>B A>C A>D", r"A > B > C > D is one of several orders"),
        ("m0>m1 m1>m2 m2>m3 m3>m4 m4>m5 m5>m6", r"m0 > m1 > m2 > m3 > m4 > … and 2 more"),
        ("A~B C~D A>C", r"2 groups .* each of which always beat the next: A, B \| C, D"),
        ("A~B C~D E~F A>C", r"3 groups that no chain of wins joins: "),
        ("A=B B=C A=C", "every one of the 36 comparisons is a tie"),
        ("A=B C>A C>B", "joined by ties only"),
        ("A~B A>C D>C", r"no chain of wins leads from D to A, B, or back"),
    ],
)
def test_what_has_no_scores_is_refused_by_name(tmp_path: Path, wins: str, said: str) -> None:
    for ties in ("davidson", "half"):
        with pytest.raises(DesignError, match=said):
            rank(duels(tmp_path, pairs(wins)), ties=ties)


def test_davidsons_ties_without_a_maximum_are_refused_and_halves_are_not(tmp_path: Path) -> None:
    # A beats B or ties, never loses: both the gap and the share of ties grow without end.
    rows = [*pairs("A>B A=B")]
    with pytest.raises(DesignError, match="--ties half"):
        rank(duels(tmp_path, rows))
    first, second = rank(duels(tmp_path, rows), ties="half").models
    # Half a win for each: 3/4 of the points, a gap of log 3.
    assert (first.model, first.score - second.score) == ("A", pytest.approx(np.log(3)))


def test_ties_as_halves_give_the_published_kind_of_elo(tmp_path: Path) -> None:
    # The points' maximum likelihood, by an independent optimiser on wins + ties / 2.
    rng = np.random.default_rng(8)
    names = ["A", "B", "C"]
    rows, points = [], np.zeros((3, 3))
    for k in range(240):
        a, b = rng.choice(3, 2, replace=False)
        choice = rng.choice(
            ["a", "b", "tie"], p=[0.5 - 0.1 * a + 0.05 * b, 0.2 + 0.1 * a - 0.05 * b, 0.3]
        )
        rows.append(f"r{k % 12},i{k % 20},{names[a]},{names[b]},{choice}")
        share = {"a": 1.0, "b": 0.0, "tie": 0.5}[choice]
        points[a, b] += share
        points[b, a] += 1 - share

    def loss(free: np.ndarray) -> float:
        theta = np.r_[0.0, free]
        return float((points * np.log1p(np.exp(theta[None, :] - theta[:, None]))).sum())

    best = np.r_[0.0, optimize.minimize(loss, np.zeros(2), tol=1e-12).x]
    found = rank(duels(tmp_path, rows), ties="half")
    score = {each.model: each.score for each in found.models}
    assert [score[name] for name in names] == pytest.approx(best - best.mean(), abs=1e-5)
    assert found.log_nu is None
    assert found.log_likelihood == pytest.approx(-loss(best[1:]), abs=1e-6)


def test_a_second_model_out_is_placed_below_the_first(tmp_path: Path) -> None:
    ranking = rank(duels(tmp_path, pairs("top>next next>x next>y x~y x>last y>last")))
    assert [each.model for each in ranking.models] == ["top", "next", "x", "y", "last"]
    top = ranking.models[0]
    assert (top.low, top.rank_low) == (None, 1)  # it met nobody with a score


def test_equal_scores_stand_by_name_whatever_the_order_of_the_rows(tmp_path: Path) -> None:
    rows = pairs("m~k k~z z~m m>a k>a z>a a>last", raters=7, items=5)
    random = np.random.default_rng(0)
    for _ in range(20):
        ranking = rank(duels(tmp_path, [str(row) for row in random.permutation(rows)]))
        assert [each.model for each in ranking.models] == ["k", "m", "z", "a", "last"]


def test_position_is_reported(tmp_path: Path) -> None:
    rows = [
        f"r{k % 10},i{k % 9},{'AB'[k % 2]},{'BA'[k % 2]},{'a' if k % 4 else 'b'}"
        for k in range(120)
    ]
    found = rank(duels(tmp_path, rows))
    assert found.first_share == pytest.approx(0.75)
    assert found.first_low < 0.75 < found.first_high
    assert "model_a was chosen in 75.0 % of the decided comparisons" in ranking_text(found)
    winners = rank(duels(tmp_path, [f"r{k % 5},i{k % 7},{'AB'[k % 3 > 0]},{'BA'[k % 3 > 0]},a"
                                    for k in range(30)]))  # fmt: skip
    assert "hold winners and losers, not positions" in ranking_text(winners)


def test_two_models_are_ranked_apart_only_where_their_interval_says_so(tmp_path: Path) -> None:
    # 11 wins to 9: once ranks 1 and 2 beside an interval of -0.52 to 0.72 (critical value 0).
    wins = "abababbaababbabbbbaa"
    rows = [f"r{k // 4},i{k % 4},A,B,{each}" for k, each in enumerate(wins)]
    ranking = rank(duels(tmp_path, rows))
    assert {(each.rank_low, each.rank_high) for each in ranking.models} == {(1, 2)}
    assert ranking.critical == pytest.approx(stats.t.ppf(0.975, 3))
    rows += [f"r{r},i{i},{m},C,a" for r in range(5) for i in range(4) for m in "AB"]
    three = rank(duels(tmp_path, rows))
    assert [e.model for e in three.models] == ["B", "A", "C"]
    assert all(e.rank_low == 1 and e.rank_high >= 2 for e in three.models[:2])


def test_an_interval_reaches_t_standard_errors_and_a_claim_half_a_vote_further(tmp_path: Path):
    table = duels(tmp_path, simulated({"w": 0.6, "x": 0.1, "y": -0.7}, 5, 8, 6))
    ranking = rank(table)
    size, codes = 3, {name: k for k, name in enumerate("wxy")}
    a, b, raters, items = (
        pd.factorize(table.table[name], sort=True)[0]
        for name in ("model_a", "model_b", "rater_id", "item_id")
    )
    fit = fit_bradley_terry(Contests(a, b, table.table["score"].to_numpy(), size), raters, items)
    for each in ranking.models:
        contrast = np.eye(size)[codes[each.model]]
        t = stats.t.ppf(0.975, fit.df(contrast, (7, 5, 47)))
        assert each.high - each.score == pytest.approx(t * np.sqrt(fit.variance(contrast)))
        needed = margin(fit, contrast, t)
        assert needed - (each.high - each.score) == pytest.approx(fit.half_vote(contrast))


def test_raters_and_items_that_all_split_alike_claim_nothing(tmp_path: Path) -> None:
    rows = [f"r{r},i{i},A,B,{'aab'[(r + i) % 3]}" for r in range(3) for i in range(3)]
    ranking = rank(duels(tmp_path, rows))
    assert ranking.models[0].high > ranking.models[0].low
    assert {(each.rank_low, each.rank_high) for each in ranking.models} == {(1, 2)}


def many_duels(rows: list[tuple[int, int, int, int, float]]) -> Duels:
    """Return (rater, item, a, b, score of a) as a file would give them; reading takes longest."""
    table = pd.DataFrame(rows, columns=["rater_id", "item_id", "model_a", "model_b", "score"])
    letters = {"rater_id": "r", "item_id": "i", "model_a": "m", "model_b": "m"}
    named = {name: letter + table[name].astype(str) for name, letter in letters.items()}
    return Duels(table.assign(**named), 0, 0, simulated=False)


def equal_models(rng: np.random.Generator, models: int, shape: tuple[int, int, int]) -> Duels:
    raters, items, times = shape
    return many_duels(
        [
            (r, i, *rng.choice(models, 2, replace=False), float(rng.integers(2)))
            for r, i, _ in np.ndindex(raters, items, times)
        ]
    )


@pytest.mark.slow
def test_two_equal_models_are_told_apart_in_at_most_5_percent_of_all_outcomes() -> None:
    # One vote each of n raters on n items: every outcome counted (n = 60: 5.2 % before; 5: 6.3).
    for votes in (3, 5, 6, 20, 60, 157):
        claimed = 0.0
        for wins in range(votes // 2):
            models = rank(many_duels([(k, k, 0, 1, float(k < wins)) for k in range(votes)])).models
            apart = models[0].rank_high == 1
            shown = models[0].low is not None and models[0].low > 0
            assert shown or not apart, f"{wins} of {votes}: a rank that the interval leaves open"
            claimed += 2 * stats.binom.pmf(wins, votes, 0.5) * apart
        assert claimed <= 0.05, f"{votes} votes: {claimed:.4f}"


@pytest.mark.statistical
@pytest.mark.parametrize("models", [2, 3, 12])
def test_equal_models_are_seldom_ranked_apart(models: int) -> None:
    # 8.8 % of studies of 2 models and 6 % of 3 and 4 were, nobody having effects.
    rng = np.random.default_rng(models)
    claims = 0
    for _ in range(150):
        ranking = rank(equal_models(rng, models, (10, 7, 1 if models < 6 else 3)))
        claims += any((e.rank_low, e.rank_high) != (1, models) for e in ranking.models)
    assert claims / 150 <= 0.05 + 2 * (0.05 * 0.95 / 150) ** 0.5


@pytest.mark.statistical
def test_the_clustered_interval_covers_the_truth_of_clustered_data() -> None:
    # Raters with tastes of their own (sd .5 on each model's score): the truth is the mean score.
    truth = np.array([0.5, 0.0, -0.5])
    hits = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        taste = 0.5 * rng.standard_normal((30, 3))
        look = 0.5 * rng.standard_normal((30, 3))
        rows = []
        for r in range(30):
            for i in rng.choice(30, 20, replace=False):
                a, b = rng.choice(3, 2, replace=False)
                mine = truth + taste[r] + look[i]
                win = rng.random() < 1 / (1 + np.exp(mine[b] - mine[a]))
                rows.append((r, i, a, b, float(win)))
        found = {each.model: each for each in rank(many_duels(rows)).models}
        # Averaging over tastes shrinks scores slightly towards 0; m1's truth is exactly 0.
        hits += found["m1"].low <= 0 <= found["m1"].high
    assert 0.90 <= hits / 100 <= 1.0


def test_pairs_seen_both_ways_and_names_that_look_alike_are_told(tmp_path: Path) -> None:
    """A rater who saw a pair twice the same way round was meant to: a repeat is told by its id."""
    rows = [f"r{k},i{k},gan,cdm,{'ab'[k % 2]}" for k in range(12)]
    assert not [note for note in rank(duels(tmp_path, [*rows, *rows])).notes if "orders" in note]
    turned = [f"r{k},i{k},cdm,gan,{'ab'[k % 2]}" for k in range(3)]
    told = rank(duels(tmp_path, [*rows, *turned])).notes
    assert "3 pairs shown in both orders to one rater on one item: each answer counts" in told
    greek = [row.replace("cdm", "gаn") for row in rows]
    told = rank(duels(tmp_path, greek)).notes
    assert "models 'gan' and 'gаn' ('g\\u0430n') look alike: each is ranked by itself" in told
