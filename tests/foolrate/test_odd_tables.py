"""Tables as notebooks have them: names that are numbers, levels of an index, floats from gaps."""

from __future__ import annotations

import re
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import foolrate as fr


@pytest.fixture
def table() -> pd.DataFrame:
    """Judgments with numbers for names: raters and images 0..5, conditions 1 and 2."""
    random = np.random.default_rng(0)
    rows = [
        (rater, item, condition, int(random.random() < 0.4))
        for condition in (1, 2)
        for rater in range(6)
        for item in range(6)
    ]
    return pd.DataFrame(rows, columns=["rater_id", "item_id", "condition", "fooled"])


def test_whole_numbers_that_became_floats_are_the_same_ids(table: pd.DataFrame) -> None:
    gaps = pd.concat([table, pd.DataFrame([{"fooled": np.nan}])])  # pandas makes floats of all
    assert gaps["item_id"].dtype == "float64"
    found, expected = fr.judgments(gaps.dropna()), fr.judgments(table)
    for column in ("rater_id", "item_id", "condition"):
        assert list(found[column]) == list(expected[column])
    with pytest.raises(fr.AnalysisError, match=r"row 72: rater_id is empty \(1 row\)"):
        fr.judgments(gaps)
    halves = fr.judgments(table.assign(rater_id=table["rater_id"] + 0.5))
    assert sorted(halves["rater_id"].cat.categories)[0] == "0.5"
    niqe = pd.DataFrame({"niqe": range(6)})
    scores: Any = {1: fr.own_scores(niqe, direction="lower", source="pyiqa 0.1.16")}
    assert fr.correlate(gaps.dropna(), scores).notes == ()


def test_levels_of_an_index_are_columns(table: pd.DataFrame) -> None:
    excluded = table.assign(excluded=table["rater_id"] == 3, country="no")
    expected = fr.rates(excluded, by="country").frame
    levels = excluded.set_index(["rater_id", "excluded", "country"])
    pd.testing.assert_frame_equal(fr.rates(levels, by="country").frame, expected)
    assert set(expected["raters"]) == {5}
    answers = table.set_index(["rater_id", "item_id", "condition"])["fooled"]
    found: Any = fr.rates(answers)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(found.frame, fr.rates(table).frame)


def test_conditions_that_are_numbers_are_named_by_numbers(table: pd.DataFrame) -> None:
    number: Any = 1
    found = fr.compare(table, baseline=number)
    assert (found.frame["first"][0], found.frame["second"][0]) == ("2", "1")
    assert fr.power(table, condition=number).designs == fr.power(table, condition="1").designs
    assert fr.rates(table, real=number).frame.equals(fr.rates(table, real="1").frame)
    named = table.replace({"condition": {1: "bicubic", 2: "sr3"}})
    family: Any = "bicubic"
    assert fr.compare(named, family=family).against == fr.compare(named, family=["bicubic"]).against


def test_rows_without_a_group_are_a_group_as_in_a_file(table: pd.DataFrame) -> None:
    ages = table["rater_id"].map({0: 30, 1: 30, 2: 30})  # floats, and missing for three raters
    found = fr.rates(table.assign(age=ages), by="age")
    assert found.frame[["condition", "age", "trials"]].values.tolist() == [
        [model, age, 18] for model in "12" for age in ("", "30")
    ]
    assert "1, 30: only 3 raters" in " ".join(found.view.notes)


def test_a_group_does_not_overwrite_a_number_of_the_result(table: pd.DataFrame) -> None:
    table = table.assign(items="x", condition=table["condition"].astype(str))
    with pytest.raises(fr.AnalysisError, match="by is 'items', which the result has a column of"):
        fr.rates(table, by="items")
    assert fr.rates(table, by="condition").frame.equals(fr.rates(table).frame)


def test_a_name_is_drawn_as_it_is(table: pd.DataFrame) -> None:
    axes = fr.rates(table.replace({"condition": {1: r"$\lost$", 2: "a$b$"}})).plot()
    axes.figure.canvas.draw()
    assert not any(label.get_parse_math() for label in axes.get_yticklabels())
    plt.close("all")


