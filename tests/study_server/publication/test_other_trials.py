"""Preference and single studies are registered, checked against it, and released as others are."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from actors import Rater
from click.testing import CliRunner
from preference_study import TWO_QUESTIONS, make_preference, preference_text
from single_study import make_single, single_text
from small_study import app_on
from test_release import CROISSANT, LOAD, in_a_process

import manage
from analysis.judgments.duels import duels_of, read_comparisons
from analysis.judgments.study import DeclaredAnalysis
from analysis.judgments.table import read_judgments
from analysis.rankings.ranking import rank
from analysis.report.results.inputs.plan import declared_analysis
from analysis.report.results.inputs.preregistered import preregistered
from analysis.report.results.inputs.sources import merge, read_source
from study_server.export.export import export_study
from study_server.storage.database import Database

BESIDE = ("[conditions]", 'beside = "reference"\n[conditions]')


def command(*arguments: object) -> str:
    """Run a study command that has to succeed; return what it printed."""
    done = CliRunner().invoke(manage.main, ["study", *map(str, arguments)])
    assert done.exit_code == 0, done.output + str(done.exception)
    return done.output


def registered(text: str, folder: Path) -> str:
    """Write the preregistration of a study file and return its text."""
    (folder / "study.toml").write_text(text)
    command("preregister", folder / "study.toml", "-o", folder / "registered")
    return (folder / "registered/preregistration.md").read_text()


def departures(export: Path, folder: Path, declared: DeclaredAnalysis | None = None) -> list[str]:
    """Return what a report of the export says that is not as registered."""
    merged = merge([read_source(export)])
    declared = declared or declared_analysis(merged.sources)
    found = preregistered(folder / "registered", merged, declared)
    assert found is not None
    return [f"{each.what}: {each.registered}, {each.found}" for each in found.departures]


@pytest.fixture
def preference(sqlite: Database, images: Path, tmp_path: Path) -> Path:
    """Return a folder with the preregistration and the export of preferences by two raters."""
    make_preference(sqlite, images, BESIDE, more=TWO_QUESTIONS)
    text = registered(preference_text(images, BESIDE, more=TWO_QUESTIONS), tmp_path)
    for words in (
        "Pairs: blurred against noisy; blurred against exact; noisy against exact.",
        "two models' outputs of one item, until answered. The real photo is shown between them.",
        "What raters see: whole images.",
        "6 raters in all, 6 main trials each.",
        "6 raters x 6 comparisons of 6 images: 36 in all, 12 of each of 3 pairs",
        "Question `beauty`: “Which one is more beautiful?” (left, right, no difference, both are",
        "The range of a model's ranks",
    ):
        assert words in text, words
    assert "fool rate" not in text
    app = app_on(sqlite)
    for choice in ("left", "right"):
        answers = {name: {"choice": choice, "rt_ms": 812.0} for name in ("realism", "beauty")}
        Rater(app).begin().answer_all(choice, answers=answers)
    export_study(sqlite, "small", tmp_path / "export")
    return tmp_path


@pytest.mark.slow
def test_preferences_are_held_against_their_preregistration(preference: Path) -> None:
    found = departures(preference / "export", preference)
    assert sorted(found) == ["raters of beauty: 6, 2", "raters of realism: 6, 2"]
    other = DeclaredAnalysis(alpha=0.1)
    assert "alpha of this report: 0.05, 0.1" in departures(preference / "export", preference, other)


@pytest.mark.slow
def test_preferences_are_released_and_rank_as_the_export_does(preference: Path) -> None:
    out = preference / "out"
    command("release", preference / "export", "-o", out)
    released = out / "data/study-small_data.csv"
    before, after = (
        rank(duels_of(read_comparisons(path), path.name, "beauty"))
        for path in (preference / "export", released)
    )
    # Pseudonyms are drawn, so sums may differ in the last digit: equal scores come in any order.
    ours, theirs = (sorted(each.models, key=lambda row: row.model) for each in (before, after))
    for one, other in zip(ours, theirs, strict=True):
        assert (one.model, one.wins, one.losses) == (other.model, other.wins, other.losses)
        assert (one.score, one.low) == pytest.approx((other.score, other.low))
    with released.open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 2 * 9 * 2
    assert {row["rater_id"] for row in rows} == {"p001", "p002"}
    assert not {"session_id", "trial_id", "answered_at"} & set(rows[0])
    card = (out / "README.md").read_text()
    assert "for the same item with the real photo between them" in card
    assert "“Which one looks more real?” (left, right, no difference)" in card
    assert "data_files: parquet/comparisons.parquet" in card
    assert "real photo beside a model's output" not in card


@pytest.mark.slow
def test_others_read_released_preferences(preference: Path) -> None:
    out = preference / "out"
    command("release", preference / "export", "-o", out, "--url", "https://example.org/x")
    load = LOAD.replace('"fooled"', '"exposure_ms"').replace('"condition"', '"answer"')
    assert in_a_process(load, out, preference / "home").startswith("36 float64 float64 [")
    croissant = CROISSANT.replace("judgments", "comparisons").replace("condition", "question")
    shown = in_a_process(croissant, out / "croissant.json", preference / "home")
    assert shown == "36 ['beauty', 'realism']"


@pytest.mark.slow
def test_single_images_are_registered_and_released(
    sqlite: Database, images: Path, tmp_path: Path
) -> None:
    text = registered(single_text(images), tmp_path)
    for words in (
        "Of a rater's main trials 2 are real and 1 are made by each model",
        "The answer “from a camera” stands on one side for each rater, drawn.",
        "The error on fakes of a model",
        "or was it made by a computer?” (from a camera, made by a computer)",
        "place this difference within ±5 points",
        "error on reals of 25 %",
    ):
        assert words in text, words
    assert "fool rate" not in text
    make_single(sqlite, images)
    app = app_on(sqlite)
    for choice in ("real", "made"):
        Rater(app).begin().answer_all(choice)
    export_study(sqlite, "small", tmp_path / "export")
    assert departures(tmp_path / "export", tmp_path) == ["raters: 6, 2"]
    command("release", tmp_path / "export", "-o", tmp_path / "out")
    before, after = (
        read_judgments(path)
        for path in (tmp_path / "export", tmp_path / "out/data/study-small_data.csv")
    )
    key = ["item_id", "condition", "position", "choice"]
    told = [sorted(map(tuple, each[key].astype(str).to_numpy())) for each in (before, after)]
    assert told[0] == told[1]
    described = json.loads((tmp_path / "out/dataset_description.json").read_text())
    assert "14 judgments of 2 raters on single images" in described["description"]
    assert "the share of outputs was 0.5" in (tmp_path / "out/README.md").read_text()
