"""A clock that is set: by an administrator, by NTP after a start, by a machine that slept."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from actors import Rater
from flask import Flask

from study_server.web.admin.accounts import account_of, begin_login, set_password, verify

HOUR, DAY = 3600, 86_400
PASSWORD = "correct horse battery"
Jump = Callable[[float], None]


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Jump:
    """Return what sets the clock to so many seconds from the right time."""
    seconds, nanoseconds = time.time, time.time_ns

    def to(offset: float) -> None:
        monkeypatch.setattr(time, "time", lambda: seconds() + offset)
        monkeypatch.setattr(time, "time_ns", lambda: nanoseconds() + int(offset * 1e9))

    return to


@pytest.mark.parametrize("offset", [-2 * DAY, -HOUR, -2, HOUR, 2 * DAY])
def test_raters_go_on_whatever_the_clock_does(sqlite_app: Flask, jump: Jump, offset: float) -> None:
    """Itsdangerous takes a cookie of the future for an expired one."""
    rater, reader = Rater(sqlite_app).begin(), Rater(sqlite_app)
    form = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', reader.client.get(reader.link).text)
    assert form
    jump(offset)
    assert rater.client.get(rater.link).location == f"/r/{rater.token}/"
    consent = reader.client.post(reader.link, data={"agree": "yes", "csrf_token": form[1]})
    assert consent.status_code == 303
    rater.answer_all()
    assert rater.finish().status_code == 200


def test_a_cookie_lasts_no_longer_than_before(sqlite_app: Flask, jump: Jump) -> None:
    """A month, and a forged one not at all."""
    rater = Rater(sqlite_app).begin()
    jump(32 * DAY)
    assert rater.client.get(rater.link).location is None
    jump(0)
    cookie = rater.client.get_cookie("session")
    assert cookie
    rater.client.set_cookie("session", cookie.value[:-2] + "AA")
    assert rater.client.get(rater.link).location is None


@pytest.mark.parametrize("answers", [0, 1])
def test_a_place_taken_in_the_future_is_free_once_the_clock_is_right(
    app: Flask, jump: Jump, answers: int
) -> None:
    """Raters who left before it was set back held all places for two days."""
    jump(2 * DAY)
    raters = [Rater(app).begin() for _ in range(6)]
    for rater in raters * answers:
        rater.answer()
    jump(0)
    for rater in raters[1:]:  # those who are still there keep theirs, until they are silent
        assert rater.post("heartbeat", {"page": rater.page}).status_code == 200
    first, second = Rater(app).begin(), Rater(app)
    second.arrive()
    assert first.row().block_id == raters[0].row().block_id
    assert second.row().outcome == "full"
    jump(HOUR)
    third = Rater(app).begin()
    assert third.row().outcome is None
    assert third.row().block_id is not None


def test_a_login_of_the_future_has_ended(sqlite_app: Flask, jump: Jump) -> None:
    """It would last for as much longer as the clock was set back."""
    database = sqlite_app.extensions["foolrate"].database
    set_password(database, "admin", PASSWORD)
    account = verify(database, "admin", PASSWORD)
    assert account
    jump(2 * DAY)
    with database.session() as db_session:
        token = begin_login(db_session, account)
    assert account_of(database, token)
    jump(0)
    assert account_of(database, token) is None
