"""Fool rates: what must hold for any table, and the ends of the range."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.commands.fool_rates import fool_rates_payload, fool_rates_text
from analysis.commands.terminal import json_text
from analysis.errors import DesignError, TableError
from analysis.judgments.table import check_judgments
from analysis.models.simulation import crossed_judgments, random_design
from analysis.rates.fool_rates import EXACT, fool_rates


def table(rows: list[tuple[str, str, str, str]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["rater_id", "item_id", "condition", "fooled"])
    return check_judgments(frame, "test")


def crossed(values: np.ndarray, condition: str = "m") -> pd.DataFrame:
    return table(
        [
            (f"r{r}", f"i{i}", condition, str(int(value)))
            for r, row in enumerate(values)
            for i, value in enumerate(row)
        ]
    )


@st.composite
def studies(draw: st.DrawFn) -> list[tuple[str, str, str, str]]:
    raters, items = draw(st.integers(2, 7)), draw(st.integers(2, 7))
    cells = [(f"r{r}", f"i{i}") for r in range(raters) for i in range(items)]
    seen = draw(st.lists(st.sampled_from(cells), min_size=4, unique=True))
    answers = draw(
        st.lists(st.sampled_from(["0", "0", "1", "1", ""]), min_size=len(seen), max_size=len(seen))
    )
    return [(r, i, "m", a) for (r, i), a in zip(seen, answers, strict=True)]


def same(left: list, right: list) -> None:
    for a, b in zip(left, right, strict=True):
        for name, value in dataclasses.asdict(a).items():
            other = getattr(b, name)
            if isinstance(value, float) and other is not None:
                assert value == pytest.approx(other, rel=1e-7, abs=1e-12), name
            else:
                assert value == other, name


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(studies(), st.randoms(use_true_random=False))
def test_order_names_and_a_doubled_column_change_nothing(rows: list, random) -> None:
    before = fool_rates(table(rows))
    shuffled = random.sample(rows, len(rows))
    same(before, fool_rates(table(shuffled)))
    names = {f"r{r}": f"q{(r * 5 + 3) % 7}" for r in range(7)}
    same(before, fool_rates(table([(names[r], i, c, a) for r, i, c, a in rows])))
    frame = table(rows)
    frame["item_again"] = frame["item_id"]
    same(before, fool_rates(frame))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(studies(), st.sampled_from(["population", "fixed-images"]))
def test_an_interval_holds_its_rate_and_stays_in_range(rows: list, estimand: str) -> None:
    for record in fool_rates(table(rows), estimand=estimand):
        if record.low is None:
            assert record.high is None
            assert record.flags
        else:
            assert 0 <= record.low <= record.rate <= record.high <= 1


def test_adding_an_item_effect_widens_the_interval() -> None:
    rng = np.random.default_rng(3)
    codes = random_design(rng, 40, 60, 30)
    widths = []
    for sd in (0.0, 1.0, 2.0):
        y = crossed_judgments(np.random.default_rng(4), codes, rate=0.4, sds=(0.5, sd))[:, 0]
        rows = [(f"r{r}", f"i{i}", "m", str(int(v))) for r, i, v in zip(*codes, y, strict=True)]
        record = fool_rates(table(rows))[0]
        widths.append(record.high - record.low)
    assert widths[0] < widths[1] < widths[2]


def test_a_balanced_table_by_hand() -> None:
    # 3 raters x 4 images; every number below was worked out with a pencil from statistics.md §3.
    record = fool_rates(crossed(np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]])))[0]
    p, n = 0.5, 12
    v_rater = (0 + 1 + 1) / (1 - 1 / 3) / n**2
    v_item = (1.5**2 + 0.5**2 + 0.5**2 + 1.5**2) / (1 - 1 / 4) / n**2
    # Residual of the additive fit: SS_total 3 - SS_rater 0.5 - SS_item 5/3 = 5/6, on 6 df.
    v_residual = (5 / 6) / 6 / n
    total = max(v_rater + v_item - v_residual, v_item, p * (1 - p) / n)
    df = (v_rater + v_item) ** 2 / (v_rater**2 / 2 + v_item**2 / 3)
    t, n_eff = stats.t.ppf(0.975, df), p * (1 - p) / total
    half = t * np.sqrt(p * (1 - p) / n_eff + t**2 / (4 * n_eff**2)) / (1 + t**2 / n_eff)
    assert record.se == pytest.approx(total**0.5)
    assert record.df == pytest.approx(df)
    assert record.n_eff == pytest.approx(n_eff)
    assert (record.low, record.high) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))


def test_fixed_images_is_the_t_interval_of_balanced_rater_means() -> None:
    values = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0], [0, 0, 1, 0]])
    record = fool_rates(crossed(values), estimand="fixed-images")[0]
    means = values.mean(axis=1)
    low, high = stats.t.interval(0.95, 3, means.mean(), stats.sem(means))
    assert (record.low, record.high) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize(("share", "low", "high"), [(0, 0.0, 0.2471), (1, 0.7529, 1.0)])
def test_nobody_or_everybody_fooled_is_exact_on_raters(share: int, low: float, high: float) -> None:
    # R 4.2.2: binom.test(0, 13)$conf.int is 0 to 0.2470526.
    record = fool_rates(crossed(np.full((13, 12), share)))[0]
    assert record.method == EXACT
    assert (record.low, record.high) == (
        pytest.approx(low, abs=1e-4),
        pytest.approx(high, abs=1e-4),
    )
    assert "was never picked" in record.flags[0] or "was always picked" in record.flags[0]


def test_one_rater_or_one_image_is_refused_by_name() -> None:
    one_rater = fool_rates(crossed(np.array([[1, 0, 1]])))[0]
    assert (one_rater.method, one_rater.low) == ("refused", None)
    assert "1 rater, at least 2" in one_rater.flags[0]
    one_item = crossed(np.array([[1], [0], [1]]))
    assert "1 image, at least 2" in fool_rates(one_item)[0].flags[0]
    assert fool_rates(one_item, estimand="fixed-images")[0].low is not None
    with pytest.raises(DesignError, match="condition 'm': no interval over new raters: 1 rater"):
        fool_rates_payload(crossed(np.array([[1, 0, 1]])))


def test_all_skipped_has_no_rate_and_says_so() -> None:
    rows = [("a", "x", "m", ""), ("b", "x", "m", ""), ("a", "x", "k", "1"), ("b", "y", "k", "0")]
    skipped = fool_rates(table(rows))[1]
    assert (skipped.trials, skipped.skipped, skipped.rate, skipped.method) == (0, 2, None, "none")
    assert "all 2 were skipped" in skipped.flags[0]
    text = fool_rates_text(fool_rates_payload(table(rows)))
    assert "note: m: no answered trial: all 2 were skipped" in text


def test_skips_are_never_counted_as_wrong() -> None:
    rows = [("a", "x", "m", "1"), ("a", "y", "m", ""), ("b", "x", "m", "0"), ("b", "y", "m", "1")]
    record = fool_rates(table(rows))[0]
    assert (record.fooled, record.trials, record.skipped) == (2, 3, 1)


def test_few_raters_and_images_are_flagged() -> None:
    record = fool_rates(crossed(np.array([[1, 0, 1], [0, 1, 1], [0, 0, 1]])))[0]
    assert any("only 3 raters" in flag for flag in record.flags)
    assert any("only 3 images" in flag for flag in record.flags)


def test_grouping_and_the_json_of_issue_2() -> None:
    frame = crossed(np.array([[1, 0, 1, 1], [0, 1, 1, 0], [0, 0, 1, 1]]))
    frame["side"] = ["left", "right"] * 6
    payload = fool_rates_payload(frame, by=["side"])
    assert [entry["group"] for entry in payload["fool_rates"]] == [
        {"side": "left"},
        {"side": "right"},
    ]
    promised = (
        "condition task estimand fooled trials raters items rate low high se df n_eff deff method"
    )
    entry = json.loads(json_text(payload))["fool_rates"][0]
    assert set(promised.split()) <= set(entry)
    with pytest.raises(TableError, match="no column 'sied'"):
        fool_rates(frame, by="sied")
    with pytest.raises(DesignError, match="estimand is 'both'"):
        fool_rates(frame, estimand="both")


@pytest.mark.statistical
@pytest.mark.parametrize("raters_items_trials", [(50, 100, 50), (12, 20, 20)])
def test_the_population_interval_covers_the_truth(
    raters_items_trials: tuple[int, int, int],
) -> None:
    from analysis.inference.two_way import design
    from analysis.rates.fool_rates import two_way_interval

    rng = np.random.default_rng(6)
    hits = []
    for rate, sd in ((0.1, 0.5), (0.3, 1.0), (0.5, 1.0)):
        for _ in range(10):
            codes = random_design(rng, *raters_items_trials)
            y = crossed_judgments(rng, codes, rate=rate, sds=(sd, sd), sets=60)
            _, low, high, _ = two_way_interval(y, design(*codes))
            hits.append((low <= rate) & (rate <= high))
    assert 0.93 <= np.mean(hits) <= 0.97  # 1,800 studies
