"""Single images that are rated on scales: from the study file to the export."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from actors import Rater
from single_study import RATED, make_single, single_text
from small_study import app_on

from study_server.config import StudyFile, parse_study_file
from study_server.errors import StudyFileError
from study_server.export.export import export_study
from study_server.export.other_formats import write_jspsych, write_psych_ds
from study_server.export.verify import verify_export
from study_server.publication.preregister import preregister
from study_server.publication.release import release
from study_server.simulation.rater_model import RaterModel, SimulatedRater, Truth
from study_server.simulation.ratings import true_shares
from study_server.storage.database import Database
from study_server.storage.models import Condition
from study_server.web.admin.dashboard.judged import judged_of
from study_server.web.admin.dashboard.panels import build

OWN = """
[[question]]
id = "camera"
wording = {{ en = "From a camera?", zh = "是相机拍摄的吗？" }}
"""
MANY = [f'{{{{ value = "{value}", text = "{value}" }}}}' for value in "abcdefgh"]
ONE = '[[question]]\nid = "x"\n'

# What a rater says to the seven trials: real or made, how pleasing, with people.
GIVEN: list[tuple[str, str, str] | None] = [
    ("real", "good", "yes"), ("made", "bad", "no"), ("real", "fair", "no"),
    ("made", "good", "yes"), ("real", "bad", "yes"), None, ("made", "fair", "no"),
]  # fmt: skip


def answers(first: str, pleasing: str, people: str) -> dict[str, Any]:
    """Return the answers to all questions as a browser sends them."""
    said = {"real": first, "aesthetics": pleasing, "people": people}
    return {name: {"choice": choice, "rt_ms": 500.0} for name, choice in said.items()}


@pytest.mark.parametrize(
    ("replacement", "words"),
    [
        (('scale = "ordinal"\n', ""), "'aesthetics' has options and no scale, expected .ordinal"),
        (('"nominal"', '"rated"'), "question.1.scale is 'rated', expected: input should be 'ord"),
        (('value = "fair"', 'value = "bad"'), "the option 'bad' is there twice"),
        ((', zh = "好"', ""), "the option 'good' has no text in 'zh', expected one in each"),
        (('"好"', '"差"'), "two options read '差' in 'zh'"),
        (('"好"', '" "'), "the option 'good' has no text in 'zh'"),
        ((', zh = "图中有人吗？"', ""), "question 'people' has no wording in 'zh'"),
        (('"people"', '"aesthetics"'), "question 'aesthetics' is there twice"),
        (('"people"', '"real"'), "'real': that is the id of the trial's own question"),
        (('"people"', '"truth"'), "'truth': that is the name of a column of the export's table"),
        (('"people"', '"score"'), "'score': that is the name of a column of the export's table"),
        (('value = "no"', 'valu = "no"'), "no key 'question.1.options.1.valu', did you mean 'val"),
        (('scale = "nominal"', 'scale = "nominal"\nanswers = ["left", "right"]'), "has both"),
        (('trial = "single"', 'trial = "preference"'), "'aesthetics': scale and options are for"),
        (('trial = "single"', 'made_share = 0.5'), "'aesthetics': scale and options are for"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(
    tmp_path: Path, replacement: tuple[str, str], words: str
) -> None:
    refused(single_text(tmp_path, replacement, more=RATED), words)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (ONE + 'answers = ["left", "right"]\n', "'x': answers are left, right, which are about"),
        (ONE + 'scale = "ordinal"\noptions = []\n', "has scale and no options"),
        (RATED + OWN, "'camera' has no scale and no options; only the first"),
        (f'{ONE}scale = "ordinal"\noptions = [{", ".join(MANY)}]\n', "8 options .* 2 to 7"),
        (f'{ONE}scale = "nominal"\noptions = [{MANY[0]}]\n', "1 option .a., expected 2 to 7"),
        (RATED + "".join(RATED.replace('"people"', f'"p{n}"').replace('"aes', f'"a{n}')
                         for n in range(5)), "is there 12 times, expected at most 10"),
    ],
)  # fmt: skip
def test_what_cannot_be_rated_is_one_line(tmp_path: Path, more: str, words: str) -> None:
    refused(single_text(tmp_path, more=more), words)


def refused(text: str, words: str) -> None:
    """Read a study file, and expect one line with these words."""
    with pytest.raises(StudyFileError, match=words) as refusal:
        parse_study_file(text, "study.toml")
    assert "\n" not in str(refusal.value)


def test_a_question_without_a_scale_words_whether_the_image_is_real(tmp_path: Path) -> None:
    text = single_text(tmp_path, more=OWN + RATED)
    first, second, third = parse_study_file(text, "study.toml").questions
    assert (first.id, first.choices, first.words("en")) == (
        "camera", ("real", "made"), "From a camera?",
    )  # fmt: skip
    assert (second.choices, third.choices) == (("bad", "fair", "good"), ("yes", "no"))
    assert [second.score(choice) for choice in (*second.choices, None)] == [1, 2, 3, None]
    assert third.score("no") is None


def test_a_file_without_scales_keeps_its_digest(tmp_path: Path) -> None:
    """As it was before there were any: a study under way keeps its blocks."""
    file = parse_study_file(single_text(tmp_path, more=OWN), "study.toml")
    assert json.loads(file.canonical())["question"] == [
        {
            "id": "camera",
            "wording": {"en": "From a camera?", "zh": "是相机拍摄的吗？"},
            "answers": ["left", "right"],
        }
    ]


@pytest.mark.slow
def test_every_rating_is_stored_once_and_exported_in_its_own_table(
    database: Database, images: Path, tmp_path: Path
) -> None:
    file = make_single(database, images, more=RATED)
    app = app_on(database)
    rater = Rater(app, query="?lang=zh").begin()
    page = rater.client.get(f"/r/{rater.token}/run").text
    assert "<span>一般</span></button>" in page
    asked = rater.state["settings"]["questions"]
    assert [each["id"] for each in asked] == ["real", "aesthetics", "people"]
    assert asked[1] == {
        "id": "aesthetics",
        "text": "这张图像有多美观？",
        "answers": ["bad", "fair", "good"],
        "options": [
            {"value": "bad", "text": "差"},
            {"value": "fair", "text": "一般"},
            {"value": "good", "text": "好"},
        ],
    }
    check_refusals(rater)
    truth = rater.truth()
    assert truth[0].kind == "practice"
    for said in GIVEN:
        if said is None:
            rater.answer(None)
        else:
            body = rater.body(said[0], answers=answers(*said))
            assert rater.post("answer", body).status_code == 200
            assert rater.post("answer", body).json["stored"]  # sent again: stored once
            changed = body["answers"] | {"people": {"choice": "yes"}}
            assert rater.post("answer", body | {"answers": changed}).status_code == 409
            rater.open()
    rater.finish()
    check_export(database, rater, tmp_path)
    check_dashboard(database, file, rater)


def check_refusals(rater: Rater) -> None:
    """Send what answers not all questions, or not as they are asked."""
    first = answers(*GIVEN[0])
    for wrong in (
        {},
        {"answers": {"real": {"choice": "real"}}},
        {"answers": first | {"real": {"choice": "made"}}},
        {"answers": first | {"aesthetics": {"choice": "yes"}}},
        {"answers": first | {"aesthetics": {"choice": "excellent"}}},
        {"answers": {**first, "price": {"choice": "bad"}}},
    ):
        assert rater.post("answer", rater.body("real") | wrong).status_code == 400, wrong
    skipped = rater.body(None, answers={"aesthetics": {"choice": "bad"}})
    assert rater.post("answer", skipped).status_code == 400


def check_export(database: Database, rater: Rater, tmp_path: Path) -> None:
    """Compare both tables of the export with what was shown and said."""
    truth = rater.truth()
    done = export_study(database, "small", tmp_path)
    assert (done.table, done.judgments) == ("detections.csv", 7)
    assert verify_export(tmp_path) == []
    judged, rated = rows(tmp_path / "detections.csv"), rows(tmp_path / "ratings.csv")
    assert [row["answer"] for row in judged] == ["" if s is None else s[0] for s in GIVEN]
    names = _names(database)
    expected = [
        (trial, said, place) for trial, said in zip(truth, GIVEN, strict=True) for place in (1, 2)
    ]
    for row, (trial, said, place) in zip(rated, expected, strict=True):
        name = names[trial.condition_id]
        whose = ("real", "") if name == "real" else ("made", name)
        assert (row["truth"], row["model"], row["kind"]) == (*whose, trial.kind)
        assert row["question"] == ("", "aesthetics", "people")[place]
        assert row["rating"] == ("" if said is None else said[place])
        steps = {"bad": "1", "fair": "2", "good": "3"}
        assert row["score"] == (steps.get(row["rating"], ""))
        assert row["rt_ms"] == ("" if said is None else "500.0")
    record = json.loads((tmp_path / "study.json").read_text())
    assert [each["id"] for each in record["questions"]] == ["real", "aesthetics", "people"]
    assert record["questions"][2]["options"][0] == {
        "value": "yes", "text": {"en": "Yes", "zh": "有"},
    }  # fmt: skip
    assert "ratings.csv" in record["files"]
    codebook = {row["column"] for row in rows(tmp_path / "codebook.csv")}
    assert codebook == {*judged[0], *rated[0]}
    shaped = json.loads(write_jspsych(tmp_path).read_text())
    kinds = Counter(each["trial_type"] for each in shaped)
    assert kinds == {"foolrate-single": 7, "foolrate-rating": 14}
    assert [each["response"] for each in shaped[7:9]] == ["good", "yes"]
    assert len(list((write_psych_ds(tmp_path) / "data").iterdir())) == 2
    check_release(tmp_path, rated)


def check_release(export: Path, rated: list[dict[str, str]]) -> None:
    """Compare the two tables of a release: one pseudonym a rater, the ratings as exported."""
    made = export / "release"
    assert release(export, made, licence="CC0-1.0", images={}, image_licences={}) == 7
    judged = rows(made / "data" / "study-small_data.csv")
    asked = rows(made / "data" / "study-small_description-further_data.csv")
    assert [row["rating"] for row in asked] == [row["rating"] for row in rated]
    assert {row["rater_id"] for row in asked} == {row["rater_id"] for row in judged}
    assert {row["rater_id"] for row in asked}.isdisjoint(row["rater_id"] for row in rated)
    described = json.loads((made / "croissant.json").read_text())["recordSet"]
    assert [each["name"] for each in described] == ["detections", "ratings"]
    card = (made / "README.md").read_text()
    assert "config_name: ratings" in card
    assert "“How pleasing is this image?” (1 Bad, 2 Fair, 3 Good)" in card


def check_dashboard(database: Database, file: StudyFile, rater: Rater) -> None:
    """Compare the dashboard's means with those counted by hand."""
    truth, names = rater.truth(), _names(database)
    with database.reading() as db_session:
        view = build(db_session.connection(), judged_of(1, file), file, None, 0)
    pleasing: dict[str, list[float]] = {}
    people: dict[str, list[float]] = {}
    for trial, said in zip(truth, GIVEN, strict=True):
        if trial.kind == "main" and said is not None:
            name = names[trial.condition_id]
            place = ("bad", "fair", "good").index(said[1])
            pleasing.setdefault(name, []).append(place / 2)
            people.setdefault(name, []).append(float(said[2] == "yes"))
    for (question, lines), points in zip(view["further"], (pleasing, people), strict=True):
        shown = {line.condition: line.mean for line in lines if line.raters}
        assert shown == {name: sum(each) / len(each) for name, each in points.items()}, question.id
    panel = rater.app.jinja_env.get_template("admin/panels/rates.html")
    with rater.app.test_request_context():
        html = panel.render(**view)
    best = max(pleasing, key=lambda name: sum(pleasing[name]) / len(pleasing[name]))
    mean = 1 + 2 * sum(pleasing[best]) / len(pleasing[best])
    assert "Mean score, from 1 (bad) to 3 (good)" in html
    assert f'<td class="n">{mean:.2f}</td>' in html
    assert "Share of the answer yes" in html


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _names(database: Database) -> dict[int, str]:
    with database.session() as db_session:
        return {row.id: row.name for row in db_session.query(Condition)}


