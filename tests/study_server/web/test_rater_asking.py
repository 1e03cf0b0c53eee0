"""What raters are asked besides the trials: questionnaires, the check, where the answers go."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from actors import DEVICE, Rater
from small_study import MakeStudy, app_on
from sqlalchemy import select

from study_server.asking import READY, as_number
from study_server.config import parse_study_file
from study_server.errors import StudyFileError
from study_server.export.export import export_study
from study_server.export.verify import verify_export
from study_server.sessions.entering.withdrawal import withdraw_session
from study_server.storage.asked_models import CheckAttempt, QuestionnaireAnswer
from study_server.storage.database import Database

ASKED = """
[ask]
blocks = ["vision"]
after = [
  { id = "why", kind = "text", text = "What did you look for?", required = false },
  { id = "sure", kind = "choice", text = "How sure were you?", options = [
    { value = "1", text = "100 % guessing" }, { value = "2", text = "sure" } ] },
]
[[ask.before]]
id = "age"
kind = "number"
text = { en = "How old are you?", zh = "您多大？" }
minimum = 18
maximum = 120
[check]
questions = [
  { text = "What do you pick?", right = "photo", options = [
    { value = "photo", text = "The photo" }, { value = "fake", text = "The fake" } ] },
  { text = "How often?", right = "each", options = [
    { value = "each", text = "Each time" }, { value = "once", text = "Once" } ] },
]
"""
BEFORE = {"q-vision_correction": "worn", "q-vision_colour": "yes", "q-age": "33"}
RIGHT = {"c-0": "photo", "c-1": "each"}
WRONG = {"c-0": "fake", "c-1": "each"}


@pytest.fixture
def rater(sqlite: Database, make_study: MakeStudy) -> Rater:
    """Return a rater who has consented to a study that asks."""
    make_study(sqlite, ("[practice]", f"{ASKED}[practice]"))
    rater = Rater(app_on(sqlite))
    rater.arrive()
    return rater


def at(rater: Rater, step: str) -> str:
    return f"/r/{rater.token}/{step}"


def to_the_check(rater: Rater) -> None:
    rater.form(at(rater, "before"), **BEFORE)
    rater.form(at(rater, "device"), **DEVICE)
    rater.form(at(rater, "instructions"))


def test_the_whole_way_with_questions(rater: Rater, sqlite: Database, tmp_path: Path) -> None:
    assert rater.client.get(at(rater, "device")).location == at(rater, "before")
    to_the_check(rater)
    assert rater.form(at(rater, "check"), **RIGHT).location == at(rater, "run")
    rater.open()
    rater.answer_all()
    assert rater.client.get(at(rater, "comment")).location == at(rater, "after")
    answer = {"q-why": "Edges & <b>noise</b>", "q-sure": "2"}
    assert rater.form(at(rater, "after"), **answer).location == at(rater, "comment")
    assert "Thank you" in rater.finish().text

    export_study(sqlite, "small", tmp_path / "export")
    assert verify_export(tmp_path / "export") == []
    with (tmp_path / "export/questionnaire.csv").open() as lines:
        rows = [(row["rater_id"], row["question"], row["value"]) for row in csv.DictReader(lines)]
    assert rows == [
        ("r0001", "age", "33"),
        ("r0001", "sure", "2"),
        ("r0001", "vision_colour", "yes"),
        ("r0001", "vision_correction", "worn"),
        ("r0001", "why", "Edges & <b>noise</b>"),
        ("r0001", "check.1", "2"),
    ]
    assert "noise" not in (tmp_path / "export/judgments.csv").read_text()


@pytest.mark.parametrize(
    ("age", "words"),
    [
        ("17", "Please give a number from 18 to 120."),
        ("121", "Please give a number from 18 to 120."),
        ("old", "Please give a number."),
        ("1e3", "Please give a number."),
        ("", "Please answer this question."),
    ],
)
def test_an_answer_out_of_range_is_said_and_nothing_is_stored(
    rater: Rater, sqlite: Database, age: str, words: str
) -> None:
    answer = rater.form(at(rater, "before"), **BEFORE | {"q-age": age})
    assert answer.status_code == 400
    assert words in answer.text
    assert 'value="worn" checked' in answer.text  # what was right stays
    with sqlite.read() as connection:
        assert connection.execute(select(QuestionnaireAnswer)).all() == []


def test_an_option_that_there_is_none_of_is_refused(rater: Rater) -> None:
    answer = rater.form(at(rater, "before"), **BEFORE | {"q-vision_colour": "maybe"})
    assert answer.status_code == 400
    assert "Please choose one of the answers." in answer.text


def test_an_answer_once_sent_stays(rater: Rater, sqlite: Database) -> None:
    page = rater.client.get(at(rater, "before"))
    rater.form(at(rater, "before"), **BEFORE)
    token = page.text.split('name="csrf_token" value="')[1].split('"')[0]
    again = BEFORE | {"q-age": "44", "csrf_token": token}
    assert rater.client.post(at(rater, "before"), data=again).status_code == 303
    with sqlite.read() as connection:
        found = connection.execute(
            select(QuestionnaireAnswer.value).where(QuestionnaireAnswer.question == "age")
        ).scalars()
        assert list(found) == ["33"]


@pytest.mark.slow
def test_the_check_gives_two_attempts(rater: Rater) -> None:
    to_the_check(rater)
    assert rater.form(at(rater, "check"), **WRONG).location == at(rater, "check")
    assert "this is the last attempt" in rater.client.get(at(rater, "check")).text
    assert rater.form(at(rater, "check"), **RIGHT).location == at(rater, "run")


def test_after_the_second_attempt_a_rater_is_let_go_with_a_code(
    rater: Rater, sqlite: Database
) -> None:
    to_the_check(rater)
    rater.form(at(rater, "check"), **WRONG)
    assert rater.form(at(rater, "check"), **WRONG).location == at(rater, "end")
    page = rater.client.get(at(rater, "end")).text
    assert "were not answered correctly" in page
    assert 'id="code"' in page
    assert rater.row().outcome == "screened_out"
    assert rater.client.get(at(rater, "check")).location == at(rater, "end")
    with sqlite.read() as connection:
        assert len(connection.execute(select(CheckAttempt)).all()) == 2


def test_the_trials_cannot_be_reached_past_the_check(rater: Rater) -> None:
    to_the_check(rater)
    assert rater.client.get(at(rater, "run")).location == at(rater, "instructions")
    assert rater.post("open", {}).status_code != 200
    assert rater.form(at(rater, "check"), **{"c-0": "photo"}).status_code == 400


@pytest.mark.slow
def test_a_pass_mark_below_all_is_enough(sqlite: Database, make_study: MakeStudy) -> None:
    text = ASKED.replace("[check]", "[check]\npass_mark = 1")
    make_study(sqlite, ("[practice]", f"{text}[practice]"))
    rater = Rater(app_on(sqlite))
    rater.arrive()
    to_the_check(rater)
    assert rater.form(at(rater, "check"), **WRONG).location == at(rater, "run")


@pytest.mark.slow
def test_withdrawing_deletes_the_answers_too(rater: Rater, sqlite: Database) -> None:
    to_the_check(rater)
    rater.form(at(rater, "check"), **WRONG)
    with sqlite.session() as db_session:
        withdraw_session(db_session, rater.row().id, "test")
    with sqlite.read() as connection:
        assert connection.execute(select(QuestionnaireAnswer)).all() == []
        assert connection.execute(select(CheckAttempt)).all() == []


@pytest.mark.slow
def test_questions_are_asked_in_the_raters_language(rater: Rater) -> None:
    page = rater.client.get(at(rater, "before") + "?lang=zh").text
    assert "您多大？" in page
    assert "据您所知" in page
    assert "How old are you?" not in page


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (', zh = "您多大？"', "", "ask.before.age has no text in 'zh', which the study offers"),
        ('right = "photo"', 'right = "x"', "right is 'x', expected one of photo, fake"),
        ("[check]", "[check]\npass_mark = 3", "pass_mark is 3, expected at most the 2 questions"),
        ('id = "sure"', 'id = "age"', "two questions have the id 'age'"),
        ("minimum = 18", "minimum = 200", "age: minimum is above maximum"),
        ('kind = "text", ', 'kind = "text", minimum = 1, ', "only a number has minimum"),
        ('kind = "number"', 'kind = "choice"', "a choice, and only that, has two options"),
        ('value = "2"', 'value = "1"', "two options have the same value"),
        ('blocks = ["vision"]', 'blocks = ["smell"]', "ask.blocks.0 is 'smell'"),
    ],
)
def test_a_file_that_asks_badly_is_one_line(
    study_text: str, old: str, new: str, words: str
) -> None:
    assert old in ASKED
    with pytest.raises(StudyFileError, match=words) as refusal:
        parse_study_file(study_text + ASKED.replace(old, new, 1), "x")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "number"),
    [("33", 33), ("1,5", 1.5), (" -2.5 ", -2.5), ("٣", None), ("1.2.3", None), ("inf", None),
     ("nan", None), ("1e3", None), ("", None), ("-", None)],
)  # fmt: skip
def test_numbers_are_read_with_a_point_or_a_comma(text: str, number: float | None) -> None:
    assert as_number(text) == number


def test_every_text_of_the_ready_blocks_is_a_message() -> None:
    template = Path(__file__).parents[3] / "study_server/web/templates/rater/questionnaire.html"
    words = template.read_text()
    for block in READY.values():
        for question in block:
            for text in (question.text, *(option.text for option in question.options)):
                assert f'"{text}": _("{text}")' in words
