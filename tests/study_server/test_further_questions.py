"""What is asked of a photo and an output besides which is real: from the file to the export."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from actors import Rater
from small_study import FURTHER, STUDY, app_on, create_once, text_with

from study_server.config import StudyFile, parse_study_file
from study_server.errors import StudyFileError
from study_server.export.export import export_study
from study_server.export.other_formats import write_jspsych, write_psych_ds
from study_server.export.verify import verify_export
from study_server.publication.preregister import preregister
from study_server.publication.release import release
from study_server.simulation.rater_model import RaterModel, SimulatedRater, Truth
from study_server.storage.database import Database
from study_server.storage.models import Condition
from study_server.studies.states import open_drafts
from study_server.web.admin.dashboard import counts
from study_server.web.admin.dashboard.judged import judged_of
from study_server.web.admin.dashboard.panels import build

OWN = (
    "contact",
    'question = {{ task2 = {{ en = "Which is a photo?", zh = "哪张是照片？" }} }}\ncontact',
)


# What a rater says to the seven trials: which is real, which is sharper, which is nicer.
GIVEN: list[tuple[str, str, str] | None] = [
    ("left", "left", "bad"), ("right", "tie", "left"), ("left", "right", "tie"),
    ("right", "left", "right"), ("left", "tie", "left"), ("right", "right", "bad"),
    None,
]  # fmt: skip


def make_further(database: Database, folder: Path, *replacements: tuple[str, str]) -> StudyFile:
    """Make and open the study."""
    text = text_with(STUDY, folder, *replacements, more=FURTHER)
    file = create_once(database, text)
    open_drafts(database, "test")
    return file


@pytest.mark.parametrize(
    ("replacement", "words"),
    [
        (('"sharper"', '"real"'), "question 'real': that is the id of the trial's own question"),
        (('"nicer"', '"sharper"'), "question 'sharper' is there twice"),
        ((', zh = "哪一张更好看？"', ""), "question 'nicer' has no wording in 'zh'"),
        (("contact", 'tasks = ["task1", "task2"]\ncontact'), "task1 and task2: with .* one"),
        (("noisy = ", "reference = "), "'reference' is the name of the real photos"),
        (("raters = 3", 'raters = 3\npairs = "all"'), "design.pairs is for"),
    ],
)
def test_what_does_not_fit_is_one_line(
    tmp_path: Path, replacement: tuple[str, str], words: str
) -> None:
    with pytest.raises(StudyFileError, match=f"^study.toml: .*{words}") as refusal:
        parse_study_file(text_with(STUDY, tmp_path, replacement, more=FURTHER), "study.toml")
    assert "\n" not in str(refusal.value)


def test_a_question_without_words_is_refused_even_alone(tmp_path: Path) -> None:
    """Only a preference study has built-in words for its one question."""
    text = text_with(STUDY, tmp_path, more='[[question]]\nid = "sharper"\n')
    with pytest.raises(StudyFileError, match="'sharper' has no wording in 'en'"):
        parse_study_file(text, "study.toml")


@pytest.mark.slow
def test_every_answer_is_stored_once_and_exported_in_its_own_table(
    database: Database, images: Path, tmp_path: Path
) -> None:
    file = make_further(database, images, OWN)
    app = app_on(database)
    rater = Rater(app, query="?lang=zh").begin()
    page = rater.client.get(f"/r/{rater.token}/run").text
    assert "哪张是照片？" in page
    asked = rater.state["settings"]["questions"]
    assert [each["id"] for each in asked] == ["real", "sharper", "nicer"]
    assert [each["text"] for each in asked] == ["哪张是照片？", "哪一张更清晰？", "哪一张更好看？"]
    assert asked[0]["answers"] == ["left", "right"]
    first = answers(*GIVEN[0])
    for wrong in (
        {},
        {"answers": {"real": {"choice": "left"}}},
        {"answers": first | {"real": {"choice": "right"}}},
        {"answers": first | {"sharper": {"choice": "bad"}}},
        {"answers": {**first, "price": {"choice": "left"}}},
    ):
        assert rater.post("answer", rater.body("left") | wrong).status_code == 400, wrong
    truth = rater.truth()
    body = rater.body("left", answers=first)
    correct = truth[0].model_side != "left"
    assert rater.post("answer", body).json["feedback"] == {"correct": correct}
    assert rater.post("answer", body).json["stored"]  # sent again: stored once
    changed = first | {"nicer": {"choice": "left"}}
    assert rater.post("answer", body | {"answers": changed}).status_code == 409
    rater.open()
    for said in GIVEN[1:]:
        if said is None:
            rater.answer(None)
        else:
            rater.answer(said[0], answers=answers(*said))
    rater.finish()
    check_export(database, rater, tmp_path)
    check_dashboard(database, file, rater)


def check_export(database: Database, rater: Rater, tmp_path: Path) -> None:
    """Compare both tables of the export with what was shown and said."""
    truth = rater.truth()
    done = export_study(database, "small", tmp_path)
    assert (done.table, done.judgments) == ("judgments.csv", 7)
    assert verify_export(tmp_path) == []
    judgments, further = rows(tmp_path / "judgments.csv"), rows(tmp_path / "comparisons.csv")
    names = _names(database)
    for row, trial, said in zip(judgments, truth, GIVEN, strict=True):
        fooled = "" if said is None else str(int(said[0] == trial.model_side))
        assert (row["fooled"], row["task"]) == (fooled, "task2")
    pairs = [
        (trial, said, place) for trial, said in zip(truth, GIVEN, strict=True) for place in (1, 2)
    ]
    for row, (trial, said, place) in zip(further, pairs, strict=True):
        sides = [names[trial.condition_id], "reference"]
        left, right = sides if trial.model_side == "left" else sides[::-1]
        assert (row["model_a"], row["model_b"]) == (left, right)
        assert row["question"] == ("", "sharper", "nicer")[place]
        assert row["answer"] == ("" if said is None else said[place])
    record = json.loads((tmp_path / "study.json").read_text())
    assert [each["id"] for each in record["questions"]] == ["real", "sharper", "nicer"]
    assert record["questions"][0]["wording"] == {"en": "Which is a photo?", "zh": "哪张是照片？"}
    codebook = {row["column"] for row in rows(tmp_path / "codebook.csv")}
    assert codebook == {*judgments[0], *further[0]}
    kinds = Counter(each["trial_type"] for each in json.loads(write_jspsych(tmp_path).read_text()))
    assert kinds == {"foolrate-2afc": 7, "foolrate-preference": 14}
    assert len(list((write_psych_ds(tmp_path) / "data").iterdir())) == 2
    check_release(tmp_path, further)


def check_release(export: Path, further: list[dict[str, str]]) -> None:
    """Compare the two tables of a release: one pseudonym a rater, the answers as exported."""
    made = export / "release"
    assert release(export, made, licence="CC0-1.0", images={}, image_licences={}) == 7
    judged = rows(made / "data" / "study-small_data.csv")
    asked = rows(made / "data" / "study-small_description-further_data.csv")
    assert [row["answer"] for row in asked] == [row["answer"] for row in further]
    assert {row["rater_id"] for row in asked} == {row["rater_id"] for row in judged}
    assert {row["rater_id"] for row in asked}.isdisjoint(row["rater_id"] for row in further)
    described = json.loads((made / "croissant.json").read_text())["recordSet"]
    assert [each["name"] for each in described] == ["judgments", "comparisons"]
    assert "config_name: comparisons" in (made / "README.md").read_text()


def check_dashboard(database: Database, file: StudyFile, rater: Rater) -> None:
    """Compare the dashboard's shares with those counted by hand."""
    truth, names = rater.truth(), _names(database)
    judged = judged_of(1, file)
    with database.reading() as db_session:
        view = build(db_session.connection(), judged, file, None, 0)
    expected: dict[str, list[float]] = {"real": [], "sharper": [], "nicer": []}
    for trial, said in zip(truth, GIVEN, strict=True):
        if trial.kind == "main" and said is not None:
            for name, answer in zip(expected, said, strict=True):
                neither = answer in ("tie", "bad")
                expected[name].append(0.5 if neither else float(answer == trial.model_side))
    mine = next(names[trial.condition_id] for trial in truth if trial.kind == "main")
    shown = [("real", view["rates"]), *((each.id, lines) for each, lines in view["further"])]
    for name, lines in shown:
        points = expected[name]
        assert {line.condition: line.mean for line in lines if line.raters} == {
            mine: sum(points) / len(points)
        }
    assert counts.means(judged, "real-or-model") == counts.rater_means(judged)


