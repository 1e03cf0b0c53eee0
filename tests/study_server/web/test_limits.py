"""Rate limits hold for all workers of a host together, which is what the guide says."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
import pytest
from served import changed
from small_study import MakeStudy

from study_server.simulation.simulate import wait_until_ready
from study_server.storage.database import Database
from study_server.web.admin.accounts import set_password
from study_server.web.limit_store import FOLDER_VARIABLE, SharedStorage
from study_server.web.serve import free_port

# At the lowest priority, five passwords take more than a minute on a loaded machine.
SOON = """
from study_server.web.admin import passwords
passwords._come_last = lambda: None
"""


def test_two_workers_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    one, other = SharedStorage("shared://"), SharedStorage("shared://")
    assert [one.incr("k", 60), other.incr("k", 60), one.incr("k", 60, 3)] == [1, 2, 5]
    assert (other.get("k"), other.get("x")) == (5, 0)
    assert one.get_expiry("k") == pytest.approx(other.get_expiry("k"), abs=1)
    other.clear("k")
    assert (one.get("k"), one.check(), one.incr("l", 60), other.reset()) == (0, True, 1, 1)


def test_a_window_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("study_server.web.limit_store.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("study_server.web.limit_store.time.time", lambda: 5_000.0)
    storage = SharedStorage("shared://")
    storage.incr("k", 60)
    clock[0] = 1059.0
    assert storage.incr("k", 60) == 2
    assert storage.get_expiry("k") == pytest.approx(5_001)
    clock[0] = 1060.0
    assert (storage.get("k"), storage.incr("k", 60)) == (0, 1)


@pytest.mark.parametrize("days", [-2, 2])
def test_a_clock_that_is_set_changes_no_window(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    storage, now = SharedStorage("shared://"), time.time()
    assert storage.incr("k", 60) == 1
    monkeypatch.setattr("study_server.web.limit_store.time.time", lambda: now + 86_400 * days)
    assert storage.incr("k", 60) == 2
    assert storage.get_expiry("k") - (now + 86_400 * days) == pytest.approx(60, abs=30)


@pytest.mark.integration
def test_the_sixth_login_in_a_minute_is_refused_whatever_worker_answers(
    sqlite: Database, make_study: MakeStudy
) -> None:
    make_study(sqlite)
    set_password(sqlite, "admin", "correct horse battery")
    address = f"127.0.0.1:{free_port()}"
    with changed(sqlite.url.render_as_string(), address, SOON) as server:
        wait_until_ready(f"http://{address}", server)
        replies = [_fail_to_log_in(f"http://{address}") for _ in range(8)]
    assert [reply.status_code for reply in replies] == [401] * 5 + [429] * 3
    assert 1 <= int(replies[-1].headers["Retry-After"]) <= 61  # 60 s, rounded up


def _fail_to_log_in(base: str) -> httpx.Response:
    # Connections of one's own: workers share them out evenly.
    with httpx.Client(base_url=base, timeout=60) as browser:
        page = browser.get("/admin/login").text
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        fields = {"name": "admin", "password": "wrong", "csrf_token": token[1]}
        return browser.post("/admin/login", data=fields)
