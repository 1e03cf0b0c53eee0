"""A study on the panel: what its draft says, and its way through the panel's states."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from panel_raters import PANEL, SITE, Laboratory
from small_study import MakeStudy

from study_server.config import parse_study_file
from study_server.errors import LostAnswerError, PanelError, StudyFileError
from study_server.recruit import panel_study
from study_server.recruit.draft import draft_of
from study_server.storage.database import Database

CODES = {"completed": "AAA", "no_consent": "BBB", "screened_out": "CCC", "timed_out": "DDD",
         "full": "EEE"}  # fmt: skip


def draft_body(study_text: str, *lines: str, codes: dict[str, str] = CODES, **more: Any) -> dict:
    text = study_text.replace(*PANEL).replace("reward = 2.50", "\n".join(["reward = 2.50", *lines]))
    options: dict[str, Any] = {"site": SITE, "places": 6, "internal_name": "x", "currency": "GBP"}
    return draft_of(parse_study_file(text, "x"), codes, **(options | more))


def test_the_draft_says_what_the_study_file_says(study_text: str) -> None:
    """Names and values: https://docs.prolific.com/api-reference/studies/create-study."""
    body = draft_body(study_text, 'devices = ["desktop"]', "maximum_minutes = 40")
    assert body["reward"] == 250
    assert body["total_available_places"] == 6
    assert body["estimated_completion_time"] == 15
    assert body["maximum_allowed_time"] == 40
    assert body["device_compatibility"] == ["desktop"]
    assert body["external_study_url"] == (
        "https://study.example.org/s/small/?PROLIFIC_PID={{%PROLIFIC_PID%}}"
        "&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
    )
    codes = {
        each["code"]: (each["code_type"], each["actions"]) for each in body["completion_codes"]
    }
    assert codes == {
        "AAA": ("COMPLETED", [{"action": "MANUALLY_REVIEW"}]),
        "BBB": ("NO_CONSENT", [{"action": "REQUEST_RETURN"}]),
        "CCC": ("INCOMPATIBLE_DEVICE", [{"action": "REQUEST_RETURN"}]),
        "DDD": ("OTHER", [{"action": "REQUEST_RETURN"}]),
        "EEE": ("OTHER", [{"action": "REQUEST_RETURN"}]),
    }


def test_who_is_screened_out_can_be_paid_and_who_finishes_be_approved_at_once(
    study_text: str,
) -> None:
    body = draft_body(study_text, "screen_out_reward = 0.25", 'finished = "approve"')
    actions = {each["code"]: each["actions"][0] for each in body["completion_codes"]}
    assert actions["AAA"] == {"action": "AUTOMATICALLY_APPROVE"}
    assert actions["CCC"] == {
        "action": "FIXED_SCREEN_OUT_PAYMENT",
        "fixed_screen_out_reward": 25,
        "slots": 6,
    }


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        (
            [],
            {"codes": CODES | {"full": "aaa"}},
            "completed and full have the same completion code",
        ),
        (["places = 7"], {}, "recruit.places is 7, expected at most the 6 free blocks"),
        ([], {"site": "http://study.example.org"}, "expected the https:// address"),
        ([], {"site": "https://x.org/?a=1"}, "expected the https:// address"),
    ],
)
def test_what_the_panel_would_refuse_is_not_sent(
    study_text: str, lines: list[str], options: dict, words: str
) -> None:
    with pytest.raises(PanelError, match=words):
        draft_body(study_text, *lines, **options)


def test_a_reward_below_the_panels_minimum_is_refused(study_text: str) -> None:
    """£6.00 an hour are £1.50 for 15 minutes."""
    text = study_text.replace(*PANEL)
    least = parse_study_file(text.replace("2.50", "1.50"), "x")
    options: dict[str, Any] = {"site": SITE, "places": 6, "internal_name": "x"}
    assert draft_of(least, CODES, currency="GBP", **options)["reward"] == 150
    less = parse_study_file(text.replace("2.50", "1.49"), "x")
    with pytest.raises(PanelError, match=r"reward is 1.49 for 15 minutes, expected 1.50 GBP or mo"):
        draft_of(less, CODES, currency="GBP", **options)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("reward = 2.505", "no amount of money"),
        ("reward = 0", "recruit.reward is 0"),
        ('devices = ["toaster"]', "recruit.devices.0 is 'toaster'"),
        ("reward = 1.0\nscreen_out_reward = 1.0", "expected less than the reward"),
    ],
)
def test_the_section_is_checked_when_the_file_is_read(
    study_text: str, line: str, words: str
) -> None:
    with pytest.raises(StudyFileError, match=words):
        parse_study_file(study_text + f"[recruit]\n{line}\n", "x")


