"""The Python surface gives what the commands give, and refuses what they refuse."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import foolrate as fr
from analysis.commands.compare import compare_payload
from analysis.commands.fool_rates import fool_rates_payload
from analysis.commands.power import power_payload
from analysis.commands.tables.terminal import plain
from analysis.judgments.duels import read_duels
from analysis.judgments.table import read_judgments
from analysis.rankings.ranking import rank
from analysis.report import build, trackers
from metrics.scores import ScoreError

matplotlib.use("Agg")
DESIGN: dict[str, Any] = {"items": 60, "trials": 30, "rate": 0.4, "pay_per_hour": 12.0}


def made_up(**columns: Any) -> pd.DataFrame:
    random = np.random.default_rng(3)
    rows = [
        (f"0{r}", f"photo_{i}", name, random.random() < rate)
        for name, rate in (("a", 0.2), ("b & c", 0.45), ("c", 0.5))
        for r in range(12)
        for i in range(10)
    ]
    table = pd.DataFrame(rows, columns=["rater_id", "item_id", "condition", "fooled"])
    return table.assign(**columns)


@pytest.fixture
def judgments() -> pd.DataFrame:
    return made_up()


@pytest.fixture
def file(judgments: pd.DataFrame, tmp_path: Path) -> pd.DataFrame:
    """The same judgments as a file has them."""
    path = tmp_path / "judgments.csv"
    judgments.assign(fooled=judgments["fooled"].astype(int)).to_csv(path, index=False)
    return read_judgments(path)


def test_rates_are_those_of_the_command(judgments: pd.DataFrame, file: pd.DataFrame) -> None:
    found = fr.rates(judgments, estimand="fixed-images", alpha=0.1)
    expected = fool_rates_payload(file, estimand="fixed-images", alpha=0.1)["fool_rates"]
    assert plain(found.records) == expected
    assert found.frame["low"].tolist() == [each["low"] for each in expected]


@pytest.mark.slow
def test_comparisons_are_those_of_the_command(judgments: pd.DataFrame, file: pd.DataFrame) -> None:
    found = fr.compare(judgments, baseline="a", correction="bh", margin=0.1)
    expected = compare_payload(file, baseline="a", correction="bh", margin=0.1)
    assert plain(found.pairs) == expected["comparisons"]
    assert plain(found.against) == expected["against_half"]
    single = fr.compare(judgments, real="c")
    assert plain(single.against) == compare_payload(file, real="c")["against_real"]
    assert [pair.first for pair in single.pairs] == ["a"]


@pytest.mark.slow
def test_plans_are_those_of_the_command() -> None:
    options = {"sd_rater": 0.8, "sd_item": 0.8, "difference": 0.08, "alpha": 0.05}
    for size in ({"target": 0.06}, {"raters": 40}):
        expected = power_payload(**DESIGN, **options, **size)["plans"]  # type: ignore[arg-type]
        assert plain(fr.power(**DESIGN, **size).designs) == expected


@pytest.mark.slow
def test_a_ranking_is_that_of_the_command(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    rows = [
        (f"r{r}", f"i{i}", *pair, str(random.choice(["a", "b", "tie"])))
        for r in range(6)
        for i in range(6)
        for pair in (("x", "y"), ("y", "z"), ("x", "z"))
    ]
    table = pd.DataFrame(rows, columns=["rater_id", "item_id", "model_a", "model_b", "choice"])
    table.loc[3, "choice"] = None
    table.to_csv(tmp_path / "duels.csv", index=False)
    assert fr.rank(table).ranking == rank(read_duels(tmp_path / "duels.csv"))
    marked = fr.rank(table.assign(simulated=True))
    assert marked.ranking.simulated
    with pytest.raises(fr.AnalysisError, match="row 5: choice is 'left'"):
        fr.rank(table.assign(choice=["a"] * 5 + ["left"] * (len(table) - 5)))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (made_up().rename(columns={"fooled": "fool"}), "no column 'fooled'.*did you mean 'fool'"),
        (made_up().assign(fooled=["maybe"] * 360), "the table: row 0: fooled is 'maybe'"),
        (pd.concat([made_up(), made_up().iloc[:1]]), "row 0: rater '00' judged .* more than once"),
        (made_up().assign(rater_id=[None] + ["x"] * 359), "row 0: rater_id is empty"),
    ],
)
def test_what_cannot_be_right_names_the_row(table: pd.DataFrame, words: str) -> None:
    with pytest.raises(fr.AnalysisError, match=words):
        fr.rates(table)


@pytest.mark.parametrize("kind", ["bool", "boolean", "object", "float", "Int64"])
def test_fooled_may_be_of_any_kind(judgments: pd.DataFrame, kind: Any) -> None:
    table = judgments.assign(fooled=judgments["fooled"].astype(kind))
    if kind not in ("bool",):
        table.loc[0, "fooled"] = None
    first = fr.rates(table).records[0]
    assert (first.trials, first.skipped) == ((120, 0) if kind == "bool" else (119, 1))


def test_a_table_with_any_index_is_read_by_rows(judgments: pd.DataFrame) -> None:
    shuffled = judgments.sample(frac=1, random_state=1)
    found, expected = fr.rates(shuffled).frame, fr.rates(judgments).frame
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9)
    assert fr.judgments(fr.judgments(judgments)).equals(fr.judgments(judgments))


def test_simulated_judgments_are_marked_everywhere() -> None:
    rates = fr.rates(made_up(simulated=True))
    axes = rates.plot()
    assert "SIMULATED" in rates._repr_html_()
    assert "SIMULATED" in rates.latex()
    assert "SIMULATED" in str(rates)
    assert "SIMULATED" in [text.get_text() for text in axes.texts]
    plt.close("all")


def test_html_and_latex_escape_names(judgments: pd.DataFrame) -> None:
    table = judgments.replace({"condition": {"a": "<b>a_1"}})
    rates = fr.rates(table)
    assert "&lt;b&gt;a_1" in rates._repr_html_()
    assert r"b \& c" in rates.latex()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_table_compiles(judgments: pd.DataFrame, tmp_path: Path) -> None:
    text = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}"
    names = {"a": r"[old] \ ~ ^ { } # $ % & _ é", "b & c": "*best|of--all", "c": "[\n\n]"}
    table = fr.rates(judgments.replace({"condition": names})).latex()
    (tmp_path / "a.tex").write_text(text + table + "\\end{document}")
    command = ["pdflatex", "-interaction=nonstopmode", "a.tex"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0


@pytest.mark.slow
def test_plots_draw_on_given_axes(judgments: pd.DataFrame) -> None:
    _, (left, right) = plt.subplots(1, 2)
    assert fr.rates(judgments).plot(left) is left
    assert fr.compare(judgments).plot(right) is right
    labels = [label.get_text() for label in left.get_yticklabels()]
    assert labels == ["a", "b & c", "c"]
    marks = [np.asarray(line.get_xdata()) for line in left.lines]
    centre = [mark[0] for mark in marks if len(mark) == 1]
    assert centre == [100 * record.rate for record in fr.rates(judgments).records]
    plt.close("all")


@pytest.fixture
def images() -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    return {f"photo_{i}": random.integers(0, 250, (24, 24, 3), dtype=np.uint8) for i in range(10)}


@pytest.mark.slow
def test_scores_of_arrays(
    judgments: pd.DataFrame, images: dict[str, np.ndarray], tmp_path: Path
) -> None:
    brighter = {
        name: {item: image + np.uint8(step) for item, image in images.items()}
        for name, step in (("a", 5), ("b & c", 2), ("c", 1))
    }
    scores = {n: fr.score(i, images, metrics=["psnr"], cache=tmp_path) for n, i in brighter.items()}
    # A constant difference d: 20 log10(255 / d).
    assert scores["a"].images["psnr"].tolist() == pytest.approx([20 * np.log10(255 / 5)] * 10)
    assert scores["c"].frame["value"].tolist() == pytest.approx([20 * np.log10(255)])
    found = fr.correlate(judgments, scores)
    assert [each.metric for each in found.models] == ["psnr"]
    assert found.models[0].spearman == pytest.approx(1)
    with pytest.raises(fr.AnalysisError, match="no condition 'd', found a, b & c, c"):
        fr.correlate(judgments, {"d": scores["a"]})
    bordered = fr.score(brighter["a"], images, metrics=["psnr"], cache=tmp_path, border=2)
    with pytest.raises(ScoreError, match="setting border is 2 and 0"):
        fr.correlate(judgments, scores | {"a": bordered})


def test_arrays_that_are_no_images_are_refused(images: dict[str, Any]) -> None:
    with pytest.raises(fr.MetricError, match=r"'photo_0' is float64\(24, 24, 3\), expected uint8"):
        fr.score({"photo_0": images["photo_0"] / 255}, images)
    with pytest.raises(fr.MetricError, match=r"item id is '\.\./x'"):
        fr.score({"../x": images["photo_0"]}, images)
    with pytest.raises(fr.MetricError, match="cannot be paired: 9 items"):
        fr.score({"photo_0": images["photo_0"]}, images)


def test_scores_of_other_programs() -> None:
    table = pd.DataFrame({"niqe": {"i": 4.0, "j": 5.0}})
    found = fr.own_scores(table, direction="lower", source="pyiqa 0.1.16")
    assert found.frame[["name", "value", "direction", "n"]].values.tolist() == [
        ["niqe", 4.5, "lower", 2]
    ]
    with pytest.raises(fr.MetricError, match="metric is 'psnr', and psnr is one that foolrate"):
        fr.own_scores(table.rename(columns={"niqe": "psnr"}), direction="lower", source="x")
    with pytest.raises(fr.MetricError, match="niqe of item 'i' is nan, expected a finite number"):
        fr.own_scores(table * np.nan, direction="lower", source="x")


def test_scores_of_other_programs_of_several_runs(judgments: pd.DataFrame) -> None:
    conditions = [str(name) for name in judgments["condition"].unique()]
    items = [str(item) for item in judgments["item_id"].unique()]
    niqe = pd.DataFrame(
        [(c, item, float(n + k)) for n, c in enumerate(conditions) for k, item in enumerate(items)],
        columns=["condition", "item_id", "niqe"],
    )
    own: dict[str, Any] = {"direction": "lower", "source": "pyiqa 0.1.16", "runs": "condition"}
    one = niqe[niqe["condition"] == conditions[1]].set_index("item_id")[["niqe"]]
    alone = fr.own_scores(one, direction="lower", source="pyiqa 0.1.16", condition=conditions[1])
    indexed = niqe.set_index(["condition", "item_id"])
    for table in (niqe, niqe.set_index("item_id"), indexed, indexed["niqe"]):
        found = fr.own_scores(table, **own)
        assert list(found) == conditions
        mine = found[conditions[1]]
        assert (mine.file.scores, mine.per_image) == (alone.file.scores, alone.per_image)
        assert mine.file.run == alone.file.run
    assert "niqe" in set(fr.correlate(judgments, found).frame["metric"])
    wrong: list[tuple[str, Any]] = [
        ("no column 'model' that names runs, found condition, item_id", {"runs": "model"}),
        ("source is empty", {"source": ""}),
    ]
    for words, change in wrong:
        with pytest.raises(fr.MetricError, match=words):
            fr.own_scores(indexed, **(own | change))
    with pytest.raises(
        fr.MetricError, match=f"condition '{conditions[0]}': niqe of item .* is nan"
    ):
        fr.own_scores(niqe.replace({"niqe": {0.0: np.nan}}), **own)
    with pytest.raises(fr.MetricError, match="condition is missing in row 0"):
        fr.own_scores(niqe.replace({"condition": {conditions[0]: None}}), **own)


def test_a_report_refuses_fields_that_a_study_has_not(
    judgments: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(fr.AnalysisError, match=r"no field 'margin' of study\.json"):
        fr.report(judgments, tmp_path / "out", margin=0.1)
    with pytest.raises(fr.AnalysisError, match="alpha is 7"):
        fr.report(judgments, tmp_path / "out", alpha=7)
    assert not (tmp_path / "out").exists()


class Polars:
    """A frame of another library that pandas can be had from."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    def to_pandas(self) -> pd.DataFrame:
        return self.table


