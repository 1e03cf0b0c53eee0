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

from study_server.config import parse_study_file
from study_server.errors import StudyFileError
from study_server.export.export import export_study
from study_server.export.verify import verify_export
from study_server.storage.database import Database
from study_server.storage.models import Block, Condition, RaterSession, Stimulus
from study_server.storage.models import Trial as TrialRow
from study_server.trial_kinds import of_each

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
        ([], '[[question]]\nid = "x"\nanswers = ["left", "right"]\n', "only its id and wording"),
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
    real_sides = {}
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
