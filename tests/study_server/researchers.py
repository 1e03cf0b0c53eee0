"""A researcher as the tests tell of one: logs in, looks, presses a button."""

from __future__ import annotations

import re
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from werkzeug.test import TestResponse

from study_server.web.admin import passwords
from study_server.web.admin.accounts import set_password

PASSWORD = "correct horse battery"


class Researcher:
    """One browser on the admin site."""

    def __init__(self, app: Flask) -> None:
        """Open the browser; an account is made on the first visit."""
        self.app, self.client = app, app.test_client()
        self.database = app.extensions["foolrate"].database

    def log_in(self, password: str = PASSWORD, name: str = "admin") -> TestResponse:
        """Fill in the login form."""
        return self.form("/admin/login", name=name, password=password)

    def form(self, page: str, target: str | None = None, **fields: Any) -> TestResponse:
        """Open a page and send fields with its CSRF token, to the page itself or to `target`."""
        shown = self.client.get(page)
        found = re.search(r'name="csrf_token" value="([^"]+)"', shown.text)
        assert found, f"{page} answered {shown.status_code} without a form"
        return self.client.post(target or page, data={**fields, "csrf_token": found[1]})

    def press(self, state: str, study: int = 1) -> TestResponse:
        """Open, pause or close a study from its dashboard."""
        base = f"/admin/studies/{study}/"
        return self.form(base, f"{base}state", state=state)


def logged_in(app: Flask) -> Researcher:
    """Return a researcher with an account who has logged in."""
    researcher = Researcher(app)
    set_password(researcher.database, "admin", PASSWORD)
    assert researcher.log_in().status_code == 303
    return researcher


@pytest.fixture(autouse=True)
def cheap_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with argon2id at its smallest cost: it is made to be slow, and tests log in a lot."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64))
