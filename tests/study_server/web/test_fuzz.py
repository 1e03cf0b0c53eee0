"""Nonsense on every route: never a server error, never a change without a valid token."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from actors import Rater
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_study import MakeStudy
from sqlalchemy import func, select
from werkzeug.routing import Rule

from study_server.storage.database import Database
from study_server.storage.models import Base
from study_server.web.admin.accounts import set_password

NASTY = [
    "' OR 1=1 --",
    '"; DROP TABLE judgment; --',
    "../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "\x00",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    "{{7*7}}",
    "<script>alert(1)</script>",
    "A" * 5000,
    "𝔘𝔫𝔦",
    "-1",
    "1e309",
    "",
]
words = st.one_of(st.sampled_from(NASTY), st.text(max_size=40))
numbers = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.none(), words, st.lists(st.integers(), max_size=3)
)
FIELDS = (
    *("page", "trial", "key", "choice", "rt_ms", "exposure_ms", "refresh_hz", "dropped_frames"),
    *("hidden_count", "hidden_ms", "input", "answered_during_exposure", "scale", "pixel_ratio"),
    *("late_ms", "layout", "views", "unknown", "fooled", "session_id"),
)
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"]
quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.slow
def test_what_no_database_holds_is_no_page_and_nobody(app: Flask, database: Database) -> None:
    """PostgreSQL refuses a text with NUL, where SQLite looks for it in vain."""
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<int:\w+>", "1", rule.rule)
        if "<" in path and rule.endpoint != "static":
            given = re.sub(r"<\w+>", "a%00b", path)
            assert client.get(given).status_code in (404, 405), given
            assert client.post(given, json={}).status_code in (404, 405), given
    set_password(database, "admin", "correct horse battery")
    page = client.get("/admin/login").text
    (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', page)
    fields = {"name": "ad\0min", "password": "\0", "csrf_token": token}
    assert client.post("/admin/login", data=fields).status_code == 401


@pytest.fixture
def begun(sqlite_app: Flask) -> Rater:
    """Return a rater who has answered one trial."""
    rater = Rater(sqlite_app).begin()
    rater.answer()
    return rater


def contents(database: Database) -> dict[str, Any]:
    """Return every row of every table but the event log, where refusals may be noted."""
    with database.read() as connection:
        return {
            table.name: connection.execute(select(table).order_by(*table.primary_key)).all()
            for table in Base.metadata.sorted_tables
            if table.name not in ("event", "stimulus", "trial", "audit_log")
        }


class Callers:
    """Who asks: a stranger, a rater in the middle of a study, a researcher who has logged in."""

    def __init__(self, app: Flask) -> None:
        """Let the rater begin and the researcher log in."""
        self.app = app
        self.rater = Rater(app).begin()
        self.rater.answer()
        researcher = Rater(app)  # its browser and forms serve as well
        set_password(app.extensions["foolrate"].database, "admin", "correct horse battery")
        researcher.form("/admin/login", name="admin", password="correct horse battery")
        assert researcher.client.get("/admin/log").status_code == 200
        self.clients = {
            "stranger": app.test_client(),
            "rater": self.rater.client,
            "researcher": researcher.client,
        }
        image = self.rater.state["trials"][0]["left"].rsplit("/", 1)[1]
        # What a variable of a route stands for, by converter: things that exist.
        self.real = {"int": ["1"], "default": [self.rater.token, image, "small"], "path": ["x.css"]}

    def rules(self) -> list[Rule]:
        """Return every route of the site."""
        return sorted(self.app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint))


VARIABLE = re.compile(r"<(?:(\w+):)?(\w+)>")
BEYOND = ["0", "1", "2", "-1", str(2**31), str(2**63), "9" * 40]


def filled(rule: Rule, choose: Callable[[str], str]) -> str:
    """Return a path of a route, its variables chosen by converter."""
    return VARIABLE.sub(lambda found: quote(choose(found[1] or "default"), safe="%"), rule.rule)


@pytest.fixture
def callers(sqlite_app: Flask) -> Callers:
    """Return the three who ask."""
    return Callers(sqlite_app)


@pytest.mark.slow
def test_every_route_is_one_that_the_fuzz_reaches(callers: Callers) -> None:
    """A route with a variable of a new kind, or one that another hides, fails here."""
    adapter = callers.app.url_map.bind("localhost")
    for rule in callers.rules():
        path = filled(rule, lambda kind: callers.real[kind][0])
        for method in (rule.methods or set()) - {"OPTIONS"}:  # which Flask adds by itself
            assert adapter.match(path, method)[0] == rule.endpoint, (method, path)


# Pages that move a rater on when they are looked at do so only with their own token.
QUIET = ("stranger", "researcher")


@pytest.mark.slow
@settings(quick, max_examples=150)
@given(st.data())
def test_every_route_survives_every_method_from_anybody(callers: Callers, data: Any) -> None:
    database = callers.app.extensions["foolrate"].database
    rule = data.draw(st.sampled_from(callers.rules()))
    who = data.draw(st.sampled_from(list(callers.clients)))
    nasty = {"int": st.sampled_from(BEYOND), "default": words, "path": words}

    def choose(kind: str) -> str:
        return data.draw(st.one_of(st.sampled_from(callers.real[kind]), nasty[kind]))

    path = filled(rule, choose)
    method = data.draw(st.sampled_from(METHODS))
    kinds = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data", ""]
    before = contents(database) if who in QUIET and callers.rater.token not in path else None
    response = callers.clients[who].open(
        path,
        method=method,
        query_string=data.draw(st.dictionaries(words, words, max_size=3)),
        data=data.draw(st.binary(max_size=200)),
        content_type=data.draw(st.sampled_from(kinds)),
    )
    assert response.status_code < 500, (who, method, path)
    response.close()
    if before is not None:
        assert contents(database) == before, (who, method, path)


@pytest.mark.slow
@quick
@given(st.dictionaries(st.sampled_from(FIELDS), numbers, max_size=12))
def test_an_answer_of_nonsense_is_refused_and_stores_nothing(
    begun: Rater, nonsense: dict[str, Any]
) -> None:
    database = begun.app.extensions["foolrate"].database
    before = contents(database)
    fields = {"page": begun.page, "trial": begun.state["trials"][0]["trial"]} | nonsense
    response = begun.client.post(
        f"/r/{begun.token}/answer", data=json.dumps(fields), content_type="application/json"
    )
    assert response.status_code in (200, 400, 409)
    if response.status_code != 200:
        assert contents(database) == before


@quick
@given(st.binary(max_size=300))
def test_bytes_that_are_no_json_are_refused(begun: Rater, body: bytes) -> None:
    for name in ("open", "answer", "heartbeat"):
        if name == "open" and body.strip() == b"{}":
            continue
        response = begun.client.post(
            f"/r/{begun.token}/{name}", data=body, content_type="application/json"
        )
        assert response.status_code == 400


@quick
@given(st.text(max_size=60), st.integers(0, 37), st.characters(codec="ascii"))
def test_forged_tokens_open_nothing(begun: Rater, text: str, place: int, other: str) -> None:
    tokens = begun.app.extensions["foolrate"].tokens
    real = begun.state["trials"][0]["left"].removeprefix("/i/")
    assert tokens.read(real) is not None
    bent = real[:place] + other + real[place + 1 :]
    assert tokens.read(text) is None
    assert bent == real or tokens.read(bent) is None
    again = [tokens.make(1, number, 0) for number in range(40)]  # - and _ stand in some of them
    for other_spelling in (each.translate({45: "+", 95: "/"}) for each in again):
        assert tokens.read(other_spelling) is None or other_spelling in again


def test_oversized_bodies_are_refused(begun: Rater) -> None:
    body = json.dumps({"page": "x" * 20_000})
    for name in ("open", "answer", "heartbeat"):
        response = begun.client.post(
            f"/r/{begun.token}/{name}", data=body, content_type="application/json"
        )
        assert (response.status_code, response.json) == (413, {"error": "too-large"})
    form = begun.client.post(f"/r/{begun.token}/comment", data={"comment": "x" * 100_000})
    assert form.status_code in (400, 413)


@pytest.mark.slow
def test_json_from_other_sites_is_refused(begun: Rater) -> None:
    for headers, status in (
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 200),
    ):
        reply = begun.post("heartbeat", {"page": begun.page}, headers=headers)
        assert reply.status_code == status, headers


def test_forms_need_their_token(begun: Rater) -> None:
    response = begun.client.post(f"/r/{begun.token}/withdraw", data={"confirm": "yes"})
    assert response.status_code == 400
    assert begun.row() is not None
    assert begun.app.test_client().post("/s/small/", data={"agree": "yes"}).status_code == 400


def test_nothing_a_browser_gets_tells_the_truth(begun: Rater) -> None:
    """Names of conditions, items, runs, kinds and sides are in no page, header or JSON."""
    texts = [begun.client.get(f"/r/{begun.token}/run").text, json.dumps(begun.state)]
    texts += [begun.client.get("/s/small/").text]
    while begun.state["trials"]:
        texts.append(json.dumps(begun.answer()))
    begun.state["trials"] = []
    everything = "\n".join(texts)
    for secret in ("blurred", "noisy", "catch", "item-", "mosaic", "model_side", "fooled"):
        assert secret not in everything


def test_all_images_come_with_the_same_headers(begun: Rater) -> None:
    found = set()
    for trial in begun.state["trials"]:
        for side in ("left", "right"):
            response = begun.client.get(trial[side])
            assert response.status_code == 200
            found.add(tuple(sorted(response.headers.items())))
    names = [{name for name, _ in headers} for headers in found]
    assert all(each == names[0] for each in names)
    assert not {"ETag", "Last-Modified", "Set-Cookie", "Server-Timing"} & names[0]
    assert len(found) == len({dict(headers)["Content-Length"] for headers in found})


def test_tokens_differ_for_every_session_trial_and_side(sqlite_app: Flask) -> None:
    seen: list[str] = []
    for _ in range(2):
        rater = Rater(sqlite_app).begin()
        for trial in rater.state["trials"]:
            seen += [trial["trial"], trial["left"], trial["right"]]
    assert len(seen) == len(set(seen))


def test_logs_hold_no_token(begun: Rater, capsys: pytest.CaptureFixture[str]) -> None:
    from study_server.web.monitoring import configure_logs

    configure_logs()
    begun.post("answer", {"nonsense": 1})
    begun.client.get(f"/r/{begun.token}/nowhere")
    assert begun.token not in "".join(capsys.readouterr())


def test_health_readiness_and_metrics(begun: Rater) -> None:
    assert begun.client.get("/healthz").text == "ok\n"
    assert begun.client.get("/readyz").text == "ready\n"
    text = begun.client.get("/metrics").text
    assert 'foolrate_judgments{study="small"} 1.0' in text
    assert 'foolrate_blocks{state="held",study="small"} 1.0' in text
    assert begun.token not in text
    far = {"REMOTE_ADDR": "192.0.2.1"}
    assert begun.client.get("/metrics", environ_base=far).status_code == 403


def test_consents_from_one_address_are_limited(sqlite: Database, make_study: MakeStudy) -> None:
    from study_server.web.app import create_app
    from study_server.web.settings import Settings

    make_study(sqlite)
    url = sqlite.url.render_as_string()
    app = create_app(Settings(url, bytes(range(32)), entry_limit="2 per minute"), database=sqlite)
    statuses = [Rater(app).arrive(agree="no").status_code for _ in range(4)]
    assert statuses == [303, 303, 429, 429]
    assert _count(sqlite) == 2


def _count(database: Database) -> int:
    with database.read() as connection:
        table = Base.metadata.tables["rater_session"]
        return connection.execute(select(func.count()).select_from(table)).scalar_one()
