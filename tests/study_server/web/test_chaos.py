"""10,000 judgments through lost acknowledgements, repeats, reordering, second tabs and kill -9."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import func, select, update

from benchmarks.support.http_load import Connection
from study_server.config import parse_study_file
from study_server.export.export import export_study
from study_server.export.verify import verify_export
from study_server.sessions.entering.arrivals import Arrival, arrive
from study_server.simulation.simulate import wait_until_ready
from study_server.storage.database import Database
from study_server.storage.identity import load_secret
from study_server.storage.models import Block, Item, Judgment, RaterSession, Trial
from study_server.storage.schema import open_database
from study_server.studies.create import create_study
from study_server.studies.states import open_drafts
from study_server.web.serve import free_port

RATERS, TRIALS, ITEMS = 40, 250, 500
SEED = 20260401

STUDY = """
[study]
id = "chaos"
title = "Chaos"
contact = "nobody"
[images]
reference = "{folder}/real"
[conditions]
a = "{folder}/a"
b = "{folder}/b"
[design]
kind = "within-raters"
trial = "{trial}"
raters = 40
trials = 250
seed = 1
[practice]
trials = 0
[catch]
trials = 0
"""
# Two models, so that all kinds have two cells an item: a condition, a side of the one pair, or a
# photo and an output (250 trials are no multiple of four: there one model is enough).
TIES = '[[question]]\nid = "which"\nanswers = ["left", "right", "tie", "bad"]\n'
CHOICES: dict[str, list[str | None]] = {
    "real-or-model": ["left", "right", None],
    "preference": ["left", "right", "tie", "bad", None],
    "single": ["real", "made", None],
}


class Server:
    """The site as `study serve` runs it, which can be killed and started again."""

    def __init__(self, url: str) -> None:
        self.url, self.port = url, free_port()
        self.start()

    def start(self) -> None:
        address = f"127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "study_server.web.serve", address]
        environment = os.environ | {"FOOLRATE_DATABASE": self.url}
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        wait_until_ready(f"http://{address}", self.process)

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def kill_worker(self) -> None:
        for pid in self.workers()[:1]:
            os.kill(pid, signal.SIGKILL)

    def kill_all(self) -> None:
        for pid in [self.process.pid, *self.workers()]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(params=["real-or-model", "preference", "single"])
def trial(request: pytest.FixtureRequest) -> str:
    """Return what the trials show, each kind in turn."""
    return str(request.param)


@pytest.fixture
def study(database_url: str, tmp_path: Path, trial: str) -> Iterator[tuple[Database, list[str]]]:
    """Yield a database with the study and its raters' tokens."""
    rng = np.random.default_rng(1)
    for kind in ("real", "a", "b"):
        (tmp_path / kind).mkdir()
        for number in range(ITEMS):
            pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / kind / f"{number:03}.png")
    database = open_database(database_url, create=True)
    text = STUDY.format(folder=tmp_path, trial=trial) + TIES * (trial == "preference")
    if trial == "single":
        text = text.replace(f'b = "{tmp_path}/b"\n', "")
    made = create_study(database, parse_study_file(text, "chaos"), text)
    open_drafts(database, "test")
    arrival = Arrival(made.id, True, "open", "en", lease_ms=3_600_000)
    secret = load_secret(database.url)
    tokens = [arrive(database, secret, arrival) for _ in range(RATERS)]
    with database.write() as connection:
        connection.execute(update(RaterSession).values(stage="run"))
    yield database, tokens
    database.dispose()


