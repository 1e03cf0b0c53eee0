"""Deciding: what is sent for whom, what was sent before, and what the panel does meanwhile."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fake_prolific import RefusalError
from panel_raters import HOURS, Laboratory
from small_study import MakeStudy
from sqlalchemy import select

from study_server.errors import PanelError
from study_server.export.panel_list import completion_codes
from study_server.recruit.decide import decisions, pay_again, send
from study_server.storage.models import PanelChange


@pytest.fixture
def published(laboratory: Laboratory) -> Laboratory:
    laboratory.published()
    return laboratory


def test_who_finished_is_approved_once_and_then_left_alone(published: Laboratory) -> None:
    published.takes("p1")
    published.fake.rater("p1")
    assert published.actions() == {"p1": "approve"}
    assert published.decide() == []
    assert published.fake.paid == {"p1": 250}
    assert published.actions() == {"p1": "nothing"}
    assert published.decide() == []
    assert published.fake.payments == {"p1": 1}


@pytest.mark.parametrize("status", ["RETURNED", "TIMED-OUT"])
def test_who_finished_and_was_ended_there_gets_the_reward_as_a_bonus(
    published: Laboratory, status: str
) -> None:
    published.takes("p1")
    published.fake.rater("p1", status)
    assert published.actions() == {"p1": "pay by bonus"}
    assert published.decide() == []
    assert published.fake.paid == {"p1": 250}
    assert published.actions() == {"p1": "wait"}  # the panel pays in its own time
    published.fake.settle()
    assert published.actions() == {"p1": "nothing"}
    assert published.decide() == []
    assert published.fake.payments == {"p1": 1}


def test_who_did_not_finish_is_asked_to_return_once(published: Laboratory) -> None:
    published.takes("p1", None)
    identity = published.fake.rater("p1")
    assert published.decide() == []
    assert published.fake.submissions[identity]["return_requested"]
    assert published.actions() == {"p1": "wait"}
    assert published.fake.paid == {}


def test_nothing_is_sent_for_what_a_person_has_to_look_at(published: Laboratory) -> None:
    published.takes("stranger's code", None)
    code = completion_codes(published.database, published.study)["completed"]
    published.fake.rater("stranger's code", code=code)
    for status in ("APPROVED", "PARTIALLY APPROVED", "A NEW STATUS"):
        published.fake.rater(f"never came, {status}", status)
    published.takes("rejected")
    published.fake.rater("rejected", "REJECTED")
    assert set(published.actions().values()) == {"look"}
    before = len(published.fake.calls)
    assert published.decide() == []
    assert {method for method, _ in published.fake.calls[before:]} == {"GET"}


def test_nobody_is_ever_rejected(published: Laboratory) -> None:
    published.takes("p1", "timed_out")
    published.fake.rater("p1")
    published.decide()
    assert "REJECTED" not in {row["status"] for row in published.fake.submissions.values()}


def test_an_approval_that_comes_too_early_waits(published: Laboratory) -> None:
    """Dallinger PR #9392: a submission may still be ACTIVE when the rater is done here."""
    published.takes("p1")
    identity = published.fake.rater("p1")
    desk = published.desk()
    found = decisions(desk)
    published.fake.submissions[identity]["status"] = "ACTIVE"
    (problem,) = send(desk, found)
    assert "is ACTIVE on Prolific (run this again)" in problem
    published.fake.submissions[identity]["status"] = "AWAITING REVIEW"
    assert published.decide() == []
    assert published.fake.payments == {"p1": 1}


def test_who_is_ended_between_looking_and_approving_is_paid_by_bonus_next_time(
    published: Laboratory,
) -> None:
    published.takes("p1")
    identity = published.fake.rater("p1")
    desk = published.desk()
    found = decisions(desk)
    published.fake.submissions[identity]["status"] = "TIMED-OUT"
    (problem,) = send(desk, found)
    assert "is TIMED-OUT" in problem
    assert published.decide() == []
    assert published.fake.paid == {"p1": 250}


def test_who_was_approved_meanwhile_by_hand_is_no_problem(published: Laboratory) -> None:
    published.takes("p1")
    identity = published.fake.rater("p1")
    desk = published.desk()
    found = decisions(desk)
    published.fake.submissions[identity]["status"] = "APPROVED"
    assert send(desk, found) == []


def test_a_bonus_paid_by_hand_is_not_paid_again(published: Laboratory) -> None:
    published.takes("p1")
    identity = published.fake.rater("p1", "RETURNED")
    published.fake.submissions[identity]["bonus_payments"] = [250.0]
    assert published.actions() == {"p1": "nothing"}
    published.fake.submissions[identity]["bonus_payments"] = [100.0]
    assert published.actions() == {"p1": "look"}


