"""A study of single images from its file to its export, on both databases where that matters."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from actors import Rater
from single_study import make_single, single_text
from small_study import app_on
from sqlalchemy import select

from analysis.judgments.table import read_judgments
from analysis.raters.exclusions import exclusions
from study_server.config import Rules, parse_study_file
from study_server.errors import StudyFileError
from study_server.export.export import export_study
from study_server.export.other_formats import write_jspsych, write_psych_ds
from study_server.export.rater_rules import broken_rules, rater_facts
from study_server.export.verify import verify_export
from study_server.publication.ethics_sheet import ethics_sheet
from study_server.storage.database import Database
from study_server.storage.models import Block, Condition, RaterSession, Stimulus
from study_server.storage.models import Trial as TrialRow
from study_server.trial_kinds import of_each
from study_server.web.admin.dashboard import counts
from study_server.web.admin.dashboard.judged import Judged

OTHER = {"left": "right", "right": "left"}


@pytest.mark.parametrize(
    ("replacements", "more", "words"),
    [
        ([("trials = 4", "trials = 6")], "", "design.trials is 6, expected a multiple of 4, such"),
        ([("raters = 6", "raters = 6\nmade_share = 0")], "", "design.made_share is 0"),
        ([("raters = 6", 'raters = 6\nbaseline = "noisy"')], "", "design.baseline is for"),
        ([("raters = 6", 'raters = 6\nreal_side = "top"')], "", "design.real_side is 'top'"),
        ([("raters = 6", "raters = 6\nshowings = 2")], "", "design.showings is 2, expected 1"),
        ([('reference = "{folder}/real"\n', "")], "", "images.reference is missing"),
        ([("[images]", '[images]\nbeside = "reference"')], "", "images.beside is for"),
        ([("[images]", '[images]\ninputs = "{folder}/inputs"')], "", "images.inputs is for"),
        ([("[images]", '[images]\nview = "zoom"\nflicker = true')], "", "a single trial shows one"),
        ([("blurred =", "real =")], "", "'real' is the name of the real photos"),
        ([('title = "R', 'tasks = ["task1"]\ntitle = "R')], "", "study.tasks is for a real photo"),
        ([('trial = "single"', 'made_share = 0.5')], "", "design.made_share is for .design. trial"),
        ([], '[[question]]\nid = "x"\nanswers = ["left", "right"]\n', "which are about two images"),
        ([], '[[question]]\nid = "x"\nwording = {{ en = "Real?" }}\n', "no wording in 'zh'"),
        ([], "[use]\nside_bias_alpha = 0.01\n", "use.side_bias_alpha is for trials of two images"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(
    tmp_path: Path, replacements: list[tuple[str, str]], more: str, words: str
) -> None:
    text = single_text(tmp_path, *replacements, more=more)
    with pytest.raises(StudyFileError, match=words) as refusal:
        parse_study_file(text, "study.toml")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("share", "models", "expected"),
    [(0.5, 1, (1, 1)), (0.5, 3, (3, 1)), (0.75, 3, (1, 1)), (0.4, 1, (3, 2)), (0.4, 2, (3, 1))],
)
def test_the_share_is_kept_by_the_smallest_numbers(
    share: float, models: int, expected: tuple[int, int]
) -> None:
    assert of_each(share, models) == expected


def test_models_photos_items_and_answers_are_balanced(sqlite: Database, images: Path) -> None:
    """6 raters x 4 trials over 6 items: half of each rater's and each item's images are real."""
    make_single(sqlite, images)
    with sqlite.session() as db_session:
        names = {row.id: row.name for row in db_session.scalars(select(Condition))}
        query = select(TrialRow, Block.number).join(Block)
        rows = [(n, trial, names[trial.condition_id]) for trial, n in db_session.execute(query)]
        roles = {row.id: row.role for row in db_session.scalars(select(Stimulus))}
    main = [row for row in rows if row[1].kind == "main"]
    shown = Counter((number, name) for number, _, name in main)
    assert {(name, count) for (_, name), count in shown.items()} == {
        ("real", 2), ("blurred", 1), ("noisy", 1),
    }  # fmt: skip
    of_item = Counter((trial.item_id, name == "real") for _, trial, name in main)
    assert set(of_item.values()) == {2}
    assert len({(number, trial.item_id) for number, trial, _ in main}) == len(main)
    real_sides: dict[int, Any] = {}
    for number, trial, name in rows:
        assert trial.left_id == trial.right_id
        assert (roles[trial.left_id] == "reference") == (name == "real")
        assert (name == "catch") == (trial.kind == "catch")
        side = OTHER[trial.model_side] if name == "real" else trial.model_side
        assert real_sides.setdefault(number, side) == side
    assert Counter(real_sides.values()) == {"left": 3, "right": 3}
    practice = {n: sorted(x == "real" for m, t, x in rows if m == n and t.kind == "practice")
                for n in real_sides}  # fmt: skip
    assert all(each == [False, True] for each in practice.values())


def test_an_answer_is_taken_once_and_told_in_practice_only(
    database: Database, images: Path, tmp_path: Path
) -> None:
    make_single(database, images)
    rater = Rater(app_on(database)).begin()
    truths = _truths(database, rater)
    real_side = rater.truth()[0].model_side
    real_side = OTHER[real_side] if truths[0] == "real" else real_side
    order = ["real", "made"] if real_side == "left" else ["made", "real"]
    asked = [{"id": "real", "text": None, "answers": order}]
    assert rater.state["settings"]["questions"] == asked
    assert all(trial["right"] is None for trial in rater.state["trials"])
    for wrong in ("left", "right", "tie", "photo"):
        assert rater.post("answer", rater.body(wrong)).status_code == 400
    body = rater.body(truths[0])
    assert rater.post("answer", body).json["feedback"] == {"correct": True}
    assert rater.post("answer", body).json["feedback"] == {"correct": True}  # stored once
    assert rater.post("answer", body | {"choice": "left"}).status_code == 409
    rater.open()
    given: list[str | None] = [truths[0]]
    for truth in truths[1:]:
        choice = None if len(given) == 3 else "made"
        feedback = rater.answer(choice)["feedback"]
        assert feedback == ({"correct": truth == "made"} if len(given) == 1 else None)
        given.append(choice)
    rater.finish()
    done = export_study(database, "small", tmp_path)
    assert (done.table, done.judgments, done.raters) == ("detections.csv", 7, 1)
    assert verify_export(tmp_path) == []
    assert not (tmp_path / "judgments.csv").exists()
    rows = _rows(tmp_path)
    assert [row["truth"] for row in rows] == truths
    assert [row["answer"] or None for row in rows] == given
    for row, truth, choice in zip(rows, truths, given, strict=True):
        assert row["correct"] == ("" if choice is None else str(int(truth == choice)))
        expected = {"real": real_side, "made": OTHER[real_side], None: ""}[choice]
        assert row["side"] == expected
        assert (row["model"] == "") == (truth == "real")
    record = json.loads((tmp_path / "study.json").read_text())
    assert (record["trial"], record["real_condition"]) == ("single", "real")
    assert list(record["conditions"]) == ["blurred", "noisy", "real"]
    lines = (tmp_path / "codebook.csv").read_text().splitlines()
    assert {row["column"] for row in csv.DictReader(lines)} == set(rows[0])


def _truths(database: Database, rater: Rater) -> list[str]:
    """Return what each trial's image is, by the stimulus that is served."""
    query = (
        select(Stimulus.role)
        .join(TrialRow, TrialRow.left_id == Stimulus.id)
        .join(RaterSession, RaterSession.block_id == TrialRow.block_id)
        .where(RaterSession.id == rater.row().id)
        .order_by(TrialRow.position)
    )
    with database.read() as connection:
        return ["real" if role == "reference" else "made" for (role,) in connection.execute(query)]