def test_the_preregistration_names_the_scales(tmp_path: Path, images: Path) -> None:
    file = parse_study_file(single_text(images, more=RATED), "study.toml")
    preregister(file, tmp_path, hypotheses=[], items=None, reason=str)
    text = (tmp_path / "preregistration.md").read_text()
    assert "`aesthetics`: “How pleasing is this image?” (1 Bad, 2 Fair, 3 Good)." in text
    assert "of an ordinal scale the mean score" in text


def test_simulated_raters_rate_by_the_scores_of_each_question(tmp_path: Path) -> None:
    """Three steps cut at ±.75: a score of 2 gives logistic(1.25) = .777 good ones, no effects."""
    file = parse_study_file(single_text(tmp_path, more=RATED), "study.toml")
    scores = {"aesthetics": {"noisy": 2.0}, "people": {"noisy": 0.0}}
    model = RaterModel(questions=scores, rater_sd=0, item_sd=0, skip=0, lapse=0)
    said: Counter[str] = Counter()
    for index in range(100):
        rater = SimulatedRater(model, 1, index)
        for number in range(6):
            given = rater.answer(Truth(f"i{number}", "noisy", "main", "left"), file.questions)
            said.update(one["choice"] for one in given["answers"].values())
    assert said["good"] / 600 == pytest.approx(0.777, abs=0.05)
    assert said["yes"] / 600 == pytest.approx(0.5, abs=0.06)
    assert model.rated("noisy", "aesthetics", 3)[2] == pytest.approx(0.7773, abs=1e-4)
    assert true_shares(0.0, 1.0, 0.5, 2) == pytest.approx([0.5, 0.5])
