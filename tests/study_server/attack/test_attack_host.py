"""Who a client says that we are, and texts that a database cannot hold."""

from __future__ import annotations

import re

import pytest
from attackers import Browser, Installation
from test_attack_headers import raw

from study_server.web.app import create_app
from study_server.web.settings import Settings

PAGES = (
    "/s/none",
    "/admin",
    "/admin/",
    "/healthz",
    "/r/x/",
    "//evil.example/..",
    "/\\evil.example",
)


def ask(site: Installation, host: str, page: str) -> tuple[int, str]:
    """Return the status and the whole answer to a request that says who we are."""
    lines = f"GET {page} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    answer = raw(site, lines.encode())
    return int(answer.split(b" ", 2)[1]), answer.decode()


@pytest.mark.parametrize(
    "host", ["a" * 1000, "a" * 64, "user@evil.example", "evil.example/x", "[::1", "a..b", 'a"><b>']
)
def test_what_is_no_host_is_a_bad_request(sqlite_site: Installation, host: str) -> None:
    """A label of more than 63 characters was a 500 with a traceback."""
    assert {ask(sqlite_site, host, page)[0] for page in PAGES} == {400}
    assert "Traceback" not in sqlite_site.log.read_text()


@pytest.mark.parametrize("host", ["localhost:8000", "[::1]:80", "xn--bcher-kva.example.", "h_1"])
def test_hosts_are_served(sqlite_site: Installation, host: str) -> None:
    """Whatever name people have given the machine."""
    assert ask(sqlite_site, host, "/healthz")[0] == 200


def test_no_answer_names_a_host_of_the_clients(sqlite_site: Installation) -> None:
    """Neither a redirect nor a link leads to it: a cache between could serve either to others."""
    slug = sqlite_site.study()
    for page in (f"/s/{slug}", f"//s/{slug}", *PAGES):
        _, answer = ask(sqlite_site, "evil.example", page)
        assert not re.search(r'(https?:)?//evil|=["\'](//|/\\)', answer), page
    with Browser(sqlite_site, X_Forwarded_Host="evil.example") as visitor:
        forwarded = visitor.get(f"/s/{slug}?a=b")
    assert (forwarded.status_code, forwarded.headers["location"]) == (308, f"/s/{slug}/?a=b")


def test_nul_is_refused_wherever_it_stands(site: Installation) -> None:
    """PostgreSQL's texts hold none, and the error of its driver was a 500."""
    slug = site.study()
    with Browser(site) as rater, Browser(site) as stranger:
        rater.begin(f"/s/{slug}/")
        answers = [
            rater.post("heartbeat", {"page": "a\0b"}),
            stranger.get("/s/%00/"),
            stranger.get(f"/s/{slug}%00/?lang=%00"),
            stranger.form("/admin/login", name="ad\0min", password="a\0b"),
        ]
        assert all(400 <= answer.status_code < 500 for answer in answers)
        assert rater.answer().status_code == 200


def test_behind_tls_no_other_host_can_give_a_rater_a_cookie(site: Installation) -> None:
    """A browser takes a cookie named __Host- only from the host itself, for all of its paths.

    Who had planted a cookie of their own could open the session that a rater began with it.
    """
    url = site.database.url.render_as_string(hide_password=False)
    app = create_app(Settings(url, bytes(32), https=True), database=site.database)
    answer = app.test_client().get(f"/s/{site.study()}/")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
