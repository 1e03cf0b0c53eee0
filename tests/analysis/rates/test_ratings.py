"""Ratings of single images: counted by hand, held against fool rates, and simulated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.cli import analysis
from analysis.comparisons.comparisons import compare
from analysis.errors import TableError
from analysis.judgments.ratings import Asked, Ratings, further_ratings
from analysis.judgments.table import check_judgments, read_judgments
from analysis.rates.fool_rates import fool_rates
from analysis.rates.ratings import ALL_ALIKE, answer_shares, mean_scores
from analysis.report.build import write_report
from analysis.report.results.schema import read_results
from study_server.study_record import StudyRecord

STEPS = ["bad", "poor", "fair", "good", "excellent"]
QUESTIONS = [
    {"id": "real", "wording": {}, "answers": ["real", "made"]},
    {"id": "quality", "wording": {"en": "How good is it?"}, "scale": "ordinal",
     "options": [{"value": step, "text": {"en": step.title()}} for step in STEPS]},
    {"id": "people", "wording": {"en": "Are there people?"}, "scale": "nominal",
     "options": [{"value": "yes", "text": "Yes"}, {"value": "no", "text": "No"}]},
]  # fmt: skip
STUDY = {"format_version": 1, "study_id": "s", "title": "S", "trial": "single",
         "real_condition": "real", "questions": QUESTIONS,
         "exclusions": {"max_skipped_share": 0.2}}  # fmt: skip


def write_export(folder: Path) -> list[dict[str, str]]:
    """Write an export of 13 raters and 12 images, each real or of one model; return the ratings.

    The last rater skips all, and the rule leaves them out.
    """
    rng = np.random.default_rng(5)
    judged, rated = [], []
    for rater in range(13):
        for item in range(12):
            real = (rater + item) % 2 == 0
            ids = {"rater_id": f"r{rater}", "item_id": f"i{item}", "kind": "main",
                   "truth": "real" if real else "made", "model": "" if real else "gan",
                   "trial_id": f"{rater}-{item}", "simulated": "0", "excluded": "0"}  # fmt: skip
            skipped = rater == 12
            judged.append(ids | {"answer": "" if skipped else str(rng.choice(["real", "made"]))})
            step = int(np.clip(rng.integers(0, 4) + real + rater % 2 - 1, 0, 4))
            people = "yes" if rng.random() < 0.3 + item / 30 else "no"
            for question, rating, score in (
                ("quality", STEPS[step], str(step + 1)), ("people", people, ""),
            ):  # fmt: skip
                said = (
                    {"rating": "", "score": ""} if skipped else {"rating": rating, "score": score}
                )
                rated.append(ids | {"question": question} | said)
    folder.mkdir()
    write_table(folder / "detections.csv", judged)
    write_table(folder / "ratings.csv", rated)
    (folder / "study.json").write_text(json.dumps(STUDY))
    return rated


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    """Write rows as a CSV file."""
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def read(folder: Path) -> Ratings:
    """Return the ratings of the export."""
    found = further_ratings(folder, StudyRecord.model_validate(STUDY))
    assert found is not None
    return found


def kept(rows: list[dict[str, str]], question: str) -> pd.DataFrame:
    """Return the rows of a question of the raters whom the rule keeps."""
    table = pd.DataFrame(rows)
    return table[(table["question"] == question) & (table["rater_id"] != "r12")]


@pytest.mark.slow
def test_each_question_is_told_by_itself(tmp_path: Path) -> None:
    rows = write_export(tmp_path / "e")
    told = CliRunner().invoke(analysis, ["fool-rates", str(tmp_path / "e"), "--json", "-"])
    found = json.loads(told.stdout)
    photos, gan = found["ratings"]
    quality = kept(rows, "quality")
    scores = quality["score"].astype(int)
    by_truth = scores.groupby(quality["truth"]).mean()
    assert (photos["condition"], gan["condition"]) == ("real", "gan")
    assert (photos["mean"], gan["mean"]) == pytest.approx((by_truth["real"], by_truth["made"]))
    assert gan["above_real"]["value"] == pytest.approx(by_truth["made"] - by_truth["real"])
    assert photos["above_real"] == {"value": None, "low": None, "high": None}
    made = scores[quality["truth"] == "made"]
    assert gan["counts"] == [int((made == score).sum()) for score in range(1, 6)]
    assert (gan["raters"], gan["items"], gan["trials"], gan["skipped"]) == (12, 12, 72, 0)
    assert 1 <= gan["low"] < gan["mean"] < gan["high"] <= 5
    assert [(each["condition"], each["answer"]) for each in found["shares"]] == [
        ("real", "yes"), ("gan", "yes"),
    ]  # fmt: skip
    # Who rated is no part of who was called real.
    assert len(read_judgments(tmp_path / "e")) == 13 * 12
    text = CliRunner().invoke(analysis, ["fool-rates", str(tmp_path / "e")]).stdout
    assert "ratings: scores count from 1" in text

    page = write_report(tmp_path / "e", tmp_path / "report").read_text()
    assert "How good is it?" in page
    assert "1 Bad, 2 Poor, 3 Fair, 4 Good, 5 Excellent." in page
    results = read_results(tmp_path / "report" / "results.json")
    assert [each.mean for each in results.ratings] == [photos["mean"], gan["mean"]]
    assert [each.said for each in results.rating_shares] == ["Yes", "Yes"]
    methods = (tmp_path / "report" / "methods.md").read_text()
    assert "“How good is it?” (1 Bad, 2 Poor, 3 Fair, 4 Good, 5 Excellent)" in methods
    assert "the mean score, counted from 1" in methods
    drawn = (tmp_path / "report" / "figures" / "ratings.svg").read_text()
    assert f"real: {photos['mean']:.2f} (" in drawn
    assert f"gan: {gan['mean']:.2f} (" in drawn
    tables = tmp_path / "report" / "tables"
    assert {"ratings.csv", "ratings.tex", "rating_shares.csv", "rating-shares.tex"} <= {
        path.name for path in tables.iterdir()
    }


@pytest.mark.parametrize("estimand", ["population", "fixed-images", "rater-average"])
def test_a_share_has_the_interval_of_a_fool_rate(tmp_path: Path, estimand: str) -> None:
    """Yes or no is 1 or 0: share and difference are those of `fool_rates` and `compare`."""
    rows = write_export(tmp_path / "e")
    ratings = read(tmp_path / "e")
    photos, gan = answer_shares(ratings, estimand=estimand)
    table = pd.DataFrame(rows).query("question == 'people' and rating != ''")
    fooled = (table["rating"] == "yes").astype(int).astype(str)
    condition = table["model"].where(table["model"] != "", "real")
    judged = check_judgments(table.assign(fooled=fooled, condition=condition), "x")
    expected = {each.condition: each for each in fool_rates(judged, estimand=estimand)}
    for each in (photos, gan):
        rate = expected[each.condition]
        assert (each.share, each.low, each.high) == pytest.approx((rate.rate, rate.low, rate.high))
    [pair] = compare(judged, baseline="real", estimand=estimand)
    gap = (gan.above_real.value, gan.above_real.low, gan.above_real.high)
    assert gap == pytest.approx((pair.difference, pair.low, pair.high))


def test_a_scale_turned_round_has_its_interval_turned_round(tmp_path: Path) -> None:
    write_export(tmp_path / "e")
    ratings = read(tmp_path / "e")
    quality = ratings.asked[0]
    options = dict(reversed(quality.options.items()))
    turned = replace(ratings, asked=(replace(quality, options=options),))
    for each, other in zip(mean_scores(ratings), mean_scores(turned), strict=True):
        ends = np.array([other.mean, other.high, other.low], float)
        assert (each.mean, each.low, each.high) == pytest.approx(tuple(6 - ends))
        assert each.counts == other.counts[::-1]


def ratings_of(*said: tuple[str, str, str]) -> Ratings:
    """Return ratings (rater, item, step) of one model's images on a scale of three steps."""
    names = ["rater_id", "item_id", "rating"]
    table = pd.DataFrame(said, columns=names).assign(
        condition="gan", question="q", kind="main", excluded="0"
    )
    asked = Asked("q", "?", "ordinal", {"1": "low", "2": "middle", "3": "high"})
    return Ratings(table, (asked,))


