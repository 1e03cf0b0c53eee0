"""What a researcher sees and does, as scenarios, on both databases."""

import io
import zipfile
from typing import Any

import pytest
from actors import Rater
from researchers import cheap_hashing, logged_in
from small_study import app_on
from sqlalchemy import func, select

from study_server.storage.identity import panel_hash
from study_server.storage.models import Judgment, OutcomeCode, RaterSession, Study, Tombstone
from study_server.studies.states import study_file
from study_server.web.admin.dashboard.judged import Judged
from study_server.web.admin.dashboard.panels import build

__all__ = ["cheap_hashing"]  # a fixture that every test here uses
BASE = "/admin/studies/1/"


def state_of(database):
    with database.session() as db_session:
        return db_session.scalar(select(Study.state))


def finished_rater(app, choice="left", query=""):
    rater = Rater(app, query=query).begin()
    rater.answer_all(choice)
    rater.finish()
    return rater


@pytest.mark.slow
def test_pausing_stops_answers_and_resuming_lets_them_through(app, database):
    rater, researcher = Rater(app).begin(), logged_in(app)
    researcher.press("paused")
    assert rater.post("answer", rater.body()).status_code == 503
    researcher.press("open")
    rater.answer()
    assert state_of(database) == "open"


def test_closing_asks_first_and_is_for_good(app, database):
    researcher = logged_in(app)
    page = researcher.client.get(f"{BASE}close")
    assert "Close for good" in page.text
    assert state_of(database) == "open"
    researcher.form(f"{BASE}close", f"{BASE}state", state="closed")
    assert state_of(database) == "closed"
    researcher.form("/admin/log", f"{BASE}state", state="open")
    assert "closing is for good" in researcher.client.get(BASE).text
    assert state_of(database) == "closed"


def test_the_log_says_in_words_who_did_what(sqlite_app):
    researcher = logged_in(sqlite_app)
    researcher.form("/admin/log", f"{BASE}state", state="paused")
    page = " ".join(researcher.client.get("/admin/log").text.split())
    assert "after <code>paused</code>, before <code>open</code>" in page
    assert "{&#34;" not in page


def test_a_state_there_is_none_of_is_refused(sqlite_app, sqlite):
    researcher = logged_in(sqlite_app)
    for state in ("", "draft", "OPEN", "open'; --"):
        assert researcher.press(state).status_code == 400, state
        assert state_of(sqlite) == "open"


@pytest.mark.slow
def test_withdrawing_a_rater_needs_the_number_typed(app, database):
    finished_rater(app)
    researcher = logged_in(app)
    page = f"{BASE}raters/1/withdraw"
    researcher.form(page, confirm="2")
    with database.session() as db_session:
        before = db_session.scalar(select(func.count()).select_from(Judgment))
    assert before == 7  # 2 practice, 4 main, 1 catch
    researcher.form(page, confirm="1")
    with database.session() as db_session:
        assert db_session.scalar(select(func.count()).select_from(Judgment)) == 0
        assert db_session.scalar(select(func.count()).select_from(RaterSession)) == 0
        assert db_session.scalar(select(Tombstone.judgments)) == 7
    assert "7 judgments were deleted" in researcher.client.get(BASE).text
    assert researcher.client.get(page).status_code == 404


@pytest.mark.slow
def test_the_dashboard_follows_what_comes_in(app, database):
    researcher = logged_in(app)
    before = researcher.client.get(f"{BASE}live.json").json
    assert (before["numbers"]["got"], before["numbers"]["planned"]) == (0, 24)
    finished_rater(app)
    Rater(app).arrive(agree="no")
    Rater(app).begin()
    after = researcher.client.get(f"{BASE}live.json").json
    funnel = after["numbers"]["funnel"]
    assert after["numbers"]["got"] == 4
    assert [funnel[key] for key in ("arrived", "consented", "completed", "active")] == [3, 2, 1, 1]
    assert after["numbers"]["blocks"] == {"all": 6, "done": 1, "held": 1, "silent": 0, "free": 4}
    assert "finished" in after["panels"]["raters"]


@pytest.mark.slow
def test_the_interval_is_fed_rater_means_in_order_of_finishing(app, database):
    fed = []

    def interval(means):
        fed.append(list(means))
        return 0.25, 0.75

    for _ in range(2):
        rater = Rater(app).begin()
        sides = {trial.position: trial.model_side for trial in rater.truth()}
        while rater.state["trials"]:
            rater.answer(sides[rater.state["trials"][0]["position"]])  # fooled every time
        rater.finish()
    with database.session() as db_session:
        study = db_session.scalar(select(Study))
    with database.read() as connection:
        view = build(connection, Judged(study.id), study_file(study), interval, 0)
    means = {rate.condition: rate for rate in view["rates"]}
    judged = [rate for rate in means.values() if rate.raters]
    assert all(rate.mean == 1.0 for rate in judged)
    assert sum(rate.raters for rate in judged) == 2
    assert all(set(each) <= {1.0} for each in fed)
    assert (judged[0].low, judged[0].high) == (0.25, 0.75)


