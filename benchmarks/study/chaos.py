"""Whether every answer is stored exactly once while connections break and processes are killed.

Raters' acknowledgements are lost, their answers come again and out of order, and second tabs take
their sessions over. Meanwhile the site's workers, and every third time all of its processes, are
killed with SIGKILL and started again. Afterwards the database is read: each acknowledged answer
has to be there, once, with what its rater looked at (`--view zoom`), each item judged equally
often, and the export has to verify.
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.study.site import database_url
from benchmarks.support.http_load import Connection
from benchmarks.support.postgres_cluster import find_programs

if TYPE_CHECKING:
    from study_server.storage.database import Database

SEED = 20260401
STUDY = """
[study]
id = "chaos"
title = "Chaos"
contact = "nobody"
[images]
reference = "{folder}/real"
view = "{view}"
[conditions]
a = "{folder}/a"
b = "{folder}/b"
[design]
kind = "within-raters"
trial = "{trial}"
raters = {raters}
trials = {trials}
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
VIEWS = ("whole", "zoom")
Acknowledged = dict[str, Any]  # an answer's key -> the viewports sent with it; None: no zoom


@dataclass(frozen=True)
class Size:
    """How many answers there are, and how often processes are killed meanwhile."""

    raters: int = 40
    trials: int = 250
    items: int = 500
    kills: int = 24

    @property
    def answers(self) -> int:
        """Return how many answers there are in all."""
        return self.raters * self.trials


def main(arguments: list[str]) -> None:
    """Run the benchmark with its own options."""
    run.main(args=arguments, prog_name="manage.py bench chaos", standalone_mode=False)


@click.command()
@click.option("--only", type=click.Choice(["sqlite", "postgresql"]), help="Use only this database.")
@click.option(
    "--trial",
    type=click.Choice(list(CHOICES)),
    help="Show only this kind of trials, not all three.",
)
@click.option(
    "--view",
    type=click.Choice(VIEWS),
    default="whole",
    show_default=True,
    help="Show the images so; with zoom, each answer says what its rater looked at.",
)
def run(only: str | None, trial: str | None, view: str) -> None:
    """Answer 10,000 trials while processes are killed, and fail if one answer is lost or doubled.

    \b
    Example: python manage.py bench chaos --only sqlite --trial preference --view zoom
    """
    from study_server.storage.schema import open_database

    size = Size()
    for kind in [only] if only else ["sqlite", "postgresql"]:
        if kind == "postgresql" and find_programs() is None:
            click.echo("postgresql: no server programs here, left out")
            continue
        for shown in [trial] if trial else CHOICES:
            with database_url(kind) as url, tempfile.TemporaryDirectory() as folder:
                database, started = open_database(url, create=True), time.monotonic()
                tokens = prepare(database, Path(folder), shown, size, view)
                acknowledged = endure(url, tokens, shown, size)
                wrong = faults(database, acknowledged, shown, size, Path(folder) / "export")
                database.dispose()
            if wrong:
                raise click.ClickException(f"{kind}, {shown}: {'; '.join(wrong)}")
            click.echo(
                f"{kind}: {shown:13} {view:5} {len(acknowledged)} answers, {size.kills} kills, in"
                f" {time.monotonic() - started:.0f} s: none lost, none doubled, cells are equal"
            )


def prepare(
    database: Database, folder: Path, trial: str, size: Size, view: str = "whole"
) -> list[str]:
    """Make the study and return the tokens of its raters, who stand before their first trial."""
    from sqlalchemy import update

    from study_server.config import parse_study_file
    from study_server.sessions.entering.arrivals import Arrival, arrive
    from study_server.storage.identity import load_secret
    from study_server.storage.models import RaterSession
    from study_server.studies.create import create_study
    from study_server.studies.states import open_drafts

    _write_images(folder, size.items)
    counts = {"raters": size.raters, "trials": size.trials}
    text = STUDY.format(folder=folder, trial=trial, view=view, **counts)
    text += TIES * (trial == "preference")
    if trial == "single":
        text = text.replace(f'b = "{folder}/b"\n', "")
    made = create_study(database, parse_study_file(text, "chaos"), text)
    open_drafts(database, "chaos")
    arrival = Arrival(made.id, True, "open", "en", lease_ms=3_600_000)
    secret = load_secret(database.url)
    tokens = [arrive(database, secret, arrival) for _ in range(size.raters)]
    with database.write() as connection:
        connection.execute(update(RaterSession).values(stage="run"))
    return tokens


def _write_images(folder: Path, items: int) -> None:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(1)
    for kind in ("real", "a", "b"):
        (folder / kind).mkdir()
        for number in range(items):
            pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{number:03}.png")


def endure(url: str, tokens: list[str], trial: str, size: Size) -> Acknowledged:
    """Let the raters answer everything while the server is killed; return what was acknowledged."""
    with _served(url) as server:
        acknowledged: Acknowledged = {}
        raters = [
            _Unlucky(server.port, token, number, CHOICES[trial], acknowledged)
            for number, token in enumerate(tokens)
        ]

        async def all_answers() -> None:
            trouble = asyncio.create_task(_disturb(server, acknowledged, size))
            await asyncio.gather(*(rater.until_done() for rater in raters))
            await asyncio.gather(*(rater.connection.close() for rater in raters), trouble)

        # In a thread of its own: a browser of the same process may own this one's event loop.
        with ThreadPoolExecutor(1) as alone:
            alone.submit(asyncio.run, all_answers()).result()
    return acknowledged


