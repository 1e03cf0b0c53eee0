"""What a rater meets, from the link to the code, on both databases."""

from __future__ import annotations

import re

import pytest
from actors import DEVICE, Rater
from flask import Flask
from small_study import MakeStudy, app_on
from sqlalchemy import func, select

from study_server.sessions.entering.invitations import invite
from study_server.storage.database import Database
from study_server.storage.models import Block, Judgment, OutcomeCode, RaterSession, Tombstone
from study_server.studies.states import find_study, set_state


def count(app: Flask, model: type) -> int:
    with app.extensions["foolrate"].database.session() as db_session:
        return db_session.scalar(select(func.count()).select_from(model)) or 0


def code(app: Flask, outcome: str) -> str:
    with app.extensions["foolrate"].database.session() as db_session:
        return db_session.scalar(select(OutcomeCode.code).where(OutcomeCode.outcome == outcome))


def move(app: Flask, state: str) -> None:
    with app.extensions["foolrate"].database.session() as db_session:
        set_state(db_session, find_study(db_session, "small"), state, "test")


def test_a_rater_takes_the_study_and_gets_the_code(rater: Rater) -> None:
    rater.begin()
    assert rater.state["phase"] == "practice"
    assert rater.state["progress"] == {"done": 0, "total": 2}
    rater.answer_all()
    assert rater.state["phase"] == "done"
    assert rater.state["next_url"] == f"/r/{rater.token}/comment"
    page = rater.finish()
    assert code(rater.app, "completed") in page.text
    assert rater.row().outcome == "completed"
    assert count(rater.app, Judgment) == 2 + 4 + 1


def test_the_debrief_page_is_the_same_for_ever(rater: Rater) -> None:
    rater.begin().answer_all()
    first = rater.finish().text
    assert rater.client.get(f"/r/{rater.token}/end").text == first
    move(rater.app, "closed")
    assert rater.client.get(f"/r/{rater.token}/end").text == first


def test_feedback_is_given_in_practice_only(rater: Rater) -> None:
    rater.begin()
    truth = rater.truth()
    for position, trial in enumerate(truth):
        state = rater.answer("left")
        if trial.kind == "practice":
            assert state["feedback"] == {"correct": trial.model_side == "right"}, position
        else:
            assert state["feedback"] is None


def test_fooled_is_worked_out_on_the_server(rater: Rater) -> None:
    rater.begin()
    truth = rater.truth()
    choices = ["left", "right", None, "left", "right", "left", None]
    for choice in choices:
        rater.answer(choice)
    with rater.app.extensions["foolrate"].database.session() as db_session:
        rows = list(db_session.scalars(select(Judgment).order_by(Judgment.position)))
    expected = [
        None if choice is None else int(choice == trial.model_side)
        for choice, trial in zip(choices, truth, strict=True)
    ]
    assert [row.fooled for row in rows] == expected


def test_a_reload_goes_on_at_the_same_trial_with_the_same_sides(rater: Rater) -> None:
    rater.begin()
    rater.answer()
    before = rater.state["trials"]
    assert rater.open()["trials"] == before


def test_looking_at_the_link_stores_nothing(app: Flask) -> None:
    for _ in range(3):
        assert app.test_client().get("/s/small/").status_code == 200
    assert count(app, RaterSession) == 0


def test_who_declines_gets_a_code_and_no_block(rater: Rater) -> None:
    rater.arrive(agree="no")
    assert rater.step() == "end"
    assert code(rater.app, "no_consent") in rater.client.get(f"/r/{rater.token}/end").text
    assert rater.row().block_id is None


def test_a_window_too_small_is_screened_out_and_its_block_goes_to_another(rater: Rater) -> None:
    rater.arrive()
    held = rater.row().block_id
    small = {"row_width": "47", "column_height": "31"}
    rater.form(f"/r/{rater.token}/device", **(DEVICE | small))
    assert rater.step() == "end"
    assert code(rater.app, "screened_out") in rater.client.get(f"/r/{rater.token}/end").text
    second = Rater(rater.app)
    second.arrive()
    assert second.row().block_id == held


def test_a_small_window_is_told_so_before_anything_is_decided(rater: Rater) -> None:
    rater.arrive()
    ask = f"/r/{rater.token}/device/fits"
    small = {**DEVICE, "row_width": "47", "column_height": "31"}  # two images of 24 x 16
    assert rater.client.get(ask, query_string=small).json == {"fits": False}
    assert rater.client.get(ask, query_string={**small, "row_width": "48"}).json == {"fits": True}
    assert rater.client.get(ask, query_string={"row_width": "wide"}).status_code == 400
    assert rater.step() == "device"


def test_every_page_of_a_rater_leads_to_withdrawal(rater: Rater) -> None:
    rater.arrive()
    link = f'href="/r/{rater.token}/withdraw"'
    device = rater.client.get(f"/r/{rater.token}/device")
    assert link in device.text
    assert link in rater.form(f"/r/{rater.token}/device", input="none").text  # the message page
    move(rater.app, "paused")
    assert link in rater.client.get(f"/r/{rater.token}/device").text
    move(rater.app, "open")
    rater.form(f"/r/{rater.token}/device", **DEVICE)
    assert link in rater.client.get(f"/r/{rater.token}/instructions").text
    rater.form(f"/r/{rater.token}/instructions")
    assert link in rater.client.get(f"/r/{rater.token}/run").text
    rater.open()
    rater.answer_all()
    assert link in rater.client.get(f"/r/{rater.token}/comment").text
    assert link in rater.finish().text