def test_one_condition_has_verdicts_and_no_pair(table: pd.DataFrame) -> None:
    found = fr.compare(table[table["condition"] == 1])
    assert list(found.frame[["first", "second", "difference"]]) == ["first", "second", "difference"]
    assert len(found.verdicts) == 1
    assert "There is one condition, and so no pair." in found._repr_html_()
    with pytest.raises(fr.AnalysisError, match="nothing to draw"):
        found.plot()


def test_conditions_that_look_alike_are_named(table: pd.DataFrame) -> None:
    alike = table.replace({"condition": {1: "SR3", 2: "sr3"}})
    (note,) = fr.rates(alike).notes
    assert "look alike and count as different" in note
    assert "`" not in note
    raters = table.assign(rater_id=[" 1" if r == 0 else str(r) for r in table["rater_id"]])
    with pytest.raises(fr.AnalysisError, match=r"one or two\? table\.replace\(…\) makes them one$"):
        fr.rates(raters)


@pytest.mark.parametrize("rows", [1, 6, 0])
def test_what_is_too_little_for_an_interval_is_shown(table: pd.DataFrame, rows: int) -> None:
    few = table.iloc[:rows] if rows else table.assign(fooled=np.nan)
    rates = fr.rates(few)
    assert "nan" not in rates._repr_html_()
    assert "nan" not in rates.latex()
    rates.plot()
    plt.close("all")


def test_what_is_no_axes_is_refused(table: pd.DataFrame) -> None:
    rates = fr.rates(table)
    figure, both = plt.subplots(1, 2)
    assert rates.plot(ax=both[0]) is both[0]
    for wrong, name in ((figure, "Figure"), (both, "ndarray")):
        with pytest.raises(fr.AnalysisError, match=f"ax is a {name}, expected one of matplotlib's"):
            rates.plot(wrong)  # type: ignore[arg-type]
    plt.close("all")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"raters": np.nan}, "raters is nan, expected a number"),
        ({"raters": 2.5}, "raters is 2.5, expected a whole number, 2 or more"),
        ({"trials": 0}, "trials is 0, expected a whole number, 1 or more"),
        ({"difference": np.inf}, "difference is inf, expected a number"),
    ],
)
def test_designs_of_other_numbers_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(fr.AnalysisError, match=words):
        fr.power(**wrong)


def test_numpys_numbers_are_numbers() -> None:
    found = fr.power(raters=np.int64(40), items=np.int32(80), rate=np.float32(0.5))
    assert found.designs == fr.power(raters=40, items=80, rate=0.5).designs


def test_what_newcomers_get_wrong_is_said(table: pd.DataFrame) -> None:
    class Lazy:
        def collect(self) -> None: ...

    own: dict[str, Any] = {"direction": "lower", "source": "pyiqa 0.1.16"}
    names = pd.DataFrame({"name": ["0", "1"], "niqe": [4.0, 5.0]})
    image = {"0": np.zeros((16, 16, 3), np.uint8)}
    calls: list[tuple[str, Any]] = [
        ("no column 3 to group by", lambda: fr.rates(table, by=3)),  # type: ignore[arg-type]
        ("permutations is -1, expected a whole", lambda: fr.compare(table, permutations=-1)),
        ("seed is 'x', expected a whole number", lambda: fr.compare(table, seed="x")),  # type: ignore[arg-type]
        ("is a Lazy, expected a DataFrame: table.collect()", lambda: fr.rates(Lazy())),  # type: ignore[arg-type]
        ("no column 'item_id', found name, niqe", lambda: fr.own_scores(names, **own)),
        ("holds complex numbers", lambda: fr.own_scores(names[["niqe"]] * 1j, **own)),
        ("device is 'gpu', expected cpu, cuda", lambda: fr.score(image, image, device="gpu")),
        ("device is 'cpu:0', expected", lambda: fr.score(image, image, device="cpu:0")),
        ("precision is 'fp16', expected", lambda: fr.score(image, image, precision="fp16")),
    ]
    for words, call in calls:
        with pytest.raises((fr.AnalysisError, fr.MetricError), match=re.escape(words)):
            call()
