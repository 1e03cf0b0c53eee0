"""Exclusion rules: each by itself, the flow, and what is never a reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.errors import DesignError
from analysis.inference.agreement import judgments_alpha, split_half
from analysis.judgments.rules import given_rules
from analysis.judgments.table import check_judgments
from analysis.models.simulation import crossed_judgments, random_design
from analysis.raters.exclusions import RULES, apply_exclusions, exclusions
from analysis.raters.facts import longest_run, rater_facts
from analysis.rates.fool_rates import fool_rates
from analysis.rates.shrinkage import item_rates, rater_rates


def study(raters: int = 12, trials: int = 20, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for r in range(raters):
        for t in range(trials):
            side = "left" if rng.random() < 0.5 else "right"
            rows.append(
                {"rater_id": f"r{r:02d}", "item_id": f"i{t}", "condition": "m", "kind": "main",
                 "fooled": str(int(rng.random() < 0.4)), "choice": side, "position": str(t),
                 "rt_ms": str(1000 + 20 * t), "session_id": f"s{r}"}
            )  # fmt: skip
        for c in range(3):
            rows.append(
                {"rater_id": f"r{r:02d}", "item_id": f"c{c}", "condition": "m", "kind": "catch",
                 "fooled": "0", "choice": "left", "position": str(90 + c), "rt_ms": "900",
                 "session_id": f"s{r}"}
            )  # fmt: skip
    return pd.DataFrame(rows)


def checked(frame: pd.DataFrame) -> pd.DataFrame:
    return check_judgments(frame.reset_index(drop=True), "test")


def rows_of(frame: pd.DataFrame, rater: str, kind: str = "main") -> pd.Series:
    return (frame["rater_id"] == rater) & (frame["kind"] == kind)


def break_catch(f):
    f.loc[f.index[rows_of(f, "r03", "catch")][:1], "fooled"] = "1"
    f.loc[f.index[rows_of(f, "r03", "catch")][1:2], "fooled"] = ""  # a skipped one has failed


def break_skips(f):
    f.loc[f.index[rows_of(f, "r03")][:6], "fooled"] = ""


def break_trials(f):
    f.loc[f.index[rows_of(f, "r03")][5:], "fooled"] = ""


def break_fast(f):
    f.loc[rows_of(f, "r03"), "rt_ms"] = "120"


def break_slow(f):
    f.loc[rows_of(f, "r03"), "rt_ms"] = "90000"


def break_side(f):
    f.loc[rows_of(f, "r03"), "choice"] = "left"


def break_run(f):
    f.loc[f.index[rows_of(f, "r03")][:15], "choice"] = "left"


def break_sessions(f):
    f.loc[f.index[rows_of(f, "r03")][:4], "session_id"] = "another"


BROKEN = [
    ("max_failed_catch", 1, break_catch),
    ("max_skipped_share", 0.2, break_skips),
    ("min_main_trials", 10, break_trials),
    ("min_median_rt_ms", 300, break_fast),
    ("rt_tukey_factor", 3, break_slow),
    ("side_bias_alpha", 0.01, break_side),
    ("max_same_side_run", 14, break_run),
    ("max_sessions", 1, break_sessions),
]


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "limit", "broken"), BROKEN, ids=[b[0] for b in BROKEN])
def test_each_rule_finds_its_rater_alone(rule: str, limit: float, broken) -> None:
    frame = study()
    assert exclusions(checked(frame), {rule: limit}).reasons == {}
    broken(frame)
    found = exclusions(checked(frame), {rule: limit})
    assert found.reasons == {"r03": (rule,)}
    assert [(step.step, step.raters_out, step.raters) for step in found.flow] == [
        ("in the file", 0, 12),
        (rule, 1, 11),
    ]


def test_repeats_that_disagree() -> None:
    frame = study().assign(trial_id=lambda f: [f"t{k}" for k in range(len(f))])
    again = frame[rows_of(frame, "r03") | rows_of(frame, "r04")].copy()
    again["trial_id"] = [f"u{k}" for k in range(len(again))]
    turned = again["rater_id"] == "r03"
    again.loc[turned, "fooled"] = (1 - again.loc[turned, "fooled"].astype(int)).astype(str)
    found = exclusions(checked(pd.concat([frame, again])), {"min_repeat_consistency": 0.6})
    assert found.reasons == {"r03": ("min_repeat_consistency",)}


def test_a_rater_leaves_once_but_every_reason_is_told() -> None:
    frame = study()
    break_catch(frame)
    break_fast(frame)
    found = exclusions(checked(frame), {"min_median_rt_ms": 300, "max_failed_catch": 1})
    assert found.reasons["r03"] == ("max_failed_catch", "min_median_rt_ms")
    assert [step.raters_out for step in found.flow] == [0, 1, 0]


def test_excluded_raters_are_out_of_the_rates_and_the_rest_untouched() -> None:
    frame = study()
    break_fast(frame)
    table = checked(frame)
    kept = apply_exclusions(table, exclusions(table, {"min_median_rt_ms": 300}))
    assert fool_rates(kept)[0].raters == 11
    assert fool_rates(table)[0].raters == 12


def test_being_at_chance_is_no_rule_and_rules_are_strict() -> None:
    assert not [name for name in RULES if "chance" in name or "fooled" in name or "rate" in name]
    with pytest.raises(DesignError, match="no rule 'max_faild_catch', did you mean"):
        given_rules({"max_faild_catch": 1})
    with pytest.raises(DesignError, match="limit of max_failed_catch is 'one'"):
        given_rules({"max_failed_catch": "one"})
    assert given_rules({"max_failed_catch": None}) == {}


def test_a_file_that_records_little_breaks_nothing() -> None:
    bare = study()[["rater_id", "item_id", "condition", "fooled", "kind"]]
    found = exclusions(checked(bare), {name: 0.5 for name in RULES if name != "max_failed_catch"})
    assert found.reasons == {}
    facts = rater_facts(checked(bare))
    assert facts["median_rt_ms"].isna().all()


def test_longest_run() -> None:
    assert longest_run(np.array([True, True, False, False, False, True])) == 3
    assert longest_run(np.array([], dtype=bool)) == 0


@pytest.mark.slow
def test_alpha_and_split_half_see_signal_and_noise() -> None:
    def table(sds):
        rng = np.random.default_rng(1)
        codes = random_design(rng, 40, 60, 40)
        y = crossed_judgments(rng, codes, rate=0.5, sds=sds)[:, 0].astype(int).astype(str)
        return checked(
            pd.DataFrame(
                {"rater_id": [f"r{r}" for r in codes[0]], "item_id": [f"i{i}" for i in codes[1]],
                 "condition": "m", "fooled": y}
            )
        )  # fmt: skip

    noise, signal = table((0.0, 0.0)), table((0.0, 2.0))
    assert judgments_alpha(noise) == pytest.approx(0, abs=0.03)
    assert judgments_alpha(signal) > 0.25
    assert abs(split_half(noise)) < 0.35
    assert split_half(signal) > 0.9
    assert split_half(signal, seed=1) == split_half(signal, seed=1)
    assert np.isnan(split_half(noise[noise["rater_id"].isin(["r1", "r2"])]))


def test_a_three_judgment_image_does_not_top_the_list() -> None:
    rows = [(f"r{r}", f"i{i}", str(int((r * 7 + i * 3) % 10 < 4 + i % 3))) for r in range(30)
            for i in range(10)]  # fmt: skip
    rows += [(f"r{r}", "few", "1") for r in range(3)]
    rows += [(f"r{r}", "many", str(int(r != 5))) for r in range(30)]
    frame = pd.DataFrame(rows, columns=["rater_id", "item_id", "fooled"]).assign(condition="m")
    table = item_rates(checked(frame))
    assert table["item_id"].iloc[0] == "many"
    few = table.set_index("item_id").loc["few"]
    assert few["rate"] == 1.0
    assert few["low"] < few["shrunken"] < few["high"] < 1.0
    raters = rater_rates(checked(frame))
    assert len(raters) == 30
    assert raters["shrunken"].is_monotonic_decreasing


def test_shrinkage_with_nobody_fooled() -> None:
    frame = study(4, 5).assign(fooled="0")
    table = item_rates(checked(frame[frame["kind"] == "main"]))
    assert (table["shrunken"] > 0).all()
    assert (table["shrunken"] < 0.2).all()