async def _disturb(server: _Server, acknowledged: Acknowledged, size: Size) -> None:
    """Kill a worker, or everything, each time that as many answers more have been acknowledged."""
    for number in range(size.kills):
        while len(acknowledged) < size.answers * (number + 1) // (size.kills + 1):
            await asyncio.sleep(0.02)
        if number % 3 == 2:
            server.kill_all()
            await asyncio.to_thread(server.start)
        else:
            server.kill_worker()


class _Server:
    """The site as `study serve` runs it, which can be killed and started again."""

    def __init__(self, url: str) -> None:
        from study_server.web.serve import free_port

        self.url, self.port = url, free_port()
        self.start()

    def start(self) -> None:
        from study_server.simulation.simulate import wait_until_ready

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


@contextmanager
def _served(url: str) -> Iterator[_Server]:
    server = _Server(url)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait()


class _Unlucky:
    """A rater whose network loses, repeats and reorders what it carries."""

    def __init__(
        self,
        port: int,
        token: str,
        number: int,
        choices: list[str | None],
        acknowledged: Acknowledged,
    ) -> None:
        self.choices, self.acknowledged = choices, acknowledged
        self.connection, self.token = Connection("127.0.0.1", port), token
        self.random = random.Random(SEED + number)
        self.sent: list[dict[str, Any]] = []
        self.page = ""

    async def until_done(self) -> None:
        from study_server.simulation.looking import looks

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
            body |= looks(state["trials"][0], self.random)
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
        self.acknowledged[body["key"]] = body.get("viewport")
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
                state: dict[str, Any] = reply.json()
                return state
            if reply.status != 503:
                raise click.ClickException(f"answered {reply.status}: {reply.body[:200]!r}")
            await asyncio.sleep(0.1)
        raise click.ClickException("the server did not come back")

    async def lose_acknowledgement(self, body: dict[str, Any]) -> None:
        task = asyncio.ensure_future(
            self.connection.post_json(f"/r/{self.token}/answer", body | {"page": self.page})
        )
        await asyncio.sleep(self.random.random() * 0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self.connection.close()


def faults(
    database: Database, acknowledged: Acknowledged, trial: str, size: Size, export: Path
) -> list[str]:
    """Return what is wrong with the stored answers, one line each; writes an export."""
    from sqlalchemy import func, select

    from study_server.export.export import export_study
    from study_server.export.verify import verify_export
    from study_server.storage.models import Block, Judgment

    with database.reading() as db_session:
        rows = db_session.execute(select(Judgment.key, Judgment.viewport)).all()
        done = select(func.count()).select_from(Block).where(Block.done_at.is_not(None))
        finished = db_session.scalar(done)
        counts = {count for *_, count in db_session.execute(_per_cell(trial))}
    export_study(database, "chaos", export)
    stored = [key for key, _ in rows]
    found = {
        f"{finished} raters finished, expected {size.raters}": finished != size.raters,
        f"{len(stored)} answers stored, expected {size.answers}": len(stored) != size.answers,
        "an answer is stored twice": len(set(stored)) != len(stored),
        f"{len(acknowledged.keys() - set(stored))} acknowledged answers are lost": not (
            acknowledged.keys() <= set(stored)
        ),
        "answers are stored that were never acknowledged": not (set(stored) <= acknowledged.keys()),
        f"an item is judged {sorted(counts)} times, expected {size.answers / (2 * size.items):g}": (
            counts != {size.answers // (2 * size.items)}
        ),
    }
    return [what for what, wrong in found.items() if wrong] + [
        str(problem)
        for problem in [*_looked_at(rows, acknowledged, export), *verify_export(export)]
    ]


def _looked_at(
    rows: Sequence[tuple[str, str | None]], acknowledged: Acknowledged, export: Path
) -> Iterator[str]:
    """Yield what is wrong with the viewports of the stored answers (key, text) and the export."""
    sent = {key: [list(one) for one in given] for key, given in acknowledged.items() if given}
    kept = {key: json.loads(text) for key, text in rows if text is not None}
    wrong = [key for key, glances in kept.items() if sent.get(key) != glances]
    if wrong:
        yield f"{len(wrong)} answers are stored with other viewports than were sent"
    if sent.keys() - kept.keys():
        yield f"the viewports of {len(sent.keys() - kept.keys())} answers are lost"
    path = export / "viewports.csv"
    lines = path.read_text().splitlines() if path.exists() else []
    events = [(row["trial_id"], row["event"]) for row in csv.DictReader(lines)]
    expected = sum(map(len, kept.values()))
    if len(events) != expected or len(set(events)) != expected:
        yield f"viewports.csv has {len(events)} events, expected each of {expected} once"


def _per_cell(trial: str) -> Any:
    from sqlalchemy import func, select

    from study_server.storage.models import Item, Judgment, RaterSession, Trial

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