def test_skips_are_not_in_the_rate(app, database):
    finished_rater(app, None)
    with database.session() as db_session:
        study = db_session.scalar(select(Study))
    with database.read() as connection:
        view = build(connection, Judged(study.id), study_file(study), None, 0)
    assert [rate.raters for rate in view["rates"]] == [0, 0]
    assert view["raters"][0].row.skipped == 4
    assert view["raters"][0].row.catch_failed == 1  # a skipped catch trial has failed


@pytest.mark.slow
def test_the_rules_column_names_the_use_rules_broken(sqlite, make_study):
    rules = "[use]\nmax_same_side_run = 3\nmin_median_rt_ms = 900\n[pay]\nmin_main_trials = 99\n"
    make_study(sqlite, ("[practice]", f"{rules}[practice]"))
    app = app_on(sqlite)
    finished_rater(app)  # left four times, in 700 ms each
    Rater(app).begin()
    with sqlite.session() as db_session:
        study = db_session.scalar(select(Study))
    with sqlite.read() as connection:
        view = build(connection, Judged(study.id), study_file(study), None, 0)
    assert [each.flags for each in view["raters"]] == [(), ("too fast", "one side in a row")]


def test_simulated_raters_are_called_so(app, database):
    finished_rater(app)
    with database.session() as db_session:
        db_session.scalar(select(RaterSession)).simulated = True
    assert "SIMULATED" in logged_in(app).client.get(BASE).text


@pytest.mark.slow
def test_the_export_is_the_whole_folder(app):
    finished_rater(app)
    response = logged_in(app).form(BASE, f"{BASE}export.zip")
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        names = {name.rsplit("/", 1)[1] for name in archive.namelist()}
        folder = archive.namelist()[0].split("/")[0]
        rows = archive.read(f"{folder}/judgments.csv").decode().splitlines()
    assert {"judgments.csv", "study.json"} <= names
    assert len(rows) == 1 + 7


@pytest.mark.slow
def test_the_panels_list_is_compared_and_not_kept(app, database):
    finished_rater(app)
    with database.session() as db_session:
        rater = db_session.scalar(select(RaterSession))
        rater.panel_hash = panel_hash(bytes(range(32)), "small", "pid-1")
        code = db_session.scalar(select(OutcomeCode.code).where(OutcomeCode.outcome == "completed"))
    text = (
        "Participant id,Status,Completion code\n"
        f"pid-1,AWAITING REVIEW,{code}\n"
        "<script>alert(1)</script>,AWAITING REVIEW,\n"
    )
    researcher = logged_in(app)
    page = f"{BASE}reconcile"
    response = researcher.form(page, list=(io.BytesIO(text.encode()), "panel.csv"))
    assert "1 to settle, 1 agree" in response.text
    assert "<script>alert" not in response.text
    upload: dict[str, Any] = {"list": (io.BytesIO(text.encode()), "panel.csv"), "as": "csv"}
    download = researcher.form(page, **upload)
    assert download.mimetype == "text/csv"
    assert 'approve,"finished, and the code is right",pid-1,r0001' in download.text


def test_a_list_that_cannot_be_read_is_explained(sqlite_app):
    researcher = logged_in(sqlite_app)
    for data, message in (
        (b"PK\x03\x04...", "is a spreadsheet"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"a,b\n1,2\n", "no column"),
    ):
        upload: dict[str, Any] = {"list": (io.BytesIO(data), "panel.csv")}
        response = researcher.form(f"{BASE}reconcile", **upload)
        assert response.status_code == 422
        assert message in response.text


@pytest.mark.slow
def test_a_large_list_passes_and_a_huge_one_does_not(sqlite_app):
    researcher = logged_in(sqlite_app)
    rows = "".join(f"pid-{number},APPROVED\n" for number in range(5_000))
    large = ("Participant id,Status\n" + rows).encode()
    assert len(large) > 64 * 1024
    answer = researcher.form(f"{BASE}reconcile", list=(io.BytesIO(large), "panel.csv"))
    assert answer.status_code == 200
    body, kind = b"x" * (9 * 2**20), "multipart/form-data; boundary=b"
    answer = researcher.client.post(f"{BASE}reconcile", data=body, content_type=kind)
    assert answer.status_code == 413


def test_what_is_not_there_is_404(sqlite_app):
    researcher = logged_in(sqlite_app)
    for page in ("studies/99/", "studies/99/live.json", "studies/1/raters/99/withdraw"):
        assert researcher.client.get(f"/admin/{page}").status_code == 404, page


@pytest.mark.slow
def test_an_export_that_fails_is_said_on_the_dashboard(sqlite_app, monkeypatch):
    """It is made by a process of its own, which may not find what the worker has."""
    researcher = logged_in(sqlite_app)
    monkeypatch.setattr("study_server.web.admin.zipped.CHECKOUT", "/nowhere")
    monkeypatch.chdir("/")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    reply = researcher.form(BASE, f"{BASE}export.zip")
    assert reply.status_code == 303
    assert "the export was not made: " in researcher.client.get(BASE).text
