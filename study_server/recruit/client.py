"""Calls to Prolific's API: with back-off, without redirects, and never to another host.

What may be sent again after a lost answer is the caller's knowledge: `repeat` says so. A payment
is never repeated here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import httpx

from study_server.errors import LostAnswerError, PanelError, UnreachableError
from study_server.recruit.token import Token

BASE = "https://api.prolific.com/api/v1"
PAGE = 100
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)  # nothing went out
_TRIES = 6
_LONGEST_S = 60.0


class Answer(dict[str, Any]):
    """An object of an answer; what it lacks is the panel's fault, not ours."""

    def __missing__(self, key: str) -> NoReturn:
        """Raise `PanelError`."""
        raise PanelError(f"Prolific's answer has no {key!r}: has its API changed?")


class Prolific:
    """Prolific's API. Raises `PanelError` for a refusal, `LostAnswerError` for a lost answer."""

    def __init__(
        self,
        token: Token,
        base: str = BASE,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare the client; nothing is sent yet. Raises `PanelError` for an unsafe address."""
        self._base = _checked_base(base)
        self._token, self._sleep = token, sleep
        self._http = httpx.Client(
            timeout=httpx.Timeout(30), follow_redirects=False, transport=transport, trust_env=False
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str) -> Answer:
        """Return what is at a path; asked again while the panel is busy or out of reach."""
        return self._call("GET", path, None, repeat=True)

    def post(self, path: str, body: dict[str, Any], *, repeat: bool) -> Answer:
        """Send a change and return the answer; `repeat`: a second one like it does no harm."""
        return self._call("POST", path, body, repeat=repeat)

    def patch(self, path: str, body: dict[str, Any]) -> Answer:
        """Set fields to values, which may be repeated."""
        return self._call("PATCH", path, body, repeat=True)

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield the results of all pages. Raises `PanelError` for a link to another host."""
        url: str | None = path
        while url:
            page = self.get(url)
            yield from page.get("results", [])
            url = ((page.get("_links") or {}).get("next") or {}).get("href")

    def _call(self, method: str, path: str, body: dict[str, Any] | None, *, repeat: bool) -> Answer:
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            try:
                answer = self._http.request(
                    method,
                    self._url(path),
                    json=body,
                    headers={"Authorization": self._token.header()},
                )
            except httpx.HTTPError as error:
                unsent = isinstance(error, UNSENT)
                if last or not (repeat or unsent):
                    raise self._lost(method, path, error, unsent=unsent) from None
                self._sleep(_wait(attempt, None))
                continue
            if answer.is_success:
                return _content(answer)
            busy = answer.status_code == 429 or (
                repeat and (answer.status_code == 408 or answer.status_code >= 500)
            )
            if not busy or last:
                raise self._refusal(method, path, answer)
            self._sleep(_wait(attempt, answer.headers.get("Retry-After")))
        raise AssertionError("the last try returns or raises")

    def _url(self, path: str) -> str:
        if not path.startswith("http"):
            return f"{self._base}{path}"
        here, there = httpx.URL(self._base), httpx.URL(path)
        if (here.scheme, here.host, here.port) != (there.scheme, there.host, there.port):
            raise PanelError(f"the panel links to {there.host}, expected {here.host}")
        return path

    def _lost(self, method: str, path: str, error: httpx.HTTPError, *, unsent: bool) -> PanelError:
        what, where = type(error).__name__, path.partition("?")[0]
        if unsent:
            return UnreachableError(f"Prolific cannot be reached for {method} {where} ({what})")
        return LostAnswerError(
            f"Prolific: no answer to {method} {where} ({what}): run the command again, nothing is"
            " done twice"
        )

    def _refusal(self, method: str, path: str, answer: httpx.Response) -> PanelError:
        status, words = answer.status_code, self._token.removed_from(_words(answer))
        if status in (401, 403):
            return PanelError(f"Prolific does not take the token ({status}): {words}", status)
        unknown = status >= 500 or status == 408 or status < 400
        kind = LostAnswerError if unknown else PanelError
        where = path.partition("?")[0]
        return kind(f"Prolific refused {method} {where} ({status}): {words}", status)


def _checked_base(base: str) -> str:
    url = httpx.URL(base.rstrip("/"))
    local = url.host in ("localhost", "127.0.0.1", "::1")
    if url.scheme != "https" and not (local and url.scheme == "http"):
        raise PanelError(f"PROLIFIC_URL is {base!r}, expected https://…")
    return str(url)


def _wait(attempt: int, asked: str | None) -> float:
    if asked and asked.isdigit():
        return min(float(asked), _LONGEST_S)
    return min(2.0**attempt, _LONGEST_S)


def _content(answer: httpx.Response) -> Answer:
    if not answer.content:
        return Answer()
    try:
        found = answer.json(object_hook=Answer)
    except ValueError:
        found = None
    if not isinstance(found, Answer):  # it may have been done all the same: nobody can tell
        raise LostAnswerError(
            f"Prolific answered {answer.status_code} with something else than an object of JSON"
        )
    return found


def number(value: Any, what: str) -> float:
    """Return a number of an answer, 0 for none. Raises `PanelError` for anything else."""
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        raise PanelError(f"Prolific says that {what} is {value!r}, expected a number") from None


def _words(answer: httpx.Response) -> str:
    """Return what an error says, in one line: the API has two forms of it."""
    try:
        found = answer.json()
    except ValueError:
        return answer.reason_phrase or "no reason given"
    inner = found.get("error", found) if isinstance(found, dict) else found
    if not isinstance(inner, dict):
        return str(inner)[:300]
    detail = inner.get("detail") or inner.get("message") or inner.get("title") or inner
    return " ".join(str(detail).split())[:300]