def test_who_was_screened_out_can_withdraw_too(rater: Rater) -> None:
    rater.arrive()
    rater.form(f"/r/{rater.token}/device", **(DEVICE | {"decode_ok": "0"}))
    debrief = rater.client.get(f"/r/{rater.token}/end").text
    assert f'href="/r/{rater.token}/withdraw"' in debrief


def test_pages_out_of_turn_lead_back(rater: Rater) -> None:
    rater.arrive()
    for page in ("run", "instructions", "comment", "end"):
        response = rater.client.get(f"/r/{rater.token}/{page}")
        assert (response.status_code, response.location) == (303, f"/r/{rater.token}/device")


def test_when_all_blocks_are_held_the_next_rater_is_told_so(app: Flask) -> None:
    raters = [Rater(app) for _ in range(7)]
    for each in raters:
        each.arrive()
    assert [each.step() for each in raters] == ["device"] * 6 + ["end"]
    assert raters[-1].row().outcome == "full"


def test_a_cookie_leads_a_rater_of_an_open_link_back(rater: Rater) -> None:
    rater.arrive()
    assert rater.client.get(rater.link).location == f"/r/{rater.token}/"


@pytest.mark.slow
def test_pausing_makes_raters_wait_and_opening_lets_them_go_on(rater: Rater) -> None:
    rater.begin()
    move(rater.app, "paused")
    response = rater.post("answer", rater.body())
    assert (response.status_code, response.json) == (503, {"error": "paused"})
    assert response.headers["Retry-After"] == "20"
    assert Rater(rater.app).client.get("/s/small/").status_code == 503
    move(rater.app, "open")
    rater.answer_all()


def test_closing_ends_what_is_under_way_with_its_own_code(rater: Rater) -> None:
    rater.begin()
    move(rater.app, "closed")
    assert rater.post("answer", rater.body()).status_code == 410
    assert rater.client.get(f"/r/{rater.token}/run").status_code == 303
    assert code(rater.app, "timed_out") in rater.client.get(f"/r/{rater.token}/end").text
    assert Rater(rater.app).client.get("/s/small/").status_code == 410


def test_withdrawing_deletes_everything_but_a_tombstone(rater: Rater) -> None:
    rater.begin().answer_all()
    rater.finish()
    rater.form(f"/r/{rater.token}/withdraw", confirm="yes")
    assert (count(rater.app, Judgment), count(rater.app, RaterSession)) == (0, 0)
    with rater.app.extensions["foolrate"].database.session() as db_session:
        assert db_session.scalar(select(Tombstone.judgments)) == 7
        taken = select(func.count()).select_from(Block).where(Block.session_id.is_not(None))
        assert db_session.scalar(taken) == 0
    assert rater.client.get(f"/r/{rater.token}/end").status_code == 410
    assert rater.post("open", {}).json == {"error": "withdrawn"}


PROLIFIC = ("[design]", '[provider]\nkind = "prolific"\nkeep_ids_for_payment = true\n[design]')
PID, SUBMISSION = "5f0d1c2b3a4e5f60718293a4", "60d5f1a2b3c4d5e6f7a8b9c1"
LINK = f"?PROLIFIC_PID={PID}&STUDY_ID=s&SESSION_ID={SUBMISSION}"


@pytest.mark.slow
def test_a_panel_submission_has_one_session_whatever_the_browser(
    database: Database, make_study: MakeStudy
) -> None:
    make_study(database, PROLIFIC)
    app = app_on(database)
    first, second = Rater(app, query=LINK), Rater(app, query=LINK)
    first.begin()
    assert second.client.get(second.link).location == f"/r/{first.token}/"
    assert count(app, RaterSession) == 1
    first.answer_all()
    page = first.finish().text
    address = "https://app.prolific.com/submissions/complete?cc=" + code(app, "completed")
    assert address in page.replace("&amp;", "&")


def test_a_panel_link_without_its_id_is_refused(database: Database, make_study: MakeStudy) -> None:
    make_study(database, PROLIFIC)
    assert app_on(database).test_client().get("/s/small/").status_code == 400


def test_the_panels_id_is_stored_only_as_a_pseudonym(
    database: Database, make_study: MakeStudy
) -> None:
    make_study(database, PROLIFIC)
    app = app_on(database)
    secret_id = "60d5f1a2b3c4d5e6f7a8b9c0"
    Rater(app, query=f"?PROLIFIC_PID={secret_id}&SESSION_ID={secret_id}").begin()
    with database.read() as connection:
        for table in ("rater_session", "event", "payment_id", "audit_log"):
            rows = connection.exec_driver_sql(f"SELECT * FROM {table}").all()
            assert secret_id not in repr(rows), table


def test_an_invitation_survives_previewers_and_works_once(
    database: Database, make_study: MakeStudy
) -> None:
    make_study(database, ("[design]", '[provider]\nkind = "invitation"\n[design]'))
    app = app_on(database)
    path = invite(database, "small", 1)[0]
    query = path.removeprefix("/s/small/")
    for _ in range(5):
        assert app.test_client().get(path).status_code == 200
    first = Rater(app, query=query)
    first.arrive()
    assert first.step() == "device"
    assert first.client.get(path).status_code == 303
    assert app.test_client().get(path).status_code == 410
    assert app.test_client().get("/s/small/?invitation=nonsense").status_code == 404


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pages_render_in_each_language(sqlite_app: Flask, language: str) -> None:
    rater = Rater(sqlite_app, query=f"?lang={language}")
    page = rater.client.get(rater.link)
    assert re.search(rf'<html[^>]*lang="{language}', page.text)
