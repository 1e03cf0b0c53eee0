"""The people and things of the attack suite: a served installation, raters, and who attacks them.

Everything goes over HTTP to a `study serve` of its own, on the loopback. Each browser has an
address of its own there (127.0.0.0/8), so that what is counted by address is counted apart.
"""

from __future__ import annotations

import itertools
import os
import re
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from actors import DEVICE
from sqlalchemy import select

from study_server.config import parse_study_file
from study_server.simulation.simulate import wait_until_ready
from study_server.storage.database import Database
from study_server.storage.identity import token_hash
from study_server.storage.models import RaterSession
from study_server.storage.schema import open_database
from study_server.studies.create import create_study
from study_server.studies.states import find_study, set_state
from study_server.web.serve import free_port

CHECKOUT = Path(__file__).resolve().parents[3]
PASSWORD = "correct horse battery"
SECRET = bytes(range(32)).hex()
CSRF = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')

_addresses = itertools.count(1)
_names = itertools.count(1)


def new_address() -> str:
    """Return an address of the loopback that nobody has used before, in a network of its own."""
    number = next(_addresses)
    return f"127.{100 + number // 250}.{number % 250}.7"


@dataclass
class Installation:
    """A database and the `study serve` on it."""

    base: str
    database: Database
    images: Path
    server: subprocess.Popen[bytes]
    log: Path

    def study(self, provider: str = "", **replacements: str) -> str:
        """Make and open a small study; return its id. `replacements` change keys of its file."""
        slug = f"study-{next(_names)}"
        text = _STUDY.format(slug=slug, folder=self.images, provider=provider)
        for key, value in replacements.items():
            text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
            assert count == 1, key
        create_study(self.database, parse_study_file(text, "study.toml"), text)
        with self.database.session() as db_session:
            set_state(db_session, find_study(db_session, slug), "open", "test")
        return slug

    def forget_counts(self) -> None:
        """Begin every rate limit anew."""
        (counted,) = self.log.parent.glob("foolrate-*/limits.sqlite3")
        with closing(sqlite3.connect(counted, timeout=15)) as counts, counts:
            counts.execute("DELETE FROM counter")

    def rows(self, slug: str) -> list[RaterSession]:
        """Return the sessions of a study, in order of arrival."""
        with self.database.session() as db_session:
            study = find_study(db_session, slug)
            query = select(RaterSession).where(RaterSession.study_id == study.id)
            return list(db_session.scalars(query.order_by(RaterSession.number)))


_STUDY = """
[study]
id = "{slug}"
title = "A study under attack"
contact = "the laboratory"
[images]
reference = "{folder}/real"
[conditions]
blurred = "{folder}/blurred"
[design]
raters = 6
trials = 4
exposure_ms = 0
seed = 1
[practice]
trials = 1
[catch]
trials = 1
[lease]
minutes = 15
[provider]
{provider}
"""


# manage.py, but with passwords checked at the priority of everything else: at the lowest, a log-in
# takes ten seconds on a loaded machine, and limits by the minute cannot be reached.
_MANAGE = """
import sys
import manage
from argon2 import PasswordHasher
from study_server.web.admin import passwords
passwords._come_last = lambda: None
passwords._hasher = PasswordHasher(**{costs})
sys.exit(manage.run())
"""
CHEAP = {"time_cost": 1, "memory_cost": 64, "parallelism": 1}  # of guesses that are only counted


@contextmanager
def serving(
    url: str, images: Path, log: Path, costs: Mapping[str, int] = CHEAP
) -> Iterator[Installation]:
    """Yield a database served as `study serve` serves it behind one proxy, until the block ends.

    `costs` are those of a password's hash; {} stands for the real ones.
    """
    database = open_database(url, create=True)
    address = f"127.0.0.1:{free_port()}"
    code = _MANAGE.format(costs=dict(costs))
    command = [sys.executable, "-c", code, "study", "serve", "--bind", address, "--proxies", "1"]
    environment = os.environ | {
        "FOOLRATE_DATABASE": url,
        "FOOLRATE_SECRET": SECRET,
        "FOOLRATE_ADMIN_PASSWORD": PASSWORD,
        "TMPDIR": str(log.parent),
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, stdout=output, stderr=output
        )
        try:
            wait_until_ready(f"http://{address}", server)
            yield Installation(f"http://{address}", database, images, server, log)
        finally:
            server.terminate()
            server.wait(timeout=60)
            database.dispose()


