"""How many judgments a second the study site stores, and how long an answer takes.

Simulated raters over real HTTP on the same machine. One judgment is three requests: two images
(their whole bytes) and one POST, answered when the judgment is committed (synchronous=FULL on
SQLite, fsync and synchronous_commit on PostgreSQL) and returns the next trials.

* closed loop: 300 raters, each sends its next request when the last is answered;
* offered: 100 judgments a second for 60 seconds, whether or not the server keeps up.

Afterwards the database is read: every acknowledged judgment has to be there, once. Then the peers
take their turn, with as many raters of ours beside them (`peers`).
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from benchmarks.support.http_load import Connection, Measured, timed
from benchmarks.support.postgres_cluster import cluster, find_programs, new_database
from benchmarks.support.timing import HEADER, Result, cpu_seconds_of

RATERS, TRIALS = 300, 60
OFFERED, OFFERED_SECONDS = 100, 60
PHOTOS = Path("generators/photos/crops")

STUDY = """
[study]
id = "bench"
title = "Benchmark"
contact = "nobody"
[images]
reference = "{folder}/real"
[conditions]
nearest = "{folder}/nearest"
bicubic = "{folder}/bicubic"
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

TWO_MORE = """
[[question]]
id = "sharper"
wording = { en = "Which one is sharper?" }
answers = ["left", "right", "tie"]
[[question]]
id = "nicer"
wording = { en = "Which one is nicer?" }
"""
# A real photo beside an output, with two questions more: all three are one answer.
FURTHER = "real-or-model, two questions more"


def main(arguments: list[str]) -> None:
    """Run the benchmark with its own options."""
    run.main(args=arguments, prog_name="manage.py bench study", standalone_mode=False)


@click.command()
@click.option(
    "--only", type=click.Choice(["sqlite", "postgresql"]), help="Measure only this database."
)
@click.option(
    "--load/--no-load", default=True, help="Run 300 raters in a closed loop, and 100 judgments/s."
)
@click.option(
    "--peers/--no-peers", default=True, help="Run oTree and Potato, in their own environments."
)
@click.option(
    "--json", "output", type=click.Path(path_type=Path), help="Write the rows to this file too."
)
@click.option(
    "--trial",
    type=click.Choice(["real-or-model", "preference", "single"]),
    default="real-or-model",
    show_default=True,
    help="What a trial shows; the others are measured beside real-or-model.",
)
@click.option(
    "--further",
    is_flag=True,
    help="Measure two further questions about a photo and an output, beside the one question.",
)
@click.option(
    "--seconds", default=OFFERED_SECONDS, show_default=True, help="How long the load is offered."
)
def run(
    only: str | None,
    output: Path | None,
    seconds: int,
    *,
    load: bool,
    peers: bool,
    trial: str,
    further: bool,
) -> None:
    """Measure the study site.

    \b
    Example: python manage.py bench study --only sqlite --no-peers
    """
    rows: list[dict[str, Any]] = []
    trials = ["real-or-model"] if trial == "real-or-model" else ["real-or-model", trial]
    trials += [FURTHER] if further else []
    click.echo(HEADER)
    for kind in [only] if only else ["sqlite", "postgresql"]:
        if kind == "postgresql" and find_programs() is None:
            click.echo("postgresql: no server programs here, left out")
            continue
        for shown in trials if load else []:
            with database_url(kind) as url:
                rows += [_show(result) for result in measure(kind, url, seconds, shown)]
    if peers:
        rows += compare()
    if output:
        output.write_text(json.dumps(rows, indent=1) + "\n")


def compare() -> list[dict[str, Any]]:
    """Show and return our rate and the peers' with the same number of raters and answers."""
    from benchmarks.study import otree, potato
    from benchmarks.study.peers import ANSWERS, measure_peer, ratio_line
    from benchmarks.study.peers import RATERS as RATERS_OF_PEERS

    with database_url("sqlite") as url:
        tokens = prepare(url, RATERS_OF_PEERS, ANSWERS)
        with server(url) as (host, port, process):
            raters = [Visitor(host, port, token) for token in tokens]
            name = f"sqlite: {RATERS_OF_PEERS} raters, with images"
            ours = _measured(name, url, raters, closed_loop, process)
    rows = [_show(ours)]
    lines = []
    for peer in (otree.PEER, potato.PEER):
        theirs = measure_peer(peer)
        rows.append(_show(theirs))
        lines.append(ratio_line(ours, peer, theirs))
    click.echo("\n".join(lines))
    return rows


