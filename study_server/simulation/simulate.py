"""Simulated raters who take a study over HTTP, page by page, as a browser does.

The truth of each trial is read from the database, because the site tells nobody. Raters arrive
one after the other, so that the same seed gives each the same block; then several are at work at
once. Those who drop out are replaced at the end, when their leases are given back.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid5

import httpx
from sqlalchemy import select
from sqlalchemy.orm import aliased

from study_server.asking import Question as AskedQuestion
from study_server.config import StudyFile
from study_server.errors import StateError, StudyError
from study_server.sessions.entering import leases
from study_server.sessions.entering.providers import SIMULATION_PARAMETER, panel_of
from study_server.simulation.looking import looks, writes
from study_server.simulation.patience import Patient
from study_server.simulation.rater_model import RaterModel, SimulatedRater, Truth
from study_server.simulation.truth import Tally, refuse_strangers, tell_truth
from study_server.storage.database import Database
from study_server.storage.events import record
from study_server.storage.identity import simulation_pass, token_hash
from study_server.storage.models import Condition, Item, RaterSession, Trial
from study_server.studies.states import find_study, set_state, study_file
from study_server.trial_kinds import Question
from study_server.web.serve import free_port, process

_CSRF = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
_KEYS = UUID("8f3c1c1e-5d5a-4c57-9d38-2f1f0a9f3f10")  # name space of the answers' keys
DEVICE = {  # what the page of the device check sends
    "width": "1280",
    "height": "800",
    "pixel_ratio": "1",
    "row_width": "1192",
    "row_height": "560",
    "column_width": "1216",
    "column_height": "526",
    "input": "mouse",
    "decode_ok": "1",
    "refresh_hz": "60",
}


@dataclass(frozen=True)
class VisitTarget:
    """What every simulated rater needs to know of the study."""

    base: str
    slug: str
    query: str
    id_parameter: str | None
    submission_parameter: str | None
    answers: dict[str, dict[str, str]]  # page -> fields of what is asked besides the trials
    questions: tuple[Question, ...] = ()


class Visit:
    """One simulated rater's browser."""

    def __init__(self, plan: VisitTarget, rater: SimulatedRater, index: int, seed: int) -> None:
        """Open the browser."""
        headers = {"Origin": plan.base, "Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}
        transport = Patient(httpx.HTTPTransport())
        self._client = httpx.Client(
            base_url=plan.base, headers=headers, timeout=60, transport=transport
        )
        self._plan, self.rater, self._index, self._seed = plan, rater, index, seed
        self.token = ""

    def arrive(self) -> bool:
        """Read the consent page and agree; False when the study is full."""
        wanted = (self._plan.id_parameter, self._plan.submission_parameter)
        ids = {name: f"simulated-{self._seed}-{self._index}" for name in wanted if name}
        url = f"/s/{self._plan.slug}/?{self._plan.query}&{urlencode(ids)}"
        response = self._form(url, {"agree": "yes"})
        found = re.fullmatch(r"/r/([^/]+)/", response.headers.get("location", ""))
        if not found:
            raise StudyError(f"{url}: answered {response.status_code}, expected a session")
        self.token = found[1]
        step = self._client.get(f"/r/{self.token}/").headers["location"]
        return not step.endswith("/end")

    def take(self, truths: list[Truth]) -> tuple[bool, int]:
        """Take the study; return (finished, answers given)."""
        self._form_unless_done("before")
        self._form(f"/r/{self.token}/device", DEVICE)
        self._form(f"/r/{self.token}/instructions", {})
        self._form_unless_done("check")
        self._client.get(f"/r/{self.token}/run")
        state = self._post("open", {})
        page = state["page"]
        fetched: set[str] = set()
        stop = self.rater.stops_before(len(truths))
        given = 0
        while state["trials"]:
            trial = state["trials"][0]
            self._fetch(state["trials"], fetched)
            if stop is not None and trial["position"] >= stop:
                return False, given
            measures = self.rater.answer(truths[trial["position"]], self._plan.questions)
            key = str(uuid5(_KEYS, f"{self._seed}/{self._index}/{trial['position']}"))
            measures |= looks(trial, Random(key)) | writes(trial, Random(key))
            body = {"page": page, "trial": trial["trial"], "key": key, **measures}
            state = self._post("answer", body)
            given += 1
        self._form_unless_done("after")
        self._form(f"/r/{self.token}/comment", {"comment": ""})
        self._client.get(f"/r/{self.token}/end").raise_for_status()
        return True, given

    def close(self) -> None:
        """Close the browser."""
        self._client.close()

    def _form_unless_done(self, page: str) -> None:
        """Answer what the study asks besides the trials, where it asks anything."""
        fields = self._plan.answers[page]
        if fields:
            self._form(f"/r/{self.token}/{page}", fields)

    def _form(self, url: str, fields: dict[str, str]) -> httpx.Response:
        page = self._client.get(url)
        found = _CSRF.search(page.text)
        if not found and page.is_redirect and not self.token:
            raise StudyError(f"raters of --seed {self._seed} came before, choose another seed")
        if not found:
            path = url.partition("?")[0]  # the rest would show what marks a rater as simulated
            raise StudyError(f"{path}: answered {page.status_code} without a form")
        return self._client.post(url, data={**fields, "csrf_token": found[1]})

    def _post(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        response = self._client.post(f"/r/{self.token}/{name}", json=body)
        if response.status_code != 200:
            raise StudyError(f"{name}: answered {response.status_code} {response.text[:200]}")
        state: dict[str, Any] = response.json()
        return state

    def _fetch(self, trials: list[dict[str, Any]], fetched: set[str]) -> None:
        urls = [trial[panel] for trial in trials for panel in ("left", "right", "input")]
        for url in urls:
            if url and url not in fetched:
                self._client.get(url).raise_for_status()
                fetched.add(url)


def simulate(
    database: Database,
    secret: bytes,
    name: str,
    *,
    model: RaterModel,
    raters: int,
    seed: int,
    at_once: int = 8,
    url: str | None = None,
    progress: Callable[[int], None] = lambda _finished: None,
) -> Tally:
    """Let simulated raters take a study until `raters` of them have finished; return how it went.

    Without `url` a server is started for the purpose. Raises `StudyError`.
    """
    with database.session() as db_session:
        study = find_study(db_session, name)
        if study.state == "draft":
            set_state(db_session, study, "open", "simulation")
        if study.state != "open":
            raise StateError(f"study {study.slug} is {study.state}, expected open")
        file = study_file(study)
        record(db_session, "simulation", study.id, seed=seed, model=model.model_dump())
    refuse_strangers(model, file)
    panel = panel_of(file.provider)
    if file.provider.kind == "invitation":
        raise StudyError(f"study {name} takes invitations only, simulated raters have none")
    query = urlencode({SIMULATION_PARAMETER: simulation_pass(secret, study.slug)})
    started = time.perf_counter()
    with serving(database, url) as base:
        plan = VisitTarget(
            base,
            study.slug,
            query,
            panel.id_parameter,
            panel.submission_parameter,
            other_answers(file),
            file.questions,
        )
        run = _Simulation(database, plan, at_once, progress, model=model, seed=seed)
        run.until(raters)
    run.tally.seconds = time.perf_counter() - started
    tell_truth(run.tally, model, file)
    return run.tally


def other_answers(file: StudyFile) -> dict[str, dict[str, str]]:
    """Return what simulated raters answer besides the trials: the first answer that is allowed."""
    check = {f"c-{n}": each.right for n, each in enumerate(file.check.questions)}
    pages = {
        when: {f"q-{each.id}": _allowed(each) for each in file.ask.questions(when)}
        for when in ("before", "after")
    }
    return pages | {"check": check}


def _allowed(question: AskedQuestion) -> str:
    if question.kind == "choice":
        return question.options[0].value
    if question.kind == "text":
        return "simulated"
    bounds = (question.minimum, question.maximum)
    return f"{next((bound for bound in bounds if bound is not None), 1):g}"


class _Simulation:
    """Sends raters in order and replaces those who drop out."""

    def __init__(
        self,
        database: Database,
        plan: VisitTarget,
        at_once: int,
        progress: Callable[[int], None],
        *,
        model: RaterModel,
        seed: int,
    ) -> None:
        self._database, self._plan, self._model, self._seed = database, plan, model, seed
        self._at_once, self._progress = at_once, progress
        self.tally = Tally()

    def until(self, wanted: int) -> None:
        """Send raters until enough have finished or the study is full."""
        with ThreadPoolExecutor(self._at_once) as pool:
            while self.tally.completed < wanted and not self.tally.turned_away:
                dropped = self._wave(pool, wanted - self.tally.completed)
                self._give_back(dropped)

    def _wave(self, pool: ThreadPoolExecutor, count: int) -> list[str]:
        """Send `count` raters, wait for all, and return the tokens of those who dropped out."""
        running: dict[Future[tuple[bool, int]], Visit] = {}
        dropped: list[str] = []
        for _ in range(count):
            if len(running) >= self._at_once:
                dropped += self._collect(running)
            visit = self._next()
            if visit is None:
                break
            truths = read_truths(self._database, visit.token)
            running[pool.submit(visit.take, truths)] = visit
        while running:
            dropped += self._collect(running)
        return dropped

    def _next(self) -> Visit | None:
        index = self.tally.arrived
        rater = SimulatedRater(self._model, self._seed, index)
        visit = Visit(self._plan, rater, index, self._seed)
        if not visit.arrive():
            self.tally.turned_away += 1
            visit.close()
            return None
        self.tally.arrived += 1
        return visit

    def _collect(self, running: dict[Future[tuple[bool, int]], Visit]) -> list[str]:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        dropped = []
        for future in done:
            visit = running.pop(future)
            visit.close()
            finished, given = future.result()
            self.tally.judgments += given
            self.tally.completed += finished
            self.tally.dropped += not finished
            if not finished:
                dropped.append(visit.token)
            self._progress(self.tally.completed)
        return dropped

    def _give_back(self, tokens: list[str]) -> None:
        # In a real study the lease runs out by itself; nobody waits for that in a simulation.
        hashes = [token_hash(token) for token in tokens]
        query = select(RaterSession.id).where(RaterSession.token_hash.in_(hashes))
        with self._database.write() as connection:
            for identity in connection.execute(query).scalars().all():
                leases.release(connection, identity)


def read_truths(database: Database, token: str) -> list[Truth]:
    """Return what is true of each trial of a session, in order."""
    other = aliased(Condition)
    query = (
        select(Item.name, Condition.name, Trial.kind, Trial.model_side, other.name)
        .join(Item, Item.id == Trial.item_id)
        .join(Condition, Condition.id == Trial.condition_id)
        .outerjoin(other, other.id == Trial.other_id)
        .join(RaterSession, RaterSession.block_id == Trial.block_id)
        .where(RaterSession.token_hash == token_hash(token))
        .order_by(Trial.position)
    )
    with database.read() as connection:
        return [Truth(*row) for row in connection.execute(query)]


@contextmanager
def serving(database: Database, url: str | None) -> Iterator[str]:
    if url:
        yield url.rstrip("/")
        return
    address = f"127.0.0.1:{free_port()}"
    shown = database.url.render_as_string(hide_password=False)
    with process(shown, address, "--no-limits") as started:
        wait_until_ready(f"http://{address}", started)
        yield f"http://{address}"


def wait_until_ready(base: str, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Return when the site answers. Raises `StudyError` if it stops or takes too long."""
    end = time.monotonic() + seconds
    with httpx.Client(timeout=2) as client:  # one: each reads the machine's certificates
        while time.monotonic() < end:
            if process.poll() is not None:
                raise StudyError(f"the server stopped with status {process.returncode}")
            try:
                if client.get(f"{base}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    raise StudyError(f"{base}: did not answer within {seconds:.0f} s")