class Unlucky:
    """A rater whose network loses, repeats and reorders what it carries."""

    def __init__(self, port: int, token: str, number: int, choices: list[str | None]) -> None:
        self.choices = choices
        self.connection, self.token = Connection("127.0.0.1", port), token
        self.random = random.Random(SEED + number)
        self.acknowledged: set[str] = set()
        self.sent: list[dict[str, Any]] = []
        self.page = ""

    async def until_done(self) -> None:
        state = await self.open()
        while state["trials"]:
            if self.random.random() < 0.01:  # a second tab takes the session over
                state = await self.open()
                continue
            body = {
                "page": self.page,
                "trial": state["trials"][0]["trial"],
                "key": str(uuid.UUID(int=self.random.getrandbits(128))),
                "choice": self.random.choice(self.choices),
                "rt_ms": 700.0,
            }
            self.sent.append(body)
            if self.random.random() < 0.1:
                await self.lose_acknowledgement(body)
            state = await self.send(body)
            if self.random.random() < 0.1:  # an older answer comes again, after newer ones
                await self.send(self.random.choice(self.sent))

    async def open(self) -> dict[str, Any]:
        state = await self.insist("open", {})
        self.page = state["page"]
        return state

    async def send(self, body: dict[str, Any]) -> dict[str, Any]:
        state = await self.insist("answer", body | {"page": self.page})
        self.acknowledged.add(body["key"])
        return state

    async def insist(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        for _ in range(600):
            try:
                reply = await self.connection.post_json(f"/r/{self.token}/{name}", body)
            except (ConnectionError, asyncio.IncompleteReadError):
                await self.connection.close()
                await asyncio.sleep(0.1)
                continue
            if reply.status == 200:
                return reply.json()
            assert reply.status == 503, (reply.status, reply.body)
            await asyncio.sleep(0.1)
        raise AssertionError("the server did not come back")

    async def lose_acknowledgement(self, body: dict[str, Any]) -> None:
        task = asyncio.ensure_future(
            self.connection.post_json(f"/r/{self.token}/answer", body | {"page": self.page})
        )
        await asyncio.sleep(self.random.random() * 0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self.connection.close()


async def disturb(server: Server) -> None:
    for number in range(1_000):
        await asyncio.sleep(4)
        if number % 3 == 2:
            server.kill_all()
            await asyncio.to_thread(server.start)
        else:
            server.kill_worker()


@pytest.mark.slow
@pytest.mark.integration
def test_nothing_is_lost_or_doubled_and_balance_is_kept(
    study: tuple[Database, list[str]], tmp_path: Path, trial: str
) -> None:
    database, tokens = study
    server = Server(database.url.render_as_string(hide_password=False))
    raters = [
        Unlucky(server.port, token, number, CHOICES[trial]) for number, token in enumerate(tokens)
    ]

    async def run() -> None:
        trouble = asyncio.create_task(disturb(server))
        await asyncio.gather(*(rater.until_done() for rater in raters))
        await asyncio.gather(*(rater.connection.close() for rater in raters))
        trouble.cancel()
        await asyncio.gather(trouble, return_exceptions=True)

    try:
        # In a thread of its own: a browser test of the same process may own this one's event loop.
        with ThreadPoolExecutor(1) as alone:
            alone.submit(asyncio.run, run()).result()
    finally:
        server.process.terminate()
        server.process.wait()
    acknowledged = set().union(*(rater.acknowledged for rater in raters))
    with database.session() as db_session:
        stored = list(db_session.scalars(select(Judgment.key)))
        done = select(func.count()).select_from(Block).where(Block.done_at.is_not(None))
        assert db_session.scalar(done) == RATERS
        counts = [count for *_, count in db_session.execute(_per_cell(trial))]
    assert len(stored) == len(set(stored)) == RATERS * TRIALS == 10_000
    assert set(stored) == acknowledged
    assert set(counts) == {10_000 // (2 * ITEMS)}
    export_study(database, "chaos", tmp_path / "export")
    assert verify_export(tmp_path / "export") == []


def _per_cell(trial: str) -> Any:
    cell = Trial.model_side if trial == "preference" else Trial.condition_id
    answered = (RaterSession.id == Judgment.session_id) & (Trial.position == Judgment.position)
    return (
        select(Item.name, cell, func.count())
        .select_from(Judgment)
        .join(RaterSession, RaterSession.id == Judgment.session_id)
        .join(Trial, (Trial.block_id == RaterSession.block_id) & answered)
        .join(Item, Item.id == Trial.item_id)
        .group_by(Item.name, cell)
    )