def _rows(folder: Path) -> list[dict[str, Any]]:
    with (folder / "detections.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.slow
def test_the_site_and_the_analysis_apply_one_set_of_rules(
    sqlite: Database, images: Path, tmp_path: Path
) -> None:
    """Who calls the mosaic real, skips, or says one thing all along breaks one rule in both."""
    make_single(sqlite, images)
    app = app_on(sqlite)
    for habit in (["real"] * 7, [None] * 7, ["made"] * 7, ["real", "made"] * 4):
        rater = Rater(app).begin()
        for choice in habit[: len(rater.truth())]:
            rater.answer(choice, rt_ms=700.0)
    export_study(sqlite, "small", tmp_path)
    rules: dict[str, Any] = {
        "max_failed_catch": 0,
        "max_skipped_share": 0.5,
        "max_same_side_run": 3,
    }
    with sqlite.read() as connection:
        facts = rater_facts(connection, RaterSession.study_id == 1)
    there = {f"r{who:04d}": rules for who, rules in broken_rules(facts, Rules(**rules)).items()}
    table = read_judgments(tmp_path).assign(excluded=False)
    here = exclusions(table, rules).reasons
    assert {who: set(broken) for who, broken in there.items() if broken} == {
        who: set(broken) for who, broken in here.items()
    }
    assert set(there["r0001"]) == {"max_failed_catch", "max_same_side_run"}
    assert set(there["r0002"]) == {"max_failed_catch", "max_skipped_share"}
    assert set(there["r0003"]) == {"max_same_side_run"}


def test_the_dashboard_shows_error_rates(database: Database, images: Path) -> None:
    """Counted by hand from the stored trials: wrong answers of all that were given."""
    make_single(database, images)
    app = app_on(database)
    rater = Rater(app).begin()
    truths = _truths(database, rater)
    choices = ["made", "real", "real", None, "real", "made", "real"]
    for choice in choices:
        rater.answer(choice)
    rater.finish()
    wrong: dict[int, list[float]] = {}
    for trial, truth, choice in zip(rater.truth(), truths, choices, strict=True):
        if trial.kind == "main" and choice is not None:
            wrong.setdefault(trial.condition_id, []).append(float(choice != truth))
    judged = Judged(1)
    with database.reading() as db_session:
        judged.refresh(db_session.connection())
    found = counts.means(judged, "single")
    expected = {("task2", name): [sum(each) / len(each)] for name, each in wrong.items()}
    assert found == expected
    assert len(counts.coverage(judged)) == 3


@pytest.mark.slow
def test_a_prompt_stands_over_the_image_and_in_the_export(
    sqlite: Database, images: Path, tmp_path: Path
) -> None:
    lines = ["id,prompt", *(f"item-{number},A cat 猫 {number}" for number in range(9))]
    (tmp_path / "prompts.csv").write_text("\n".join(lines), encoding="utf-8")
    make_single(sqlite, images, ("[images]", f'[images]\nprompts = "{tmp_path}"'))
    rater = Rater(app_on(sqlite)).begin()
    assert rater.state["trials"][0]["prompt"].startswith("A cat 猫 ")
    rater.answer_all("made")
    export_study(sqlite, "small", tmp_path / "export")
    for row in _rows(tmp_path / "export"):
        assert row["prompt"] == f"A cat 猫 {row['item_id'].removeprefix('item-')}"


@pytest.mark.slow
def test_other_formats_have_what_was_said(sqlite: Database, images: Path, tmp_path: Path) -> None:
    make_single(sqlite, images)
    rater = Rater(app_on(sqlite)).begin()
    truths = _truths(sqlite, rater)
    rater.answer_all("real")
    export_study(sqlite, "small", tmp_path)
    trials = json.loads(write_jspsych(tmp_path).read_text())
    assert [trial["correct"] for trial in trials] == [truth == "real" for truth in truths]
    assert {trial["trial_type"] for trial in trials} == {"foolrate-single"}
    assert {trial["response"] for trial in trials} <= {"f", "j"}
    described = json.loads((write_psych_ds(tmp_path) / "dataset_description.json").read_text())
    names = {each["name"] for each in described["variableMeasured"]}
    assert names == set(_rows(tmp_path)[0])


def test_the_ethics_sheet_says_one_at_a_time_and_a_public_page_is_refused(images: Path) -> None:
    file = parse_study_file(single_text(images), "study.toml")
    assert "7 images, one at a time, and answer one question" in ethics_sheet(file)
    text = single_text(images, more='[results]\npublic = "live"\n')
    with pytest.raises(StudyFileError, match="no words for single images yet"):
        parse_study_file(text, "study.toml")


def test_an_item_comes_up_in_every_form_where_the_file_lets_it(
    sqlite: Database, images: Path
) -> None:
    more = ("raters = 6", 'raters = 6\nshowings = 2\nkind = "between-raters"\nreal_side = "left"')
    make_single(sqlite, images, more)
    with sqlite.session() as db_session:
        names = {row.id: row.name for row in db_session.scalars(select(Condition))}
        query = select(TrialRow).where(TrialRow.kind == "main")
        main = list(db_session.scalars(query))
        of_block = {row.id: names[row.condition_id] for row in db_session.scalars(select(Block))}
    assert Counter(of_block.values()) == {"blurred": 6, "noisy": 6}
    forms: dict[tuple[int, int], set[str]] = {}
    for trial in main:
        name = names[trial.condition_id]
        assert name in ("real", of_block[trial.block_id])
        assert trial.model_side == ("right" if name == "real" else "left")
        forms.setdefault((trial.block_id, trial.item_id), set()).add(name)
    assert {len(shown) for shown in forms.values()} == {2}
    assert len(forms) == 12 * 2