def answers(*choices: str) -> dict[str, Any]:
    """Return the answers to all questions as a browser sends them."""
    names = ("real", "sharper", "nicer")
    return {name: {"choice": choice} for name, choice in zip(names, choices, strict=True)}


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _names(database: Database) -> dict[int, str]:
    with database.session() as db_session:
        return {row.id: row.name for row in db_session.query(Condition)}


def test_the_preregistration_names_what_else_is_asked(tmp_path: Path, images: Path) -> None:
    file = parse_study_file(text_with(STUDY, images, more=FURTHER), "study.toml")
    preregister(file, tmp_path, hypotheses=[], items=None, reason=str)
    text = (tmp_path / "preregistration.md").read_text()
    assert "Question sharper: “Which one is sharper?” (left, right, tie)." in text


def test_simulated_raters_answer_by_the_scores_of_each_question(tmp_path: Path) -> None:
    """A model four log odds below the photo wins in 1.8 %; one at its score in half."""
    file = parse_study_file(text_with(STUDY, tmp_path, more=FURTHER), "study.toml")
    scores = {"sharper": {"noisy": -4.0}, "nicer": {"noisy": 0.0}}
    model = RaterModel(rates={"noisy": 0.4}, questions=scores, tie=0.0, skip=0.0, lapse=0.0)
    wins: Counter[str] = Counter()
    for index in range(100):
        rater = SimulatedRater(model, 1, index)
        for number in range(6):
            said = rater.answer(Truth(f"item-{number}", "noisy", "main", "left"), file.questions)
            wins.update(name for name, one in said["answers"].items() if one["choice"] == "left")
    assert wins["real"] / 600 == pytest.approx(0.4, abs=0.08)
    assert wins["sharper"] / 600 == pytest.approx(0.018, abs=0.02)
    assert wins["nicer"] / 600 == pytest.approx(0.5, abs=0.08)