def test_two_codes_alike_are_refused_when_the_file_is_read(study_text: str) -> None:
    codes = '[provider]\ncodes = { completed = "DONE", full = "done" }\n'
    with pytest.raises(StudyFileError, match="completed and full have the same code 'done'"):
        parse_study_file(study_text + codes, "x")
    assert parse_study_file(study_text + codes, "x", stored=True).provider.codes


def test_a_study_goes_from_draft_to_published_and_back_to_a_pause(laboratory: Laboratory) -> None:
    panel_id = laboratory.published()
    fake, study = laboratory.fake, laboratory.study
    assert fake.studies[panel_id]["status"] == "ACTIVE"
    assert fake.studies[panel_id]["total_available_places"] == 6
    at = (laboratory.database, laboratory.panel(), study)
    assert panel_study.transition(*at, "PAUSE") == "PAUSED"
    assert panel_study.transition(*at, "START") == "ACTIVE"
    assert [each["change"] for each in laboratory.events()] == [
        "draft", "publish", "pause", "start",
    ]  # fmt: skip


def test_a_study_that_is_published_is_not_published_again(laboratory: Laboratory) -> None:
    laboratory.published()
    before = len(laboratory.fake.calls)
    with pytest.raises(PanelError, match="small is ACTIVE on Prolific, expected UNPUBLISHED"):
        panel_study.transition(laboratory.database, laboratory.panel(), laboratory.study, "PUBLISH")
    assert [method for method, _ in laboratory.fake.calls[before:]] == ["GET"]


def test_a_study_that_was_not_drafted_cannot_be_published(laboratory: Laboratory) -> None:
    with pytest.raises(PanelError, match="has no draft on Prolific"):
        panel_study.transition(laboratory.database, laboratory.panel(), laboratory.study, "PUBLISH")


def test_places_only_grow_and_not_above_the_blocks(
    sqlite: Database, make_study: MakeStudy, laboratory: Laboratory
) -> None:
    panel_id = laboratory.published()
    laboratory.fake.studies[panel_id]["total_available_places"] = 4
    at = (laboratory.database, laboratory.panel(), laboratory.study)
    with pytest.raises(PanelError, match="3 places are fewer than the 4 on Prolific"):
        panel_study.set_places(*at, 3)
    with pytest.raises(PanelError, match="7 places, expected at most the 6"):
        panel_study.set_places(*at, 7)
    assert panel_study.set_places(*at, 5).places == 5
    assert panel_study.set_places(*at, 5).places == 5
    assert sum(method == "PATCH" for method, _ in laboratory.fake.calls) == 1


@pytest.mark.slow
def test_a_wrong_token_is_one_line_and_leaves_nothing(laboratory: Laboratory) -> None:
    laboratory.fake.on_call = None
    panel = laboratory.panel()
    panel._token._text = "something-else"
    with pytest.raises(PanelError, match=r"does not take the token \(401\)") as refusal:
        panel_study.draft(laboratory.database, panel, laboratory.study, SITE)
    assert "something-else" not in str(refusal.value)
    assert laboratory.fake.studies == {}
    assert laboratory.events() == []


def cut(method: str, path: str) -> None:
    if (method == "POST" and path in ("/studies/",)) or path.endswith("/transition/"):
        raise httpx.ReadError("cut")


@pytest.mark.parametrize("side", ["on_call", "on_answer"])
def test_a_draft_whose_answer_was_lost_is_made_once(laboratory: Laboratory, side: str) -> None:
    setattr(laboratory.fake, side, cut)
    with pytest.raises(LostAnswerError):
        panel_study.draft(laboratory.database, laboratory.panel(), laboratory.study, SITE)
    setattr(laboratory.fake, side, None)
    panel_study.draft(laboratory.database, laboratory.panel(), laboratory.study, SITE)
    assert len(laboratory.fake.studies) == 1


@pytest.mark.parametrize("side", ["on_call", "on_answer"])
def test_a_publication_whose_answer_was_lost_is_looked_up(
    laboratory: Laboratory, side: str
) -> None:
    at = (laboratory.database, laboratory.panel(), laboratory.study)
    panel_id, _ = panel_study.draft(*at, SITE)
    setattr(laboratory.fake, side, cut)
    if side == "on_answer":
        assert panel_study.transition(*at, "PUBLISH") == "ACTIVE"
        return
    with pytest.raises(LostAnswerError):
        panel_study.transition(*at, "PUBLISH")
    assert laboratory.fake.studies[panel_id]["status"] == "UNPUBLISHED"
