"""Getting in, and being kept out."""

import os
import sys
import threading
from types import SimpleNamespace

import pytest
from actors import Rater
from argon2 import extract_parameters
from click.testing import CliRunner
from researchers import PASSWORD, Researcher, cheap_hashing, logged_in
from small_study import COMPILED
from sqlalchemy import select

from study_server.cli import study
from study_server.errors import StudyError
from study_server.storage.models import AdminAccount, AuditEntry, Study
from study_server.web.admin import passwords
from study_server.web.admin.accounts import ensure_account, set_password, verify
from study_server.web.app import create_app
from study_server.web.settings import Settings

__all__ = ["cheap_hashing"]  # a fixture that every test here uses
SECRET = bytes(range(32))
PAGES = [
    "/admin/",
    "/admin/log",
    "/admin/studies/1/",
    "/admin/studies/1/close",
    "/admin/studies/1/reconcile",
    "/admin/studies/1/raters/1/withdraw",
]


def site_on(database, **settings):
    url = database.url.render_as_string(hide_password=False)
    app = create_app(Settings(url, SECRET, **settings), database=database)
    app.jinja_env.bytecode_cache = COMPILED
    return app


def audit_actions(database):
    with database.session() as db_session:
        return list(db_session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_every_page_asks_for_a_login(sqlite_app):
    for page in PAGES:
        response = sqlite_app.test_client().get(page)
        assert (response.status_code, response.location) == (303, "/admin/login"), page


def test_the_live_numbers_answer_401_in_json(sqlite_app):
    response = sqlite_app.test_client().get("/admin/studies/1/live.json")
    assert (response.status_code, response.json) == (401, {"error": "login"})


def test_login_and_logout_are_logged(sqlite_app, sqlite):
    researcher = logged_in(sqlite_app)
    assert researcher.client.get("/admin/log").status_code == 200
    researcher.form("/admin/log", "/admin/logout")
    assert researcher.client.get("/admin/log").status_code == 303
    assert audit_actions(sqlite)[-2:] == ["login", "logout"]


@pytest.mark.parametrize(("name", "password"), [("admin", "wrong"), ("nobody", PASSWORD)])
def test_a_wrong_name_or_password_says_the_same(sqlite_app, sqlite, name, password):
    set_password(sqlite, "admin", PASSWORD)
    response = Researcher(sqlite_app).log_in(password, name)
    assert response.status_code == 401
    assert "The name or the password is wrong." in response.text
    assert audit_actions(sqlite)[-1] == "login failed"


def test_what_was_typed_as_a_name_is_not_kept(sqlite_app, sqlite):
    set_password(sqlite, "admin", PASSWORD)
    Researcher(sqlite_app).log_in("x", name=PASSWORD)
    with sqlite.session() as db_session:
        kept = [f"{e.actor} {e.detail}" for e in db_session.scalars(select(AuditEntry))]
    assert not any(PASSWORD in line for line in kept)


@pytest.mark.skipif(sys.platform != "linux", reason="no priority for each thread")
def test_a_password_is_checked_behind_all_else(monkeypatch):
    def priority(_known, _password):
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    monkeypatch.setattr(passwords, "_verify", priority)
    assert passwords.matches("", "") == 10


def test_the_hash_of_no_password_costs_what_a_real_one_costs():
    """The first unknown name of a process is answered no later than the others."""
    names = ("type", "version", "time_cost", "memory_cost", "parallelism", "salt_len", "hash_len")
    real, none = (
        extract_parameters(known)
        for known in (passwords.hash_password(PASSWORD), passwords.decoy())
    )
    assert [getattr(none, name) for name in names] == [getattr(real, name) for name in names]
    assert not passwords.matches(passwords.decoy(), PASSWORD)


def test_the_sixth_attempt_in_a_minute_waits(sqlite, make_study, monkeypatch):
    clock = SimpleNamespace(time=lambda: 1000.0, monotonic=lambda: 50.0)
    for module in ("limit_store", "throttle"):
        monkeypatch.setattr(f"study_server.web.{module}.time", clock)
    make_study(sqlite)
    set_password(sqlite, "admin", PASSWORD)
    researcher = Researcher(site_on(sqlite))
    answers = [researcher.log_in("wrong").status_code for _ in range(5)]
    last = researcher.log_in(PASSWORD)
    assert answers == [401] * 5
    assert last.status_code == 429
    assert last.headers["Retry-After"] == "60"  # the whole minute is left: the clock stands still
    assert "Too many attempts" in last.text


def test_a_changed_password_ends_old_sessions(sqlite_app, sqlite):
    researcher = logged_in(sqlite_app)
    set_password(sqlite, "admin", "another long password")
    assert researcher.client.get("/admin/studies/1/").status_code == 303


def test_the_cookie_is_kept_from_scripts_and_plain_http(sqlite, make_study):
    make_study(sqlite)
    set_password(sqlite, "admin", PASSWORD)
    client = site_on(sqlite, https=True, limits=False).test_client()
    cookie = client.get("/admin/login", base_url="https://study.example").headers["Set-Cookie"]
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))


def test_a_forged_cookie_is_no_login(sqlite_app):
    client = sqlite_app.test_client()
    client.set_cookie("session", "eyJhZG1pbiI6eyJpZCI6MX19.aSIGNATURE.xyz")
    assert client.get("/admin/studies/1/").status_code == 303


def test_a_login_does_not_let_raters_pages_change(sqlite_app):
    rater = Rater(sqlite_app).begin()
    logged_in(sqlite_app)
    rater.answer_all()
    assert rater.finish().status_code == 200


def test_passwords_are_hashed_with_argon2id(sqlite):
    set_password(sqlite, "admin", PASSWORD)
    with sqlite.session() as db_session:
        kept = db_session.scalar(select(AdminAccount.password_hash))
    assert kept.startswith("$argon2id$")
    assert verify(sqlite, "admin", PASSWORD) is not None


def test_the_first_run_makes_a_password_that_nobody_knew(sqlite, tmp_path):
    first = ensure_account(sqlite, {})
    assert verify(sqlite, "admin", first) is not None
    assert ensure_account(sqlite, {}) is None


def test_the_first_run_takes_a_password_from_the_environment(sqlite):
    assert ensure_account(sqlite, {"FOOLRATE_ADMIN_PASSWORD": PASSWORD}) is None
    assert verify(sqlite, "admin", PASSWORD) is not None


def test_a_short_password_is_refused(sqlite):
    with pytest.raises(StudyError, match="has 6 characters, expected 12 to 1024"):
        ensure_account(sqlite, {"FOOLRATE_ADMIN_PASSWORD": "secret"})


def test_the_command_sets_a_password(sqlite):
    url = sqlite.url.render_as_string(hide_password=False)
    shown = CliRunner().invoke(study, ["admin-password", "--database", url])
    password = shown.stdout.strip()
    assert shown.exit_code == 0
    assert verify(sqlite, "admin", password) is not None
    arguments = ["admin-password", "--database", url, "--stdin"]
    CliRunner().invoke(study, arguments, input=f"{PASSWORD}\n")
    assert verify(sqlite, "admin", password) is None
    assert verify(sqlite, "admin", PASSWORD) is not None


def test_a_form_without_its_token_changes_nothing(sqlite_app, sqlite):
    researcher = logged_in(sqlite_app)
    response = researcher.client.post("/admin/studies/1/state", data={"state": "paused"})
    assert response.status_code == 400
    assert "Nothing was changed" in response.text
    with sqlite.session() as db_session:
        assert db_session.scalar(select(Study.state)) == "open"