def _show(result: Result) -> dict[str, Any]:
    click.echo(result.line())
    return result.record()


@contextmanager
def database_url(kind: str) -> Iterator[str]:
    """Yield the URL of a fresh database on the disk, with durable commits."""
    with ExitStack() as stack:
        if kind == "postgresql":
            yield new_database(stack.enter_context(cluster(durable=True)), "bench")
            return
        folder = Path(tempfile.mkdtemp(prefix="foolrate-bench-", dir="/var/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield f"sqlite:///{folder}/bench.sqlite3"


def measure(kind: str, url: str, seconds: int, trial: str = "real-or-model") -> Iterator[Result]:
    """Yield the closed loop's result, then the offered load's."""
    tokens = prepare(url, 2 * RATERS, trial=trial)
    kind = kind if trial == "real-or-model" else f"{kind}, {trial}"
    with server(url) as (host, port, process):
        raters = [Visitor(host, port, token) for token in tokens]
        name = f"{kind}: closed loop, {RATERS} raters"
        yield _measured(name, url, raters[:RATERS], closed_loop, process)
        rate = lambda some: offered(some, OFFERED, seconds)  # noqa: E731
        name = f"{kind}: offered {OFFERED}/s, {seconds} s"
        yield _measured(name, url, raters[RATERS:], rate, process)


def _measured(what: str, url: str, raters: list[Visitor], load: Any, process: int) -> Result:
    before, _ = stored(url)
    server_before, load_before = cpu_seconds_of(process), time.process_time()
    measured, seconds = asyncio.run(load(raters))
    spent = (cpu_seconds_of(process) - server_before, time.process_time() - load_before)
    after, repeated = stored(url)
    each = (1000 * spent[0] / measured.acknowledged, 1000 * spent[1] / measured.acknowledged)
    return Result(what, measured.acknowledged, seconds, measured, after - before, repeated, each)


def prepare(
    url: str, raters: int, trials: int = TRIALS, *, trial: str = "real-or-model"
) -> list[str]:
    """Make the study and its raters' sessions; return their tokens.

    The raters come in through the database, not through the pages: what is measured are trials.
    """
    from sqlalchemy import update

    from study_server.config import parse_study_file
    from study_server.sessions.entering.arrivals import Arrival, arrive
    from study_server.storage.identity import load_secret
    from study_server.storage.models import RaterSession
    from study_server.storage.schema import open_database
    from study_server.studies.create import create_study
    from study_server.studies.states import open_drafts

    database = open_database(url, create=True)
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder))
        kind = "real-or-model" if trial == FURTHER else trial
        text = STUDY.format(folder=folder, raters=raters, trials=trials, trial=kind)
        if trial == FURTHER:
            text = text.replace("contact =", 'languages = ["en"]\ncontact =') + TWO_MORE
        study = create_study(database, parse_study_file(text, "bench"), text)
    open_drafts(database, "benchmark")
    secret = load_secret(database.url)
    arrival = Arrival(study.id, True, "open", "en", lease_ms=3_600_000, simulated=True)
    tokens = [arrive(database, secret, arrival) for _ in range(raters)]
    with database.write() as connection:
        connection.execute(update(RaterSession).values(stage="run"))
    database.dispose()
    return tokens


def write_images(folder: Path) -> None:
    """Write the shipped photos and two interpolations of them, 256 x 256."""
    from PIL import Image

    kernels = {"nearest": Image.Resampling.NEAREST, "bicubic": Image.Resampling.BICUBIC}
    for name in ("real", *kernels):
        (folder / name).mkdir()
    for path in sorted(PHOTOS.glob("*.png")):
        with Image.open(path) as photo:
            shutil.copyfile(path, folder / "real" / path.name)
            small = photo.resize((64, 64), Image.Resampling.BOX)
            for name, kernel in kernels.items():
                small.resize(photo.size, kernel).save(folder / name / path.name)