class Browser:
    """One browser with its cookies, at an address of its own."""

    def __init__(self, site: Installation, address: str | None = None, **headers: str) -> None:
        """Open it; `headers` go with every request, with - written as _."""
        self.site, self.address = site, address or new_address()
        self.http = httpx.Client(
            base_url=site.base,
            transport=httpx.HTTPTransport(local_address=self.address, verify=False),  # plain HTTP
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            timeout=60,
        )
        self.token, self.page = "", ""
        self.state: dict[str, Any] = {}

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_error: object) -> None:
        self.http.close()

    def get(self, path: str) -> httpx.Response:
        """Load a page."""
        return self.http.get(path)

    def form(self, page: str, target: str | None = None, **fields: str) -> httpx.Response:
        """Load a page and send its form, to the page itself or to `target`."""
        shown = self.get(page)
        found = CSRF.search(shown.text)
        assert found, f"{page} answered {shown.status_code} without a form"
        return self.http.post(target or page, data={**fields, "csrf_token": found[1]})

    # ── a rater ──────────────────────────────────────────────────────────────────────────────────

    def arrive(self, link: str, agree: str = "yes") -> httpx.Response:
        """Read the consent page of a link and answer it."""
        response = self.form(link, agree=agree)
        found = re.fullmatch(r"/r/([^/]+)/", response.headers.get("location", ""))
        self.token = found[1] if found else ""
        return response

    def force(self, link: str, form_of: str, agree: str = "yes") -> httpx.Response:
        """Consent to a link without its page, by the form of another."""
        return self.form(form_of, target=link, agree=agree)

    def begin(self, link: str) -> Browser:
        """Go through consent, device check and instructions, and open the trial page."""
        self.arrive(link)
        self.form(f"/r/{self.token}/device", **DEVICE)
        self.form(f"/r/{self.token}/instructions")
        self.open()
        return self

    def post(self, name: str, body: Any) -> httpx.Response:
        """Send JSON to this rater's session."""
        return self.http.post(f"/r/{self.token}/{name}", json=body)

    def open(self) -> dict[str, Any]:
        """Take the session over for this browser."""
        response = self.post("open", {})
        assert response.status_code == 200, response.text
        self.state = response.json()
        self.page = self.state["page"]
        return self.state

    def body(self, choice: str | None = "left", **more: Any) -> dict[str, Any]:
        """Return an answer to the trial at hand."""
        trial = self.state["trials"][0]["trial"]
        key = str(uuid.uuid4())
        return {"page": self.page, "trial": trial, "key": key, "choice": choice, **more}

    def answer(self, choice: str | None = "left", **more: Any) -> httpx.Response:
        """Answer the trial at hand."""
        response = self.post("answer", self.body(choice, **more))
        if response.status_code == 200:
            self.state |= response.json()
        return response

    def answer_all(self) -> None:
        """Answer every trial that is left."""
        while self.state["trials"]:
            assert self.answer().status_code == 200

    def stage(self) -> str:
        """Return the step where the site thinks this rater is."""
        return self.get(f"/r/{self.token}/").headers["location"].rsplit("/", 1)[1]

    def session(self) -> RaterSession | None:
        """Return this rater's session as stored."""
        with self.site.database.session() as db_session:
            query = select(RaterSession).where(RaterSession.token_hash == token_hash(self.token))
            return db_session.scalar(query)

    # ── a researcher, or who would like to be one ────────────────────────────────────────────────

    def log_in(self, password: str = PASSWORD, name: str = "admin") -> httpx.Response:
        """Fill in the login form of the admin site."""
        return self.form("/admin/login", name=name, password=password)

    def copy(self) -> Browser:
        """Return another browser, elsewhere, with this one's cookies."""
        other = Browser(self.site)
        for cookie in self.http.cookies.jar:
            other.http.cookies.set(cookie.name, cookie.value or "", cookie.domain, cookie.path)
        return other


def milliseconds(browser: Browser, path: str, count: int) -> list[float]:
    """Return how long each of `count` requests for a page took, sorted."""
    times = []
    for _ in range(count):
        started = time.perf_counter()
        assert browser.get(path).status_code < 500
        times.append(1000 * (time.perf_counter() - started))
    return sorted(times)
