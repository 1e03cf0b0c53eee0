"""Prolific as its documentation describes it, for the tests: states, page links, payments.

https://docs.prolific.com/api-reference: a study is UNPUBLISHED, ACTIVE, PAUSED, AWAITING REVIEW;
places only grow; a submission ends as APPROVED, RETURNED, TIMED-OUT …; a list of bonuses that is
paid twice pays twice; what a bonus paid is seen in the list of submissions later.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

TOKEN = "tok-5ecret-of-the-workspace-91f3"
FINAL = {"APPROVED", "RETURNED", "TIMED-OUT", "REJECTED", "SCREENED OUT", "PARTIALLY APPROVED"}
MOVES = {"PUBLISH": ("UNPUBLISHED", "ACTIVE"), "PAUSE": ("ACTIVE", "PAUSED"),
         "START": ("PAUSED", "ACTIVE")}  # fmt: skip


class RefusalError(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


@dataclass
class FakeProlific:
    """The panel's side: what it holds, what it paid, and every call it got."""

    base: str = "https://api.prolific.com/api/v1"
    page: int = 100
    currency: str = "GBP"
    studies: dict[str, dict[str, Any]] = field(default_factory=dict)
    submissions: dict[str, dict[str, Any]] = field(default_factory=dict)
    lists: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    paid: Counter[str] = field(default_factory=Counter)  # participant -> hundredths
    payments: Counter[str] = field(default_factory=Counter)  # participant -> times
    calls: list[tuple[str, str]] = field(default_factory=list)
    on_call: Callable[[str, str], None] | None = None  # may raise, before anything is done
    on_answer: Callable[[str, str], None] | None = None  # may raise, after all is done
    numbers: Any = field(default_factory=lambda: itertools.count(1))
    pending: list[tuple[str, int]] = field(default_factory=list)  # bonuses not yet seen

    # ── what happens on the panel without the API ────────────────────────────────────────────────

    def rater(self, participant: str, status: str = "AWAITING REVIEW", code: str = "") -> str:
        """Let a participant have a submission in the only study; return its id."""
        (study,) = self.studies
        identity = f"{next(self.numbers):024x}"
        self.submissions[identity] = {
            "id": identity,
            "participant_id": participant,
            "study_id": study,
            "status": status,
            "study_code": code,
            "bonus_payments": [],
            "return_requested": None,
        }
        return identity

    def settle(self) -> None:
        """Let what was paid be seen in the list of submissions."""
        for participant, amount in self.pending:
            for row in self.submissions.values():
                if row["participant_id"] == participant:
                    row["bonus_payments"].append(float(amount))
        self.pending.clear()

    # ── the API ──────────────────────────────────────────────────────────────────────────────────

    def transport(self) -> httpx.MockTransport:
        """Return what takes the client's requests in place of the network."""

        def handle(request: httpx.Request) -> httpx.Response:
            status, body = self.answer(
                request.method,
                str(request.url),
                request.headers.get("Authorization", ""),
                request.content,
            )
            return httpx.Response(status, json=body)

        return httpx.MockTransport(handle)

    def answer(
        self, method: str, url: str, authorization: str, content: bytes
    ) -> tuple[int, dict[str, Any]]:
        """Return status and body for one request."""
        parts = urlsplit(url)
        path = parts.path.removeprefix("/api/v1")
        self.calls.append((method, path))
        if self.on_call:
            self.on_call(method, path)
        try:
            if authorization != f"Token {TOKEN}":
                raise RefusalError(401, f"Invalid token {authorization!r}")
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            body = json.loads(content) if content else {}
            answer = 200, self._route(method, path.strip("/").split("/"), query, body)
        except RefusalError as refusal:
            error = {"status": refusal.status, "title": "Error", "detail": refusal.detail}
            answer = refusal.status, {"error": error}
        if self.on_answer:
            self.on_answer(method, path)
        return answer

    def _route(
        self, method: str, parts: list[str], query: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        answer = self._of_studies(method, parts, query, body)
        if answer is None:
            answer = self._of_submissions(method, parts, query, body)
        if answer is None:
            raise RefusalError(404, f"{method} {'/'.join(parts)}: no such call")
        return answer

    def _of_studies(
        self, method: str, parts: list[str], query: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any] | None:
        match method, *parts:
            case "GET", "users", "me":
                return {"id": "me", "currency_code": self.currency}
            case "GET", "studies":
                return self._paged(list(self.studies.values()), "/studies/", query)
            case "POST", "studies":
                return self._draft(body)
            case "GET", "studies", study:
                return self._study(study)
            case "PATCH", "studies", study:
                return self._places(study, body)
            case "GET", "studies", study, "cost":
                found = self._study(study)
                reward = found["reward"] * found["total_available_places"]
                return {"total_cost": round(reward * 4 / 3)}
            case "POST", "studies", study, "transition":
                return self._move_study(study, body["action"])
        return None

    def _of_submissions(
        self, method: str, parts: list[str], query: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any] | None:
        match method, *parts:
            case "GET", "studies", _, "submissions", "counts":
                return dict(Counter(row["status"] for row in self.submissions.values()))
            case "GET", "submissions":
                return self._paged(list(self.submissions.values()), "/submissions/", query)
            case "POST", "submissions", "bonus-payments":
                return self._bonus_list(body)
            case "POST", "bulk-bonus-payments", identity, "pay":
                return self._pay_list(identity)
            case "GET", "submissions", identity:
                return self.submissions[identity]
            case "POST", "submissions", identity, "transition":
                return self._move_submission(identity, body)
            case "POST", "submissions", identity, "request-return":
                return self._ask_to_return(identity, body)
        return None

    def _paged(
        self, rows: list[dict[str, Any]], path: str, query: dict[str, str]
    ) -> dict[str, Any]:
        page, size = int(query.get("page", 1)), min(int(query.get("page_size", 20)), self.page)
        start = (page - 1) * size
        more = start + size < len(rows)
        rest = "&".join(f"{name}={value}" for name, value in query.items() if name != "page")
        href = f"{self.base}{path}?{rest}&page={page + 1}" if more else None
        return {
            "results": rows[start : start + size],
            "_links": {"next": {"href": href, "title": "Next"}},
            "meta": {"count": len(rows)},
        }

    def _study(self, identity: str) -> dict[str, Any]:
        if identity not in self.studies:
            raise RefusalError(404, "Not found.")
        study = self.studies[identity]
        gone = ("RETURNED", "TIMED-OUT", "REJECTED")
        taken = sum(row["status"] not in gone for row in self.submissions.values())
        return study | {"places_taken": taken}

    def _draft(self, body: dict[str, Any]) -> dict[str, Any]:
        codes = [each["code"] for each in body["completion_codes"]]
        if len(set(codes)) < len(codes):
            raise RefusalError(400, {"completion_codes": ["Codes must be unique."]})
        if body["reward"] * 60 < 600 * body["estimated_completion_time"]:
            raise RefusalError(400, {"reward": ["Below the minimum reward per hour."]})
        if not body["external_study_url"].startswith("https://"):
            raise RefusalError(400, {"external_study_url": ["Enter a valid URL."]})
        identity = f"{next(self.numbers):024x}"
        self.studies[identity] = {"id": identity, "status": "UNPUBLISHED", **body}
        return self.studies[identity]

    def _places(self, identity: str, body: dict[str, Any]) -> dict[str, Any]:
        study = self.studies[identity]
        if body["total_available_places"] < study["total_available_places"]:
            raise RefusalError(400, "Places can only be increased.")
        study.update(body)
        return study

    def _move_study(self, identity: str, action: str) -> dict[str, Any]:
        study = self.studies[identity]
        expected, reached = MOVES[action]
        if study["status"] != expected:
            raise RefusalError(400, f"Study is {study['status']}.")
        study["status"] = reached
        return study

    def _move_submission(self, identity: str, body: dict[str, Any]) -> dict[str, Any]:
        row = self.submissions[identity]
        study = self.studies[row["study_id"]]
        if row["status"] in FINAL or (row["status"] != "AWAITING REVIEW"):
            raise RefusalError(400, f"Submission is {row['status']}.")
        if body["action"] == "APPROVE":
            row["status"] = "APPROVED"
            self._pay(row["participant_id"], study["reward"])
        elif body["action"] == "COMPLETE":
            codes = {each["code"]: each for each in study["completion_codes"]}
            action = codes[body["completion_code"]]["actions"][0]
            row["status"] = "SCREENED OUT"
            self._pay(row["participant_id"], action["fixed_screen_out_reward"])
        else:
            raise RefusalError(400, "Unknown action.")
        return row

    def _ask_to_return(self, identity: str, body: dict[str, Any]) -> dict[str, Any]:
        if not body.get("request_return_reasons"):
            raise RefusalError(400, "A reason is needed.")
        self.submissions[identity]["return_requested"] = "2026-11-26T12:00:00Z"
        return self.submissions[identity]

    def _bonus_list(self, body: dict[str, Any]) -> dict[str, Any]:
        rows = [line.split(",") for line in body["csv_bonuses"].splitlines()]
        if len(rows) > 200:
            raise RefusalError(400, "At most 200 participants.")
        known = {row["participant_id"] for row in self.submissions.values()}
        strangers = [who for who, _ in rows if who not in known]
        if strangers:
            raise RefusalError(400, "A participant has no submission in this study.")
        identity = f"{next(self.numbers):024x}"
        self.lists[identity] = [(who, round(float(amount) * 100)) for who, amount in rows]
        return {"id": identity, "amount": sum(amount for _, amount in self.lists[identity])}

    def _pay_list(self, identity: str) -> dict[str, Any]:
        for who, amount in self.lists[identity]:
            self._pay(who, amount)
            self.pending.append((who, amount))
        return {"message": "We are processing the bonus payments."}

    def _pay(self, participant: str, amount: int) -> None:
        self.paid[participant] += amount
        self.payments[participant] += 1


def served(fake: FakeProlific) -> ThreadingHTTPServer:
    """Return a server of the fake on loopback, not yet running; its base is set."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = f"{fake.base.removesuffix('/api/v1')}{self.path}"
            authorization = self.headers.get("Authorization", "")
            status, body = fake.answer(self.command, url, authorization, content)
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = _handle

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.base = f"http://127.0.0.1:{server.server_address[1]}/api/v1"
    return server