def test_ratings_that_do_not_differ(tmp_path: Path) -> None:
    """Ten raters who say 3 say less of the others than ten images: 1 - .025^(1/10) = .308."""
    pairs = [(f"r{rater}", f"i{item}") for rater in range(10) for item in range(10)]
    [best] = mean_scores(ratings_of(*((*pair, "3") for pair in pairs)))
    assert (best.mean, best.high) == (3, 3)
    assert best.low == pytest.approx(3 - 2 * 0.3085, abs=1e-3)
    [middle] = mean_scores(ratings_of(*((*pair, "2") for pair in pairs)))
    assert (middle.mean, middle.low, middle.high) == (2, None, None)
    assert middle.flags == (ALL_ALIKE,)
    [alone] = mean_scores(ratings_of(("r1", "i1", "3"), ("r1", "i2", "2")))
    assert (alone.mean, alone.low) == (2.5, None)
    assert "1 rater" in alone.flags[0]
    [skipped] = mean_scores(ratings_of(("r1", "i1", "")))
    assert (skipped.mean, skipped.skipped, skipped.trials) == (None, 1, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rating": "superb"}, "line 2: rating is 'superb', expected bad, poor, fair, good, ex"),
        ({"rating": "yes"}, "line 2: rating is 'yes', expected bad, poor"),
        ({"score": "9"}, "line 2: score is '9', expected . for the rating"),
        ({"question": "price"}, "line 2: question is 'price', expected quality or people"),
        ({"truth": "fake"}, "line 2: truth is 'fake', expected real or made"),
        ({"truth": "real", "model": "gan"}, "line 2: model is 'gan', expected none where truth"),
        ({"truth": "made", "model": ""}, "line 2: model is '', expected the model's name"),
        ({"rater_id": ""}, "line 2: rater_id is '', expected a rater"),
        ({"kind": "test"}, "line 2: kind is 'test', expected main, practice, catch"),
        ({"excluded": "TRUE"}, "line 2: excluded is 'TRUE', expected 0, 1 or empty"),
        ({"simulated": "yes"}, "line 2: simulated is 'yes', expected 0, 1 or empty"),
        ({"question": "people", "rating": "yes", "score": ""}, "line 3: question is 'people', e"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_fit_its_study_is_one_line(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    rows = write_export(tmp_path / "e")
    rows[0] |= change
    write_table(tmp_path / "e" / "ratings.csv", rows)
    with pytest.raises(TableError, match=f"ratings.csv: .*{words}") as refusal:
        further_ratings(tmp_path / "e", StudyRecord.model_validate(STUDY))
    assert "\n" not in str(refusal.value)


def test_the_same_rating_twice_is_one_line_without_trials_too(tmp_path: Path) -> None:
    rows = write_export(tmp_path / "e")
    rows = [{name: cell for name, cell in row.items() if name != "trial_id"} for row in rows]
    write_table(tmp_path / "e" / "ratings.csv", [*rows, rows[0]])
    with pytest.raises(TableError, match="expected each question of a trial once"):
        further_ratings(tmp_path / "e", StudyRecord.model_validate(STUDY))


def test_a_table_that_is_missing_or_lacks_a_column_is_one_line(tmp_path: Path) -> None:
    rows = write_export(tmp_path / "e")
    study = StudyRecord.model_validate(STUDY)
    without = [{name: cell for name, cell in row.items() if name != "score"} for row in rows]
    write_table(tmp_path / "e" / "ratings.csv", without)
    with pytest.raises(TableError, match=r"ratings.csv: no column 'score', found rater_id"):
        further_ratings(tmp_path / "e" / "detections.csv", study)
    (tmp_path / "e" / "ratings.csv").unlink()
    with pytest.raises(TableError, match="no such file, expected the ratings of quality, people"):
        further_ratings(tmp_path / "e", study)


@pytest.mark.statistical
@pytest.mark.parametrize("steps", [2, 5])
def test_intervals_of_ratings_hold_the_truth_as_often_as_they_say(steps: int) -> None:
    """400 studies of 20 raters and 30 images: within 3 standard errors of 95 %."""
    from benchmarks.intervals import ratings as simulated

    rng = np.random.default_rng([31, steps])
    truth, photos = (simulated._truth(score, steps) for score in (-1.0, simulated.PHOTOS))
    found = [simulated.rated(rng, (20, 30, 30), -1.0, steps) for _ in range(400)]
    own = np.mean([each.low <= truth <= each.high for each in found])
    gaps = [each.above_real for each in found]
    held = np.mean([gap.low <= truth - photos <= gap.high for gap in gaps])
    assert 0.92 <= own <= 0.98
    assert 0.92 <= held <= 0.98
