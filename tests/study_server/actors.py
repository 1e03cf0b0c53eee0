"""A rater as the tests tell of one: arrives, looks, answers, reloads, leaves, comes back."""

from __future__ import annotations

import re
import uuid
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from study_server.simulation.simulate import DEVICE
from study_server.storage.identity import token_hash
from study_server.storage.models import RaterSession, Trial


class Rater:
    """One browser with its cookies."""

    def __init__(self, app: Flask, slug: str = "small", query: str = "") -> None:
        """Open the browser on a study's link."""
        self.app, self.client = app, app.test_client()
        self.link = f"/s/{slug}/{query}"
        self.token, self.page = "", ""
        self.state: dict[str, Any] = {}

    # ── pages ────────────────────────────────────────────────────────────────────────────────────

    def form(self, url: str, **fields: str) -> TestResponse:
        """Open a page and send its form."""
        page = self.client.get(url)
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
        assert found, f"{url} answered {page.status_code} without a form"
        return self.client.post(url, data={**fields, "csrf_token": found[1]})

    def arrive(self, agree: str = "yes") -> TestResponse:
        """Read the consent page and answer it."""
        response = self.form(self.link, agree=agree)
        found = re.fullmatch(r"/r/([^/]+)/", response.location or "")
        self.token = found[1] if found else ""
        return response

    def step(self) -> str:
        """Return the step where the site thinks this rater is."""
        return self.client.get(f"/r/{self.token}/").location.rsplit("/", 1)[1]

    def enter(self) -> None:
        """Go through consent, device check and instructions."""
        self.arrive()
        self.form(f"/r/{self.token}/device", **DEVICE)
        self.form(f"/r/{self.token}/instructions")

    def begin(self) -> Rater:
        """Go through consent, device check and instructions, and open the trial page."""
        self.enter()
        assert self.client.get(f"/r/{self.token}/run").status_code == 200
        self.open()
        return self

    def finish(self) -> TestResponse:
        """Skip the comment and return the debrief page."""
        self.form(f"/r/{self.token}/comment", comment="")
        return self.client.get(f"/r/{self.token}/end")

    # ── trials ───────────────────────────────────────────────────────────────────────────────────

    def post(self, name: str, body: Any, **options: Any) -> TestResponse:
        """Send JSON."""
        return self.client.post(f"/r/{self.token}/{name}", json=body, **options)

    def open(self) -> dict[str, Any]:
        """Load the trial page: take the session over."""
        response = self.post("open", {})
        assert response.status_code == 200, response.text
        self.state = response.json
        self.page = self.state["page"]
        return self.state

    def body(self, choice: str | None = "left", **more: Any) -> dict[str, Any]:
        """Return an answer to the trial at hand."""
        trial = self.state["trials"][0]["trial"]
        return {
            "page": self.page,
            "trial": trial,
            "key": str(uuid.uuid4()),
            "choice": choice,
            "rt_ms": 700.5,
            **more,
        }

    def answer(self, choice: str | None = "left", **more: Any) -> dict[str, Any]:
        """Answer the trial at hand."""
        response = self.post("answer", self.body(choice, **more))
        assert response.status_code == 200, response.text
        self.state |= response.json
        return self.state

    def answer_all(self, choice: str | None = "left", **more: Any) -> None:
        """Answer every trial that is left."""
        while self.state["trials"]:
            self.answer(choice, **more)

    # ── what only the database knows ─────────────────────────────────────────────────────────────

    def row(self) -> RaterSession | None:
        """Return this rater's session as stored."""
        with self.app.extensions["foolrate"].database.session() as db_session:
            query = select(RaterSession).where(RaterSession.token_hash == token_hash(self.token))
            return db_session.scalar(query)

    def truth(self) -> list[Trial]:
        """Return the trials of this rater's block."""
        row = self.row()
        with self.app.extensions["foolrate"].database.session() as db_session:
            query = select(Trial).where(Trial.block_id == row.block_id).order_by(Trial.position)
            return list(db_session.scalars(query))
