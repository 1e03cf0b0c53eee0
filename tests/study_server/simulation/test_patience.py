"""Simulated raters wait for a busy site, as browsers do, and send the same again."""

from __future__ import annotations

import httpx

from study_server.simulation.patience import LONGEST, PATIENCE, Patient


def test_a_busy_site_is_asked_again_with_the_same_body() -> None:
    seen: list[bytes] = []
    slept: list[float] = []

    def site(request: httpx.Request) -> httpx.Response:
        seen.append(request.read())
        return httpx.Response(503 if len(seen) < 4 else 200, json={"position": 1})

    transport = Patient(httpx.MockTransport(site), slept.append)
    with httpx.Client(transport=transport, base_url="http://site") as client:
        assert client.post("/r/a/answer", json={"key": "k"}).status_code == 200
    assert len(seen) == 4
    assert len(set(seen)) == 1
    assert slept == [0.5, 1.0, 2.0]


def test_one_that_stays_busy_is_given_up() -> None:
    slept: list[float] = []
    transport = Patient(httpx.MockTransport(lambda _: httpx.Response(503)), slept.append)
    with httpx.Client(transport=transport, base_url="http://site") as client:
        assert client.get("/").status_code == 503
    assert PATIENCE <= sum(slept) < PATIENCE + LONGEST


def test_another_refusal_is_an_answer() -> None:
    transport = Patient(httpx.MockTransport(lambda _: httpx.Response(409)), lambda _: 1 / 0)
    with httpx.Client(transport=transport, base_url="http://site") as client:
        assert client.get("/").status_code == 409
