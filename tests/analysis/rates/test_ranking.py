"""Rankings from direct comparisons: recovery, bounds, connectivity, bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.errors import DesignError, TableError
from analysis.judgments.duels import read_duels
from analysis.rates.ranking import elo, rank, ranking_text

HEADER = "rater_id,item_id,model_a,model_b,choice\n"


def duels(tmp_path: Path, rows: list[str]):
    path = tmp_path / "duels.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n")
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
    rows += [f"r{r},i{i},best,{m},a" for r in range(12) for i in range(3) for m in "xy"]
    rows += [f"r{r},i{i},{m},worst,a" for r in range(12) for i in range(3) for m in "xy"]
    ranking = rank(duels(tmp_path, rows))
    assert [each.model for each in ranking.models] == ["best", "x", "y", "worst"]
    best, worst = ranking.models[0], ranking.models[-1]
    assert (best.score, best.high, best.wins, best.losses) == (None, None, 72, 0)
    assert best.low > 0
    assert (worst.score, worst.low) == (None, None)
    assert worst.high < 0
    assert "best never lost: a bound in place of a score" in ranking_text(ranking)


def test_two_models_of_which_one_always_won(tmp_path: Path) -> None:
    rows = [f"r{r},i{i},a,b,a" for r in range(5) for i in range(4)]
    first, second = rank(duels(tmp_path, rows)).models
    assert (first.model, first.score, second.score) == ("a", None, 0.0)
    # Each of 5 raters counts once: 5·(-log P) = χ²(.95)/2 = 1.92 at the bound, P = .681.
    assert 1 / (1 + np.exp(-first.low)) == pytest.approx(np.exp(-3.841459 / 2 / 5), abs=1e-6)


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


def test_one_rater_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match="at least 2 raters, found 1"):
        rank(duels(tmp_path, ["r,i,a,b,a", "r,j,a,b,b"]))


@pytest.mark.statistical
def test_the_clustered_interval_covers_the_truth_of_clustered_data(tmp_path: Path) -> None:
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
                rows.append(f"r{r},i{i},m{a},m{b},{'a' if win else 'b'}")
        found = {each.model: each for each in rank(duels(tmp_path, rows)).models}
        # Averaging over tastes shrinks scores slightly towards 0; m1's truth is exactly 0.
        hits += found["m1"].low <= 0 <= found["m1"].high
    assert 0.90 <= hits / 100 <= 1.0
