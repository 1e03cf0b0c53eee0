"""Calls to the panel: the token's way, back-off, lost answers, links to other hosts."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fake_prolific import TOKEN

from study_server.errors import LostAnswerError, PanelError
from study_server.recruit.client import Prolific, number
from study_server.recruit.token import Token, load_token


def panel(*answers: httpx.Response | Exception, waited: list[float] | None = None) -> Prolific:
    """Return a client whose calls get these answers in turn."""
    left = list(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    sleep = (waited if waited is not None else []).append
    return Prolific(Token(TOKEN), transport=httpx.MockTransport(handle), sleep=sleep)


def test_the_token_comes_from_the_environment_or_a_private_file(tmp_path: Path) -> None:
    assert load_token(None, {"PROLIFIC_TOKEN": f" {TOKEN}\n"}).header() == f"Token {TOKEN}"
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    assert load_token(file, {}).header() == f"Token {TOKEN}"
    assert TOKEN not in f"{load_token(file)} {load_token(file)!r}"


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (TOKEN, 0o640, "has mode 0o640, expected 0o600"),
        ("", 0o600, "holds no token"),
        ("two words-and-more", 0o600, "holds no token"),
        ("line\r\nInjected: header", 0o600, "holds no token"),
    ],
)
def test_a_file_that_is_not_private_or_no_token_is_refused(
    tmp_path: Path, text: str, mode: int, words: str
) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(PanelError, match=words) as refusal:
        load_token(file)
    assert not text or text not in str(refusal.value)


def test_without_a_token_the_message_says_how_to_give_one() -> None:
    with pytest.raises(PanelError, match="set PROLIFIC_TOKEN, or give --token-file"):
        load_token(None, {})


def test_a_busy_panel_is_asked_again_later() -> None:
    waited: list[float] = []
    busy = [httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(503)]
    assert panel(*busy, httpx.Response(200, json={"a": 1}), waited=waited).get("/x/") == {"a": 1}
    assert waited == [7, 2]


def test_a_panel_that_stays_busy_is_given_up() -> None:
    waited: list[float] = []
    with pytest.raises(PanelError, match=r"refused GET /x/ \(429\)"):
        panel(*[httpx.Response(429, json={})] * 6, waited=waited).get("/x/")
    assert waited == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("answer", ["<html>", "[]", '"thanks"', "3", ""])
def test_an_answer_that_is_no_object_is_one_line(answer: str) -> None:
    made = panel(httpx.Response(200, text=answer)).post
    if not answer:  # of what needs no answer
        assert made("/x/", {}, repeat=False) == {}
        return
    with pytest.raises(LostAnswerError, match="something else than an object of JSON"):
        made("/x/", {}, repeat=False)


def test_what_an_answer_lacks_is_named() -> None:
    found = panel(httpx.Response(200, json={"results": [{"id": 1}]})).get("/x/")
    with pytest.raises(PanelError, match="Prolific's answer has no 'status'"):
        found["status"]
    with pytest.raises(PanelError, match="Prolific's answer has no 'status'"):
        found["results"][0]["status"]
    with pytest.raises(PanelError, match="says that places is 'many', expected a number"):
        number("many", "places")


def test_what_pays_is_sent_again_only_if_it_never_went_out() -> None:
    request = httpx.Request("POST", "https://x")
    with pytest.raises(LostAnswerError, match="no answer to POST /pay/"):
        panel(httpx.ReadError("cut", request=request)).post("/pay/", {}, repeat=False)
    with pytest.raises(LostAnswerError):
        panel(httpx.Response(502, text="Bad gateway")).post("/pay/", {}, repeat=False)
    unsent = httpx.ConnectError("refused", request=request)
    assert panel(unsent, httpx.Response(202)).post("/pay/", {}, repeat=False) == {}
    with pytest.raises(PanelError, match="cannot be reached") as refusal:
        panel(*[unsent] * 6).post("/pay/", {}, repeat=False)
    assert not isinstance(refusal.value, LostAnswerError)


def test_the_token_goes_to_no_other_host() -> None:
    page = {
        "results": [1],
        "_links": {"next": {"href": "https://evil.example/submissions/?page=2"}},
    }
    with pytest.raises(PanelError, match=r"links to evil\.example, expected api\.prolific\.com"):
        list(panel(httpx.Response(200, json=page)).pages("/submissions/"))
    moved = httpx.Response(302, headers={"Location": "https://evil.example/"})
    with pytest.raises(PanelError, match=r"\(302\)"):
        panel(moved).get("/users/me/")


@pytest.mark.parametrize("base", ["http://api.prolific.com/api/v1", "ftp://x", "api.prolific.com"])
def test_the_token_goes_over_tls_only(base: str) -> None:
    with pytest.raises(PanelError, match="expected https://"):
        Prolific(Token(TOKEN), base)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"status": 400, "title": "T", "detail": {"reward": ["Too low."]}}}, "Too low"),
        ({"message": "No", "detail": "Not\nenough funds"}, "Not enough funds"),
        ({"detail": f"Invalid token {TOKEN}"}, "Invalid token …"),
    ],
)
def test_a_refusal_is_one_line_without_the_token(body: dict[str, object], words: str) -> None:
    with pytest.raises(PanelError) as refusal:
        panel(httpx.Response(400, json=body)).get("/x/")
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert TOKEN not in str(refusal.value)
