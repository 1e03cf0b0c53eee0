"""Reconciliation, case by case: what the panel says, what the database says, what to do."""

import csv
import hashlib
import io

import pytest

from study_server.errors import StudyError
from study_server.export.reconcile import (
    LocalSession,
    Submission,
    read_panel_csv,
    reconcile,
    to_csv,
)

CODES = {"completed": "GOODCODE", "screened_out": "SCREENED", "no_consent": "NOTHANKS"}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def session(who="p1", outcome="completed", **more):
    return LocalSession("r7", digest(who), outcome, 50, **more)


def row(status="waiting", code="GOODCODE", who="p1"):
    return Submission(who, "s1", status, code, 2)


def decide(submission, *sessions, withdrawn=0):
    return reconcile([submission], sessions, CODES, digest, withdrawn)[0]


@pytest.mark.parametrize(
    ("status", "code", "action", "agrees"),
    [
        ("waiting", "GOODCODE", "approve", True),
        ("waiting", "", "approve", False),
        ("waiting", "OTHER", "approve", False),
        ("approved", "GOODCODE", "nothing", True),
        ("returned", "", "pay by bonus", False),
        ("timed out", "", "pay by bonus", False),
        ("rejected", "GOODCODE", "look", False),
        ("partly approved", "GOODCODE", "look", False),
        ("screened out", "SCREENED", "look", False),
        ("something new", "GOODCODE", "look", False),
        ("active", "", "wait", False),
    ],
)
def test_a_rater_who_finished(status, code, action, agrees):
    found = decide(row(status, code), session())
    assert (found.action, found.agrees) == (action, agrees)
    assert found.rater == "r7"


@pytest.mark.parametrize(
    ("status", "code", "outcome", "action"),
    [
        ("waiting", "GOODCODE", None, "look"),
        ("waiting", "", None, "ask to return"),
        ("waiting", "SCREENED", "screened_out", "ask to return"),
        ("approved", "", None, "look"),
        ("returned", "", None, "nothing"),
        ("timed out", "", "timed_out", "nothing"),
        ("screened out", "SCREENED", "screened_out", "nothing"),
        ("partly approved", "SCREENED", "screened_out", "nothing"),
        ("something new", "", None, "look"),
        ("active", "", None, "wait"),
    ],
)
def test_a_rater_who_did_not_finish(status, code, outcome, action):
    assert decide(row(status, code), session(outcome=outcome)).action == action


@pytest.mark.parametrize(
    ("status", "code", "action"),
    [
        ("waiting", "", "ask to return"),
        ("waiting", "GOODCODE", "look"),
        ("returned", "", "nothing"),
        ("screened out", "SCREENED", "nothing"),
        ("approved", "", "look"),
        ("partly approved", "", "look"),
        ("active", "", "wait"),
    ],
)
def test_somebody_who_never_came(status, code, action):
    assert decide(row(status, code)).action == action


def test_a_withdrawn_rater_is_thought_of():
    assert "withdrew" in decide(row(code=""), withdrawn=2).reason


def test_a_surplus_rater_is_paid_all_the_same():
    found = decide(row(), session(surplus=True))
    assert found.action == "approve"
    assert "pay all the same" in found.reason


def test_failing_the_pay_rules_is_for_a_person_to_decide():
    found = decide(row(), session(broken_pay_rules=("side_bias_alpha",)))
    assert found.action == "look"
    assert "pay.side_bias_alpha" in found.reason


def test_one_person_twice_is_paid_once():
    found = reconcile([row(), row()], [session()], CODES, digest)
    assert {suggestion.action for suggestion in found} == {"look"}


def test_somebody_who_never_came_is_not_paid_for_being_listed_twice():
    found = reconcile([row(), row()], [], CODES, digest, withdrawn=1)
    assert {suggestion.action for suggestion in found} == {"look"}
    assert all("pay once" not in suggestion.reason for suggestion in found)
    assert "no session here; or one of the 1 who withdrew" in found[0].reason


def test_sessions_that_the_panel_does_not_list_come_last():
    found = reconcile([row()], [session(), session("p2")], CODES, digest)
    assert [one.action for one in found] == ["approve", "look"]
    assert found[1].participant == ""


def test_prolifics_export_is_read():
    # Column names of Prolific's demographic export (Submissions > Download data).
    text = (
        "\ufeffSubmission id,Participant id,Status,Completion code\n"
        "6a,p1,AWAITING REVIEW,GOODCODE\n6b,p2,TIMED-OUT,\n6c,p3,SOMETHING NEW,\n"
    )
    rows = read_panel_csv(text, "export.csv")
    assert [one.status for one in rows] == ["waiting", "timed out", "something new"]
    assert rows[0] == Submission("p1", "6a", "waiting", "GOODCODE", 2)


def test_every_status_of_prolifics_list_is_known():
    """https://docs.prolific.com/api-reference/submissions/submission-object."""
    words = "RESERVED, ACTIVE, AWAITING REVIEW, APPROVED, REJECTED, RETURNED, TIMED-OUT"
    statuses = [*words.split(", "), "SCREENED OUT", "PARTIALLY APPROVED"]
    lines = "".join(f"p{n},{status}\n" for n, status in enumerate(statuses))
    found = reconcile(read_panel_csv(f"Participant id,Status\n{lines}", "x"), [], CODES, digest)
    assert not [one for one in found if "not known" in one.reason]


def test_another_panels_columns_are_named():
    rows = read_panel_csv("worker,state\nw1,Approved\n", "x.csv", {"participant": "worker"})
    assert rows[0].participant == "w1"


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("a,b\n1,2\n", {}, "no column 'participant id'"),
        ("", {}, "found an empty file"),
        ("Participant id\n", {}, "holds no submissions"),
        ("Participant id,Status\np1,A\n,B\n", {}, "line 3: Participant id is empty, expected the"),
        ("Participant id\np1\n", {"status": "State"}, "no column 'state' for the status"),
    ],
)
def test_a_file_that_does_not_fit_is_explained(text, columns, message):
    with pytest.raises(StudyError, match=message):
        read_panel_csv(text, "x.csv", columns)


def test_the_csv_cannot_start_a_formula():
    found = reconcile([row(who='=HYPERLINK("x")')], [], CODES, digest)
    rows = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert rows[0]["participant"].startswith("'=")