@contextmanager
def server(url: str) -> Iterator[tuple[str, int, int]]:
    """Serve as `study serve` does, and yield host, port and the process."""
    from study_server.simulation.simulate import wait_until_ready
    from study_server.web import serve

    port = serve.free_port()
    with serve.process(url, f"127.0.0.1:{port}") as process:
        wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield "127.0.0.1", port, process.pid


def stored(url: str) -> tuple[int, int]:
    """Return how many judgments there are, and how many are there twice."""
    from sqlalchemy import distinct, func, select

    from study_server.storage.models import Judgment
    from study_server.storage.schema import open_database

    database = open_database(url)
    query = select(func.count(), func.count(distinct(Judgment.key))).select_from(Judgment)
    with database.read() as connection:
        rows, keys = connection.execute(query).one()
    database.dispose()
    return rows, rows - keys


class Visitor:
    """One rater's browser, as little of it as the load needs."""

    def __init__(self, host: str, port: int, token: str) -> None:
        """Remember the session."""
        self.connection, self.token = Connection(host, port), token
        self.page = ""
        self.trials: list[Any] = []
        self.answers: dict[str, Any] = {}  # of a trial that asks more than one question

    async def open(self) -> None:
        """Take the session over."""
        state = (await self.connection.post_json(f"/r/{self.token}/open", {})).json()
        self.page, self.trials = state["page"], state["trials"]
        asked = [question["id"] for question in state["settings"]["questions"]]
        given = {name: {"choice": "left", "rt_ms": 812.5} for name in asked}
        self.answers = {"answers": given} if len(asked) > 1 else {}

    async def judge(self, measured: Measured) -> None:
        """Fetch the images of a trial and answer it."""
        trial = self.trials[0]
        sides = [side for side in ("left", "right") if trial[side]]
        for side in sides:
            start = time.perf_counter()
            measured.count(await self.connection.get(trial[side]))
            measured.image_seconds.append(time.perf_counter() - start)
        body = {
            "page": self.page,
            "trial": trial["trial"],
            "key": str(uuid.uuid4()),
            "choice": "left" if len(sides) > 1 else "made",
            "rt_ms": 812.5,
            "exposure_ms": 2999.8,
            "refresh_hz": 60.0,
            "dropped_frames": 0,
            "input": "keyboard",
        } | self.answers
        call = self.connection.post_json(f"/r/{self.token}/answer", body)
        reply = await timed(measured, call)
        if reply.status == 200:
            measured.acknowledged += 1
            self.trials = reply.json()["trials"]


async def closed_loop(raters: list[Visitor]) -> tuple[Measured, float]:
    """Return what was measured while every rater takes all its trials."""
    measured = Measured()
    await _open_all(raters)
    start = time.perf_counter()

    async def take(rater: Visitor) -> None:
        while rater.trials:
            await rater.judge(measured)

    await asyncio.gather(*(take(rater) for rater in raters))
    await asyncio.gather(*(rater.connection.close() for rater in raters))
    return measured, time.perf_counter() - start


async def offered(raters: list[Visitor], rate: int, seconds: int) -> tuple[Measured, float]:
    """Return what was measured while judgments start at a fixed rate, ready or not."""
    measured = Measured()
    await _open_all(raters)
    idle = list(raters)
    running: set[asyncio.Task[None]] = set()
    start = time.perf_counter()

    async def judge(rater: Visitor) -> None:
        await rater.judge(measured)
        if rater.trials:
            idle.append(rater)

    for number in range(rate * seconds):
        await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
        if not idle:
            raise click.ClickException("the server fell behind: every rater is waiting for it")
        task = asyncio.create_task(judge(idle.pop(0)))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    return measured, time.perf_counter() - start


async def _open_all(raters: list[Visitor]) -> None:
    for start in range(0, len(raters), 20):
        await asyncio.gather(*(rater.open() for rater in raters[start : start + 20]))
