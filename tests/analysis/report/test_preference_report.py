"""The report of a preference study: scores with a known truth, who beat whom, pictures, methods."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from PIL import Image

from analysis.errors import AnalysisError
from analysis.report.build import write_report
from analysis.report.results.schema import Results, read_results
from manage import run
from study_server.simulation.rater_model import RaterModel, SimulatedRater, Truth
from study_server.trial_kinds import Question

MODELS = ("bicubic", "gan", "sr3")
TRUTH = {"realism": {"bicubic": -1.2, "gan": 0.2, "sr3": 1.0}, "beauty": {"gan": 0.8, "sr3": -0.8}}
QUESTIONS = [
    Question(id="realism", wording={"en": "Which looks more real?"}, answers=("left", "right")),
    Question(id="beauty", answers=("left", "right", "tie", "bad")),
]
RATERS, ITEMS = 24, 12


def write_export(folder: Path, *, skips: float = 0.0) -> Path:
    """Write what `study export` writes of a preference study that simulated raters took."""
    folder.mkdir()
    model = RaterModel(questions=TRUTH, skip=skips, rater_sd=0.4, item_sd=0.4, tie=1.0)
    pairs = [("bicubic", "gan"), ("bicubic", "sr3"), ("gan", "sr3")]
    rows = []
    for number in range(RATERS):
        rater = SimulatedRater(model, 11, number)
        for position in range(ITEMS):
            a, b = pairs[(position + number) % 3]
            a, b = (a, b) if (position + number) % 2 else (b, a)
            said = rater.answer(Truth(f"item-{position}", a, "main", "left", b), QUESTIONS)
            given = said.get("answers", {})
            for question in QUESTIONS:
                answer = given.get(question.id, {}).get("choice", "")
                choice = {"left": "a", "right": "b", "": ""}.get(answer, "tie")
                rows.append([f"r{number:04}", f"item-{position}", a, b, choice, question.id, answer,
                             "main", f"t{position}", position, 0, 1])  # fmt: skip
        rows.append([f"r{number:04}", "item-c", "reference", "catch", "b" if number < 2 else "a",
                     "realism", "", "catch", "t99", 99, 0, 1])  # fmt: skip
    columns: tuple[str, ...] = (
        "rater_id",
        "item_id",
        "model_a",
        "model_b",
        "choice",
        "question",
        "answer",
    )
    columns += ("kind", "trial_id", "position", "excluded", "simulated")
    with (folder / "comparisons.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([columns, *rows])
    rng = np.random.default_rng(1)
    for name in MODELS:
        (folder / name).mkdir()
        for item in range(ITEMS):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"item-{item}.png")
    study = {
        "study_id": "duels", "title": "Theirs or ours?", "simulated": True, "trial": "preference",
        "exclusions": {"max_failed_catch": 0}, "alpha": 0.05, "design": {"exposure_ms": 0},
        "view": {"kind": "zoom", "flicker": True, "beside": "input", "prompt": True},
        "questions": [question.model_dump(mode="json") for question in QUESTIONS],
        "conditions": {name: {"run": name} for name in MODELS},
    }  # fmt: skip
    (folder / "study.json").write_text(json.dumps(study))
    return folder


def scores_of(export: Path) -> list[Path]:
    """Return the folders of scores in which better realism is a higher niqe, which is worse."""
    places = []
    for seed, name in enumerate(MODELS):
        drawn = TRUTH["realism"].get(name, 0.0) + np.random.default_rng(seed).random(ITEMS) / 9
        rows = [f"item-{k},niqe,{value!r},lower,by hand" for k, value in enumerate(drawn.tolist())]
        table, place = export.parent / f"{name}.csv", export.parent / f"{name}.scores"
        table.write_text("\n".join(["item,metric,value,direction,source", *rows, ""]))
        words = ["metrics", "add", str(export / name), "--csv", str(table), "-o", str(place)]
        assert run(words) == 0
        places.append(place)
    return places


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """Return the folder of a report and what it holds."""
    root = tmp_path_factory.mktemp("report")
    export = write_export(root / "export", skips=0.02)
    runs = {name: export / name for name in MODELS}
    write_report(export, root / "out", runs=runs, scores=scores_of(export))
    return root / "out", read_results(root / "out" / "results.json")


@pytest.mark.slow
def test_each_question_has_its_own_ranking(written: tuple[Path, Results]) -> None:
    _, results = written
    realism, beauty = results.rankings
    assert (realism.key, beauty.key) == ("realism", "beauty")
    assert realism.question == "Which looks more real?"
    assert [model.model for model in realism.models] == ["sr3", "gan", "bicubic"]
    assert [model.model for model in beauty.models] == ["gan", "bicubic", "sr3"]
    assert (realism.ties, beauty.ties > 20, beauty.both_bad > 3) == (0, True, True)
    for ranking in results.rankings:
        for model in ranking.models:
            truth = TRUTH[ranking.key]
            centred = truth.get(model.model, 0.0) - sum(truth.values()) / 3
            assert model.low < centred < model.high, (ranking.key, model)


@pytest.mark.slow
def test_the_raters_who_broke_a_rule_are_left_out(written: tuple[Path, Results]) -> None:
    _, results = written
    assert [step.removed_raters for step in results.flow] == [0, 2]
    assert results.rankings[0].raters == RATERS - 2
    assert results.catch_trials == RATERS
    assert results.main_trials + results.skipped == (RATERS - 2) * ITEMS


@pytest.mark.slow
def test_wins_and_shares_are_counted_from_the_file(written: tuple[Path, Results]) -> None:
    """Recounted by hand from comparisons.csv, without the two raters who failed the catch trial."""
    out, results = written
    with (out.parent / "export" / "comparisons.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["kind"] == "main"]
    kept = [r for r in rows if r["rater_id"] not in ("r0000", "r0001") and r["choice"]]
    for ranking in results.rankings:
        mine = [row for row in kept if row["question"] == ranking.key]
        assert ranking.comparisons == len(mine)
        for model in ranking.models:
            points = []
            for row in mine:
                if model.model in (row["model_a"], row["model_b"]):
                    won = {"a": row["model_a"], "b": row["model_b"]}.get(row["choice"])
                    points.append(0.5 if won is None else float(won == model.model))
            assert model.win_share.value == pytest.approx(sum(points) / len(points))
            assert model.win_share.low < model.win_share.value < model.win_share.high
            assert model.wins == points.count(1.0)
        for each in ranking.contests:
            pair = [r for r in mine if {r["model_a"], r["model_b"]} == {each.a, each.b}]
            assert each.wins + each.losses + each.ties == len(pair)


@pytest.mark.slow
def test_metrics_are_held_against_the_win_shares_of_each_question(
    written: tuple[Path, Results],
) -> None:
    """Niqe puts the models in the opposite order of realism: -1, where 1 is agreement."""
    _, results = written
    over = {each.task: each for each in results.correlations if each.level == "model"}
    assert set(over) == {"realism", "beauty"}
    for ranking in results.rankings:
        shares = [model.win_share.value for model in sorted(ranking.models, key=lambda m: m.model)]
        niqe = [-TRUTH["realism"].get(name, 0.0) for name in sorted(MODELS)]
        expected = scipy.stats.spearmanr(shares, niqe).statistic
        assert over[ranking.key].value == pytest.approx(expected)
    assert over["realism"].value == -1
    assert {score.task for score in results.pair_scores} == {"realism", "beauty"}


@pytest.mark.slow
def test_the_page_says_what_was_asked_and_never_fool_rate(written: tuple[Path, Results]) -> None:
    out, results = written
    page, methods = (out / "report.html").read_text(), (out / "methods.md").read_text()
    for words in ("Preference report", "Which looks more real?", "Simulated", "divide raters"):
        assert words in page
    assert page.count('class="plate"') >= len(results.rankings)
    for text in (page.split("<main>")[1], methods):
        assert "fool rate" not in text.lower()
        assert "real photo" not in text.lower()
    assert "Davidson" in methods
    assert (
        "Raters saw whole images at first, which raters enlarge and move together, and see in each"
        " other's place while they hold a key, with the low-resolution input between them, under a"
        " text prompt, until they answered. They were asked: “Which looks more real?” (left, right)"
        "; “Which of the two images is a better high quality version of the low resolution image in"
        " the middle?” (left, right, no difference, both are bad)."
    ) in methods
    assert (out / "figures/ranking.svg").exists()
    assert not (out / "figures/forest.svg").exists()
    tables = {path.name for path in (out / "tables").iterdir()}
    assert {"ranking.csv", "wins.csv", "ranking-1.tex", "wins-2.tex"} <= tables


@pytest.mark.slow
def test_several_studies_and_other_protocols_are_refused(tmp_path: Path) -> None:
    first, second = (write_export(tmp_path / name, skips=s) for name, s in (("a", 0), ("b", 0.1)))
    with pytest.raises(AnalysisError, match="reported one study at a time"):
        write_report([first, second], tmp_path / "out")
    with pytest.raises(AnalysisError, match="--real is for fool rates"):
        write_report(first, tmp_path / "out", real="gan")
    assert not (tmp_path / "out").exists()