def test_two_runs_at_once_pay_once(published: Laboratory) -> None:
    published.takes("p1")
    published.takes("p2")
    published.fake.rater("p1", "RETURNED")
    published.fake.rater("p2")
    first, second = published.desk(), published.desk()
    one, two = decisions(first), decisions(second)

    def other_process(method: str, path: str) -> None:
        if path == "/submissions/bonus-payments/":
            published.fake.on_call = None
            send(second, two)

    published.fake.on_call = other_process
    send(first, one)
    published.decide()
    assert published.fake.payments == {"p1": 1, "p2": 1}


def test_a_bonus_whose_answer_was_lost_is_sent_again_only_by_a_person(
    published: Laboratory,
) -> None:
    published.takes("p1")
    published.fake.rater("p1", "RETURNED")

    def lost(method: str, path: str) -> None:
        if path.endswith("/pay/"):
            raise httpx.ReadError("cut")

    published.fake.on_answer = lost
    (problem,) = published.decide()
    assert "no answer to POST" in problem
    published.fake.on_answer = None
    assert published.actions() == {"p1": "wait"}
    with pytest.raises(PanelError, match="less than an hour ago"):
        pay_again(published.desk(), ["r0001"])
    assert list(published.doubts()) == ["r0001"]
    published.fake.settle()  # the money was there all along
    assert published.doubts() == {}
    with pytest.raises(PanelError, match="no bonus of this rater is in doubt"):
        pay_again(published.desk(HOURS), ["r0001"])
    assert published.fake.payments == {"p1": 1}


@pytest.mark.slow
@pytest.mark.parametrize("answer", [["ok"], "thanks", 302, 500])
def test_a_bonus_that_was_paid_with_an_answer_of_no_use_is_not_sent_again(
    published: Laboratory, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    published.takes("p1")
    published.fake.rater("p1", "RETURNED")
    pay = published.fake._pay_list

    def pay_and_say_something_else(identity: str) -> Any:
        pay(identity)
        if isinstance(answer, int):
            raise RefusalError(answer, "Look elsewhere.")
        return answer

    monkeypatch.setattr(published.fake, "_pay_list", pay_and_say_something_else)
    (problem,) = published.decide()
    assert "\n" not in problem
    assert published.actions() == {"p1": "wait"}
    assert list(published.doubts()) == ["r0001"]
    published.decide(HOURS)
    assert published.fake.payments == {"p1": 1}
    published.fake.settle()
    assert published.actions() == {"p1": "nothing"}


def test_bonuses_that_the_panel_refuses_are_not_paid_and_tried_again(
    published: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.takes("p1")
    published.fake.rater("p1", "RETURNED")

    def no_funds(identity: str) -> dict:
        raise RefusalError(400, "Not enough funds.")

    with monkeypatch.context() as while_poor:
        while_poor.setattr(published.fake, "_pay_list", no_funds)
        (problem,) = published.decide()
    assert "Not enough funds" in problem
    assert published.decide() == []
    assert published.fake.payments == {"p1": 1}


def test_the_journal_holds_no_id_of_the_panel(published: Laboratory) -> None:
    published.takes("5f0d1c2b3a4e5f60718293a4")
    published.takes("5f0d1c2b3a4e5f60718293a5", None)
    ids = [published.fake.rater(f"5f0d1c2b3a4e5f60718293a{n}") for n in (4, 5)]
    published.decide()
    with published.database.read() as connection:
        rows = str(connection.execute(select(PanelChange.key, PanelChange.detail)).all())
    log = str(published.events())
    for secret in (*ids, "5f0d1c2b3a4e5f60718293a4", "5f0d1c2b3a4e5f60718293a5"):
        assert secret not in rows
        assert secret not in log


def test_who_is_screened_out_is_paid_what_was_promised(
    sqlite: object, make_study: MakeStudy, laboratory: Laboratory
) -> None:
    text = "reward = 2.50\nscreen_out_reward = 0.25"
    make_study(
        laboratory.database,
        ('id = "small"', 'id = "small"\nversion = 2'),
        ("[practice]", f'[provider]\nkind = "prolific"\n[recruit]\n{text}\n'
         'description = "Images."\n[practice]'),
    )  # fmt: skip
    laboratory.published()
    laboratory.takes("p1", "screened_out")
    laboratory.fake.rater("p1")
    assert laboratory.actions() == {"p1": "screen out"}
    assert laboratory.decide() == []
    assert laboratory.fake.paid == {"p1": 25}
    assert laboratory.actions() == {"p1": "nothing"}
