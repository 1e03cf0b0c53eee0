"""Fool rates: what must hold for any table, and the ends of the range."""

from __future__ import annotations

import dataclasses
import functools
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq

from analysis.commands.fool_rates import fool_rates_payload, fool_rates_text
from analysis.commands.tables.terminal import json_text
from analysis.comparisons.comparisons import compare
from analysis.errors import DesignError, TableError
from analysis.judgments.table import check_judgments
from analysis.models.simulation import crossed_judgments, random_design
from analysis.rates.fool_rates import EXACT, fool_rates
from analysis.rates.rater_means import published_rate


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


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(studies(), st.sampled_from(["population", "fixed-images", "rater-average"]))
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
    # 3 raters x 4 images; each number below was worked out with a pencil from docs/statistics.md.
    record = fool_rates(crossed(np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]])))[0]
    p, n = 0.5, 12
    v_rater = (0 + 1 + 1) / (1 - 1 / 3) / n**2
    v_item = (1.5**2 + 0.5**2 + 0.5**2 + 1.5**2) / (1 - 1 / 4) / n**2
    # Residual of the additive fit: SS_total 3 - SS_rater 0.5 - SS_item 5/3 = 5/6, on 6 df.
    v_residual = (5 / 6) / 6 / n
    total = max(v_rater + v_item - v_residual, v_item, p * (1 - p) / n)
    df = (v_rater + v_item) ** 2 / (v_rater**2 / 2 + v_item**2 / 3)
    t, n_eff, chance = stats.t.ppf(0.975, df), p * (1 - p) / total, v_residual / total

    def outside(null: float) -> float:
        ratio = null * (1 - null) / (p * (1 - p))
        return (p - null) ** 2 - t**2 * total * ((1 - chance) * ratio**1.5 + chance * ratio)

    low, high = brentq(outside, 1e-9, 0.499), brentq(outside, 0.501, 1 - 1e-9)
    assert record.se == pytest.approx(total**0.5)
    assert record.df == pytest.approx(df)
    assert record.n_eff == pytest.approx(n_eff)
    assert record.v_overlap == pytest.approx(v_residual)
    assert (record.low, record.high) == (pytest.approx(low), pytest.approx(high))


def test_fixed_images_has_the_error_of_balanced_rater_means() -> None:
    values = np.array([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 0]])
    record = fool_rates(crossed(values), estimand="fixed-images")[0]
    means = values.mean(axis=1)
    assert record.se == pytest.approx(stats.sem(means))
    assert record.df == pytest.approx(3, abs=0.05)
    published = published_rate(crossed(values), alpha=0.5)
    assert (published.low, published.high) == pytest.approx(
        stats.t.interval(0.5, 3, means.mean(), stats.sem(means))
    )


def test_raters_who_all_had_the_same_rate_do_not_make_an_interval_of_no_width() -> None:
    record = fool_rates(crossed(np.tile([1, 0, 0, 0], (5, 1))), estimand="fixed-images")[0]
    assert record.high - record.low > 0.1


def test_rater_average_is_the_mean_of_rater_means_over_new_images_too() -> None:
    rows = [("a", f"i{k}", "m", "1" if k < 6 else "0") for k in range(8)]
    rows += [
        ("b", "i0", "m", "0"),
        ("b", "i1", "m", "1"),
        ("c", "i1", "m", "0"),
        ("c", "i2", "m", "0"),
    ]
    record = fool_rates(table(rows), estimand="rater-average")[0]
    assert record.rate == pytest.approx((6 / 8 + 1 / 2 + 0) / 3)
    assert record.low < record.rate < record.high
    balanced = crossed(np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]]))
    alike, pooled = (fool_rates(balanced, estimand=e)[0] for e in ("rater-average", "population"))
    assert (alike.rate, alike.low, alike.high) == pytest.approx(
        (pooled.rate, pooled.low, pooled.high)
    )


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
    from analysis.inference.clustered.crossed_design import design
    from analysis.rates.fool_rates import share_intervals

    rng = np.random.default_rng(6)
    hits = []
    for rate, sd in ((0.1, 0.5), (0.3, 1.0), (0.5, 1.0)):
        for _ in range(10):
            codes = random_design(rng, *raters_items_trials)
            y = crossed_judgments(rng, codes, rate=rate, sds=(sd, sd), sets=60)
            _, low, high = share_intervals(y, design(*codes))
            hits.append((low <= rate) & (rate <= high))
    assert 0.93 <= np.mean(hits) <= 0.97  # 1,800 studies


