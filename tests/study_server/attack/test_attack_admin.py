"""The admin site: copied cookies, guessed passwords, what workers know (findings M3, M6, L6)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attackers import PASSWORD, Browser, Installation, serving

_networks = itertools.count(1)


def behind(address: str) -> dict[str, str]:
    """Return the header by which the proxy says who sent a request."""
    return {"X_Forwarded_For": address}


def guess(site: Installation, address: str, password: str = "wrong") -> int:
    """Return the status of one log-in from an address, by a browser that nobody knows."""
    with Browser(site, **behind(address)) as browser:
        return browser.log_in(password).status_code


@pytest.fixture(scope="module")
def only_here(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Iterator[Installation]:
    """Yield an installation that no other module uses."""
    folder = tmp_path_factory.mktemp("guessed")
    with serving(f"sqlite:///{folder}/study.sqlite3", images, folder / "log") as installation:
        yield installation


@pytest.fixture
def own(only_here: Installation) -> Installation:
    """Return an installation whose limits nobody has used up."""
    only_here.forget_counts()
    return only_here


# ── M3: log out ──────────────────────────────────────────────────────────────────────────────────


def test_a_copied_cookie_ends_with_the_logout(site: Installation) -> None:
    site.study()
    with Browser(site) as researcher, Browser(site) as elsewhere:
        assert researcher.log_in().status_code == 303
        assert elsewhere.log_in().status_code == 303
        thief = researcher.copy()
        assert thief.get("/admin/studies/1/").status_code == 200
        form = thief.get("/admin/log").text
        assert researcher.form("/admin/log", "/admin/logout").status_code == 303
        assert thief.get("/admin/studies/1/").headers["location"] == "/admin/login"
        assert thief.get("/admin/studies/1/live.json").status_code == 401
        token = form.split('name="csrf_token" value="')[1].split('"')[0]
        for path, fields in (("state", {"state": "paused"}), ("export.zip", {})):
            reply = thief.http.post(
                f"/admin/studies/1/{path}", data={**fields, "csrf_token": token}
            )
            assert (reply.status_code, reply.headers.get("location")) == (303, "/admin/login")
        thief.http.close()
        assert elsewhere.get("/admin/log").status_code == 200  # other logins of the account go on


# ── M6: guessing ─────────────────────────────────────────────────────────────────────────────────


def test_one_ipv6_network_is_one_sender(site: Installation) -> None:
    statuses = [guess(site, f"2001:db8:7:7::{number:x}") for number in range(1, 9)]
    assert statuses == [401] * 5 + [429] * 3


def test_a_wider_network_has_a_limit_too(own: Installation) -> None:
    statuses = [guess(own, f"203.0.113.{number}") for number in range(1, 13)]
    assert statuses == [401] * 10 + [429] * 2


def test_all_addresses_together_have_a_limit_and_researchers_a_way_in(own: Installation) -> None:
    with (
        Browser(own, **behind("192.0.2.1")) as known,
        Browser(own) as tunnel,
        Browser(own, **behind("192.0.2.9")) as rater,
    ):
        assert known.log_in().status_code == 303
        known.form("/admin/log", "/admin/logout")
        statuses = [guess(own, f"2001:db8:{number:x}::1") for number in range(1, 31)]
        assert statuses.count(401) <= 20
        assert statuses[-5:] == [429] * 5
        assert guess(own, "2001:db8:ffff::1", PASSWORD) == 429  # even the right one, from nowhere
        assert known.log_in().status_code == 303  # a browser that has logged in before
        assert tunnel.log_in().status_code == 303  # from the host itself
        page = known.get("/admin/log").text
        assert "Failed log-ins: " in page
        assert page.count("login failed") == 0
        assert page.count(">login<") >= 2
        rater.begin(f"/s/{own.study()}/")


def test_a_known_browser_is_limited_and_known_for_its_own_account_only(own: Installation) -> None:
    with Browser(own, **behind("192.0.2.1")) as known:
        assert known.log_in().status_code == 303
        known.form("/admin/log", "/admin/logout")
        statuses = [known.log_in("wrong").status_code for _ in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        statuses = [known.log_in("wrong", name="other").status_code for _ in range(6)]
        assert 429 in statuses


def test_one_sender_over_the_limit_does_not_use_up_everybodys(own: Installation) -> None:
    statuses = [guess(own, "198.51.100.7") for _ in range(40)]
    assert statuses == [401] * 5 + [429] * 35
    assert guess(own, "198.51.101.7", PASSWORD) == 303


def test_passwords_are_checked_one_at_a_time(tmp_path: Path, images: Path) -> None:
    """Of many log-ins at once few are looked at; answers go on meanwhile."""
    url = f"sqlite:///{tmp_path}/study.sqlite3"
    with (
        serving(url, images, tmp_path / "log", costs={}) as slow,
        Browser(slow) as rater,
        ThreadPoolExecutor(12) as pool,
    ):
        rater.begin(f"/s/{slow.study()}/")
        addresses = [f"2001:db8:{number:x}::1" for number in range(1, 13)]
        results = [pool.submit(guess, slow, address) for address in addresses]
        rater.answer_all()
        statuses = [result.result() for result in results]
    assert set(statuses) <= {401, 503}
    assert 401 in statuses


# ── L6: what workers know ────────────────────────────────────────────────────────────────────────


def test_no_process_of_the_server_holds_the_admin_password(site: Installation) -> None:
    children = Path(f"/proc/{site.server.pid}/task/{site.server.pid}/children").read_text()
    pids = [str(site.server.pid), *children.split()]
    assert len(pids) >= 2
    for pid in pids:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"FOOLRATE_DATABASE" in environment
        assert PASSWORD.encode() not in environment, pid
    with Browser(site) as researcher:
        assert researcher.log_in().status_code == 303
