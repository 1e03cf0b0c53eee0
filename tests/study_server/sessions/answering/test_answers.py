"""An answer is stored exactly once, whatever the network and the rater's tabs do."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from actors import Rater
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_study import MakeStudy, app_on
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError

from study_server.storage.database import Database
from study_server.storage.models import Event, Judgment
from study_server.storage.schema import open_database


def judgments(rater: Rater) -> list[Judgment]:
    with rater.app.extensions["foolrate"].database.session() as db_session:
        return list(db_session.scalars(select(Judgment).order_by(Judgment.position)))


def events(rater: Rater, kind: str) -> int:
    with rater.app.extensions["foolrate"].database.session() as db_session:
        query = select(func.count()).select_from(Event).where(Event.kind == kind)
        return db_session.scalar(query) or 0


def test_the_same_answer_twice_is_stored_once_and_answered_alike(rater: Rater) -> None:
    rater.begin()
    body = rater.body()
    first, second = rater.post("answer", body), rater.post("answer", body)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json == second.json
    assert len(judgments(rater)) == 1


def test_a_late_repeat_from_the_outbox_counts_as_the_same(rater: Rater) -> None:
    rater.begin()
    body = rater.body()
    rater.post("answer", body)
    rater.open()
    rater.answer()
    late = rater.post("answer", body | {"page": rater.page, "late_ms": 9000})
    assert late.status_code == 200
    assert late.json["trials"] == rater.state["trials"]
    assert len(judgments(rater)) == 2


def test_another_answer_to_an_answered_trial_is_a_logged_conflict(rater: Rater) -> None:
    rater.begin()
    body = rater.body("left")
    rater.post("answer", body)
    for other in (body | {"choice": "right"}, body | {"key": "another-key-1"}):
        response = rater.post("answer", other)
        assert (response.status_code, response.json) == (409, {"error": "conflict"})
    assert [row.choice for row in judgments(rater)] == ["left"]
    assert events(rater, "conflict") == 2


def test_a_trial_cannot_be_answered_before_its_turn(rater: Rater) -> None:
    rater.begin()
    ahead = rater.state["trials"][1]["trial"]
    assert rater.post("answer", rater.body() | {"trial": ahead}).json == {"error": "conflict"}
    assert judgments(rater) == []


def test_a_key_cannot_be_used_for_two_trials(rater: Rater) -> None:
    rater.begin()
    body = rater.body()
    rater.state |= rater.post("answer", body).json
    again = rater.body() | {"key": body["key"]}
    assert rater.post("answer", again).json == {"error": "conflict"}
    assert len(judgments(rater)) == 1


def test_a_second_tab_takes_over_and_the_first_is_told(rater: Rater) -> None:
    rater.begin()
    first_page = rater.page
    rater.open()
    stale = rater.post("answer", rater.body() | {"page": first_page})
    assert (stale.status_code, stale.json) == (409, {"error": "elsewhere"})
    assert rater.post("heartbeat", {"page": first_page}).json == {"error": "elsewhere"}
    assert rater.post("heartbeat", {"page": rater.page}).json == {}
    rater.answer()
    assert len(judgments(rater)) == 1


def test_another_raters_trial_token_is_worth_nothing(app: Flask) -> None:
    first, second = Rater(app).begin(), Rater(app).begin()
    stolen = first.body() | {"trial": second.state["trials"][0]["trial"]}
    assert first.post("answer", stolen).json == {"error": "conflict"}


def test_eight_simultaneous_sendings_store_one_judgment(rater: Rater) -> None:
    rater.begin()
    body = rater.body()
    statuses: list[int] = []

    def send() -> None:
        client = rater.app.test_client()
        statuses.append(client.post(f"/r/{rater.token}/answer", json=body).status_code)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8
    assert len(judgments(rater)) == 1


def test_judgments_cannot_be_changed_in_the_database(rater: Rater) -> None:
    rater.begin().answer()
    database = rater.app.extensions["foolrate"].database
    with pytest.raises(DBAPIError, match="append-only"), database.write() as connection:
        connection.execute(update(Judgment).values(fooled=1, choice="left"))


def test_an_answer_after_the_last_is_refused_and_leads_on(rater: Rater) -> None:
    rater.begin()
    last = None
    while rater.state["trials"]:
        last = rater.body()
        rater.state |= rater.post("answer", last).json
    assert rater.post("answer", last).json["next_url"] == f"/r/{rater.token}/comment"
    assert rater.post("heartbeat", {"page": rater.page}).json["error"] == "finished"


@pytest.fixture
def small_file(sqlite: Database, make_study: MakeStudy) -> Path:
    """Return the file of a database with the small study, to be copied."""
    make_study(sqlite)
    sqlite.dispose()
    return Path(str(sqlite.url.database))


deliveries = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(["send", "drop", "reload"])), max_size=30
)


@pytest.mark.slow
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(plan=deliveries)
def test_any_order_of_loss_repetition_and_reload_ends_with_each_judgment_once(
    tmp_path_factory: pytest.TempPathFactory, small_file: Path, plan: list[tuple[int, str]]
) -> None:
    """Sent answers are kept and sent again at random; "drop" loses the server's acknowledgement."""
    path = shutil.copy(small_file, tmp_path_factory.mktemp("delivery"))
    database = open_database(f"sqlite:///{path}")
    rater = Rater(app_on(database)).begin()
    sent: list[dict] = []
    for pick, action in plan:
        if action == "reload":
            rater.open()
        elif action == "drop" or not sent:
            if rater.state["trials"]:
                body = rater.body()
                sent.append(body)
                acknowledged = rater.post("answer", body)
                assert acknowledged.status_code == 200
                rater.state |= acknowledged.json
        else:
            repeat = sent[pick % len(sent)] | {"page": rater.page}
            assert rater.post("answer", repeat).status_code == 200
    rater.open()
    rater.answer_all()
    rows = judgments(rater)
    assert [row.position for row in rows] == list(range(7))
    assert {row.key for row in rows} >= {body["key"] for body in sent}
    database.dispose()