def going_on(rng: np.random.Generator, informative: bool) -> pd.DataFrame:
    """Return 40 raters with 3 to 100 trials: more, the more they are fooled, if informative."""
    places, fooled = [], []
    v = 0.8 * rng.standard_normal(100)
    for r in range(40):
        u = rng.standard_normal()
        drive = u if informative else rng.standard_normal()
        count = int(np.clip(30 * np.exp(drive), 3, 100))
        items = rng.choice(100, count, replace=False)
        chances = 1 / (1 + np.exp(-(-0.5 + 0.8 * u + v[items])))
        places.append(100 * r + items)
        fooled.append((rng.random(count) < chances).astype(float))
    chosen = every_cell().iloc[np.concatenate(places)].reset_index(drop=True)
    return chosen.assign(fooled=np.concatenate(fooled))


@functools.cache
def every_cell() -> pd.DataFrame:
    """Return 40 raters on 100 images, checked once: checking takes longer than an estimate."""
    return crossed(np.zeros((40, 100)))


def test_raters_who_go_on_because_they_are_fooled_are_told_of() -> None:
    warned = fool_rates(going_on(np.random.default_rng(1), informative=True))[0]
    said = [flag for flag in warned.flags if "raters with more trials have other rates" in flag]
    assert len(said) == 1
    assert "--estimand rater-average" in said[0]
    text = fool_rates_text(fool_rates_payload(going_on(np.random.default_rng(1), True)))
    assert "note: m: raters with more trials have other rates" in text
    alike = fool_rates(going_on(np.random.default_rng(1), True), estimand="rater-average")[0]
    assert not any("raters with more trials" in flag for flag in alike.flags)


def test_a_comparison_tells_of_raters_who_go_on_too() -> None:
    one = going_on(np.random.default_rng(1), informative=True)
    two = going_on(np.random.default_rng(2), informative=False).assign(condition="n")
    both = table(
        [
            (r, i, c, str(int(f)))
            for frame in (one, two)
            for r, i, c, f in zip(
                frame["rater_id"],
                frame["item_id"],
                frame["condition"],
                frame["fooled"],
                strict=True,
            )
        ]
    )
    flags = compare(both)[0].flags
    assert len(flags) == 1
    assert flags[0].startswith("first condition: raters with more trials have other rates")
    assert compare(both, estimand="rater-average")[0].flags == ()


@pytest.mark.statistical
def test_counts_that_go_with_rates_are_found_and_others_are_not() -> None:
    def warns(informative: bool, seeds: range) -> float:
        found = [
            fool_rates(going_on(np.random.default_rng(seed), informative))[0].flags
            for seed in seeds
        ]
        return float(np.mean([any("more trials" in flag for flag in each) for each in found]))

    assert warns(True, range(40)) > 0.9
    assert warns(False, range(120)) < 0.05  # tests at 1 %, of raters and of images


@pytest.mark.statistical
def test_the_rater_average_covers_where_counts_go_with_rates() -> None:
    # The pooled rate's interval covered 38 %: its rate is that of those who go on.
    nodes = np.random.default_rng(0).standard_normal((2, 400_000))
    truth = (1 / (1 + np.exp(-(-0.5 + 0.8 * nodes[0] + 0.8 * nodes[1])))).mean()
    hits = {"rater-average": 0, "population": 0}
    for seed in range(120):
        frame = going_on(np.random.default_rng(1000 + seed), informative=True)
        for estimand in hits:
            record = fool_rates(frame, estimand=estimand)[0]
            hits[estimand] += record.low <= truth <= record.high
    assert 0.91 <= hits["rater-average"] / 120 <= 0.99
    assert hits["population"] / 120 < 0.6