def test_tables_of_many_kinds_are_understood(judgments: pd.DataFrame) -> None:
    expected = fr.rates(judgments).frame
    for table in (
        judgments.assign(fooled=judgments["fooled"].astype(str)),
        judgments.set_index(["rater_id", "item_id"]),
        judgments.astype("category"),
        Polars(judgments),
    ):
        pd.testing.assert_frame_equal(fr.rates(table).frame, expected)  # type: ignore[arg-type]


def test_what_newcomers_hand_over_is_refused_in_words_of_a_notebook(
    judgments: pd.DataFrame, images: dict[str, np.ndarray], tmp_path: Path
) -> None:
    wrong: Any = [judgments.to_dict("records"), "judgments.csv", judgments["fooled"], None]
    calls: list[tuple[str, Any]] = [
        (f"is a {type(each).__name__}, expected a DataFrame", lambda each=each: fr.rates(each))
        for each in wrong
    ]
    own: dict[str, Any] = {"direction": "lower", "source": "p 1"}
    niqe = pd.DataFrame({"niqe": {f"photo_{i}": float(i) for i in range(10)}})
    renamed = judgments.rename(columns={"condition": "model"})
    twice = pd.concat([judgments, judgments[["fooled"]]], axis=1)
    calls += [
        ("no column 'condition'.*rename", lambda: fr.rates(renamed)),
        ("two columns 'fooled'", lambda: fr.rates(twice)),
        ("alpha is 95, expected more than 0", lambda: fr.rates(judgments, alpha=95)),
        ("margin is 5, expected more than 0", lambda: fr.compare(judgments, margin=5)),
        ("choose one with condition=", lambda: fr.power(judgments, target=0.05)),
        ("power takes no rater, did you mean raters", lambda: fr.power(rater=5)),
        ("items is .10., expected a number", lambda: fr.power(target=0.05, items=[10])),
        ("log is 'clearml', expected one of", lambda: fr.report(judgments, "x", log="clearml")),
        ("score takes no bord, did you mean border", lambda: fr.score(images, images, bord=4)),
        ("border is '4', expected a whole", lambda: fr.score(images, images, border="4")),
        ("run is a list, expected a folder", lambda: fr.score(list(images), images)),  # type: ignore[arg-type]
        ("^run: holds no images", lambda: fr.score({}, images)),
        ("direction is 'down'", lambda: fr.own_scores(niqe, direction="down", source="p")),  # type: ignore[call-overload]
        ("the source is empty", lambda: fr.own_scores(niqe, direction="lower", source="")),
        ("'photo_0' stands there twice", lambda: fr.own_scores(pd.concat([niqe, niqe]), **own)),
        ("there are no scores", lambda: fr.correlate(judgments, {})),
        ("scores of 'a' are a DataFrame", lambda: fr.correlate(judgments, {"a": niqe})),  # type: ignore[dict-item]
    ]
    for words, call in calls:
        with pytest.raises((fr.AnalysisError, fr.MetricError), match=words):
            call()
    half = {"a": fr.own_scores(niqe.iloc[:5], **own), "c": fr.own_scores(niqe.niqe, **own)}
    notes = fr.correlate(judgments, half).notes
    assert "niqe: of 5 images in a, 10 images in c" in notes
    assert "niqe: 5 of 10 judged images of a have a value" in notes


@pytest.mark.slow
def test_a_report_goes_to_a_tracker(
    judgments: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[Any] = []

    def take(logged: trackers.Logged) -> str:
        sent.append(logged)
        return "there"

    monkeypatch.setattr(build, "check_tracker", lambda _name: None)
    monkeypatch.setitem(trackers.TRACKERS, "wandb", take)
    page = fr.report(judgments, tmp_path / "out", log="wandb")
    assert page.is_file()
    assert sent[0].folder == tmp_path / "out"
    assert "wandb has it: there" in capsys.readouterr().out
