"""Why a rater chose: stored with the choice, once, bounded, deletable, and never unasked."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from actors import Rater
from hypothesis import given, settings
from hypothesis import strategies as st
from small_study import MakeStudy, app_on
from sqlalchemy import func, select, update

from study_server.asking import Reason
from study_server.config import parse_study_file
from study_server.errors import StudyFileError
from study_server.export.export import export_study
from study_server.export.verify import verify_export
from study_server.sessions.answering.questions import Wrote, writes_as_asked
from study_server.storage.asked_models import JudgmentReason
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.models import Judgment, Study, Trial
from study_server.storage.upkeep.retention import DAY_MS, KeepDays, purge
from study_server.studies.draws import reasons_asked
from study_server.studies.states import find_study, set_state

FORMULA = '=HYPERLINK("http://evil.example","<b>sharper</b>")'


def asking(how: str, *more: str) -> tuple[str, str]:
    """Return the change of the study file that asks for reasons."""
    return "[practice]", "\n".join(["[reason]", f'ask = "{how}"', *more, "[practice]"])


def reasons(database: Database) -> list[JudgmentReason]:
    """Return the stored reasons in order."""
    with database.session() as db_session:
        return list(db_session.scalars(select(JudgmentReason).order_by(JudgmentReason.position)))


def wrote(text: str, ms: float | None = 2_000.5) -> dict[str, Any]:
    """Return what a browser sends of a reason."""
    return {"text": text, "ms": ms}


def answer_all(rater: Rater, text: str = "It is sharper.") -> None:
    """Answer every trial that is left, each with a reason where one is asked."""
    while rater.state["trials"]:
        asked = rater.state["trials"][0]["reason"]
        rater.answer("left", **({"reason": wrote(text)} if asked else {}))


def test_a_reason_is_stored_with_its_choice_and_once(
    database: Database, make_study: MakeStudy
) -> None:
    make_study(database, asking("required"))
    rater = Rater(app_on(database)).begin()
    assert rater.state["settings"]["reason"] == {"text": None, "required": True, "most": 200}
    assert [trial["reason"] for trial in rater.state["trials"]] == [True, False, True]
    body = rater.body("left", reason=wrote("  sharper \x07hair\n"))
    first, again = rater.post("answer", body), rater.post("answer", body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json == again.json
    for other in (wrote("another"), None):
        assert rater.post("answer", body | {"reason": other}).status_code == 409
    [kept] = reasons(database)
    assert (kept.position, kept.words, kept.taken_ms) == (0, "sharper hair", 2_000.5)
    with database.session() as db_session:
        [judgment] = db_session.scalars(select(Judgment))
    assert judgment.rt_ms == 700.5  # the time to the choice knows nothing of the writing
    assert len(judgment.reason or "") == 64
    assert "sharper" not in first.text
    rater.state |= first.json
    answer_all(rater)  # the last trial's answer takes another way into the database
    assert len(reasons(database)) == 1 + 5
    assert rater.finish().status_code == 200


@pytest.mark.slow
def test_what_is_no_answer_is_refused_and_nothing_is_stored(
    sqlite: Database, make_study: MakeStudy
) -> None:
    make_study(sqlite, asking("required", "most = 20"))
    rater = Rater(app_on(sqlite)).begin()
    for reason in (None, wrote(""), wrote(" \n\x00 "), wrote("x" * 21), wrote("ok", -1), "ok",
                   {"text": "ok", "more": 1}, {"text": 3}):  # fmt: skip
        response = rater.post("answer", rater.body("left", reason=reason))
        assert (response.status_code, response.json) == (400, {"error": "bad-request"}), reason
    assert rater.post("answer", rater.body(None, reason=wrote("ok"))).status_code == 400
    surrogate = json.dumps(rater.body("left", reason=wrote("\ud800")))
    url = f"/r/{rater.token}/answer"
    sent = rater.client.post(url, data=surrogate, content_type="application/json")
    assert sent.status_code == 400
    assert rater.post("answer", rater.body("left", reason=wrote("😀" * 20))).status_code == 200
    rater.state["trials"].pop(0)  # the second practice trial asks for none
    assert rater.post("answer", rater.body("left", reason=wrote("unasked"))).status_code == 400
    with sqlite.read() as connection:
        assert connection.execute(select(func.count()).select_from(Judgment)).scalar_one() == 1
    assert [kept.words for kept in reasons(sqlite)] == ["😀" * 20]


def test_a_skipped_trial_needs_no_reason_and_an_optional_one_may_be_empty(
    sqlite: Database, make_study: MakeStudy
) -> None:
    make_study(sqlite, asking("required"))
    rater = Rater(app_on(sqlite)).begin()
    rater.answer(None)
    assert reasons(sqlite) == []
    assert writes_as_asked(Reason(ask="optional"), True, "left", Wrote(text=" "))


@pytest.mark.slow
@settings(max_examples=25)
@given(st.text(max_size=60))
def test_what_is_kept_of_any_text_fits_and_holds_no_control_character(text: str) -> None:
    written = Wrote(text=text)
    assert writes_as_asked(Reason(ask="optional", most=60), True, "left", written)
    assert not any(ord(c) < 32 and c != "\n" for c in written.words)
    assert written.words == written.words.strip()


@pytest.mark.slow
def test_export_withdrawal_and_purge_reach_every_reason(
    database: Database, make_study: MakeStudy, tmp_path: Path
) -> None:
    make_study(database, asking("optional", "keep_days = 30"))
    app = app_on(database)
    stays, leaves = Rater(app).begin(), Rater(app).begin()
    answer_all(stays, FORMULA)
    answer_all(leaves, "I am Jane Doe.")
    leaves.form(f"/r/{leaves.token}/withdraw", confirm="yes")
    assert len(reasons(database)) == 6
    export_study(database, "small", tmp_path / "export")
    text = (tmp_path / "export/reasons.csv").read_text()
    assert "Jane Doe" not in text
    rows = list(csv.DictReader(text.splitlines()))
    assert {row["reason"] for row in rows} == {f"'{FORMULA}"}
    assert {row["condition"] for row in rows if row["kind"] == "main"} <= {"blurred", "noisy"}
    assert {row["against"] for row in rows} == {"reference"}
    assert {row["answer"] for row in rows} == {"left"}
    for name in ("judgments.csv", "chain.jsonl", "sessions.csv", "events.jsonl"):
        assert "HYPERLINK" not in (tmp_path / "export" / name).read_text()
    assert verify_export(tmp_path / "export") == []
    with database.session() as db_session:
        set_state(db_session, find_study(db_session, "small"), "closed", "test")
    with database.write() as connection:
        connection.execute(update(Study).values(closed_at=now_ms() - 31 * DAY_MS))
    keep = {"keep_days": lambda _study: KeepDays(None, 30)}
    [listed] = purge(database, 365, **keep, really=False)
    assert (listed.reasons, listed.sessions, len(reasons(database))) == (6, 0, 6)
    assert purge(database, 365, **keep, really=True) == [listed]
    assert reasons(database) == []
    export_study(database, "small", tmp_path / "later")
    assert not (tmp_path / "later/reasons.csv").exists()
    assert verify_export(tmp_path / "later") == []  # the chain is whole without the words


@pytest.mark.slow
def test_a_changed_or_missing_reason_is_found(
    sqlite: Database, make_study: MakeStudy, tmp_path: Path
) -> None:
    make_study(sqlite, asking("required"))
    answer_all(Rater(app_on(sqlite)).begin())
    folder = tmp_path / "export"
    export_study(sqlite, "small", folder)
    path = folder / "reasons.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].replace("sharper", "softer"), *lines[3:]]))
    problems = verify_export(folder)
    assert "r0001, position 0: the reason was changed" in problems
    assert "r0001, position 2: the reason was taken out" in problems


def test_reasons_are_append_only(database: Database, make_study: MakeStudy) -> None:
    make_study(database, asking("required"))
    Rater(app_on(database)).begin().answer("left", reason=wrote("first"))
    with pytest.raises(Exception, match="append-only"), database.write() as connection:
        connection.execute(update(JudgmentReason).values(words="second"))


def test_a_share_of_all_but_practice_is_asked_whatever_the_truth(
    sqlite: Database, make_study: MakeStudy
) -> None:
    file = make_study(sqlite, asking("optional", "share = 0.5"), ("trials = 4", "trials = 5"))
    with sqlite.session() as db_session:
        trials = list(db_session.scalars(select(Trial).order_by(Trial.block_id, Trial.position)))
    blocks: dict[int, list[Trial]] = {}
    for trial in trials:
        blocks.setdefault(trial.block_id, []).append(trial)
    for block in blocks.values():
        assert [each.reason for each in block if each.kind == "practice"] == [True, False]
        assert sum(each.reason for each in block if each.kind != "practice") == 3
    kinds = ["main"] * 5 + ["catch"]
    drawn = [reasons_asked(file, "digest", "seed", n, kinds) for n in range(600)]
    assert drawn == [reasons_asked(file, "digest", "seed", n, kinds) for n in range(600)]
    for position in range(6):  # 300 expected, standard deviation 12.2
        assert abs(sum(each[position] for each in drawn) - 300) < 5 * 12.3


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('ask = "sometimes"', "reason.ask is 'sometimes', expected"),
        ("share = 0.5", "share says how reasons are asked, and none is"),
        ('ask = "optional"\nshare = 0', "reason.share is 0, expected"),
        ('ask = "optional"\nmost = 5000', "reason.most is 5000, expected"),
        ('ask = "optional"\nwording = { en = "Why?" }', "reason.wording has no text in 'zh'"),
        ('ask = "optional"\nwhy = 1', "reason.why"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(study_text: str, lines: str, words: str) -> None:
    with pytest.raises(StudyFileError) as refused:
        parse_study_file(f"{study_text}\n[reason]\n{lines}\n", "study.toml")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_without_reasons_keeps_its_digest(study_text: str) -> None:
    plain = parse_study_file(study_text, "study.toml")
    never = parse_study_file(f'{study_text}\n[reason]\nask = "never"\n', "study.toml")
    assert plain.canonical() == never.canonical()
    assert "reason" not in json.loads(plain.canonical())


@pytest.mark.slow
def test_a_single_image_takes_a_reason(
    sqlite: Database, make_study: MakeStudy, tmp_path: Path
) -> None:
    single = ('inputs = "', 'ids = "stem" # "'), ("[design]", '[design]\ntrial = "single"')
    make_study(sqlite, asking("required"), *single)
    rater = Rater(app_on(sqlite)).begin()
    while rater.state["trials"]:
        asked = rater.state["trials"][0]["reason"]
        rater.answer("real", **({"reason": wrote("It has a face.")} if asked else {}))
    export_study(sqlite, "small", tmp_path / "export")
    rows = list(csv.DictReader((tmp_path / "export/reasons.csv").read_text().splitlines()))
    assert {(row["against"], row["answer"]) for row in rows} == {("", "real")}
    assert len(rows) == len(reasons(sqlite)) > 3
    assert verify_export(tmp_path / "export") == []
