"""How long the dashboard takes to show a study of 100,000 judgments, and what that costs.

400 simulated raters have judged 250 of 500 items each. The page asks for its panels again every
five seconds; what is timed is that request, in this process, without the network. Before each, 500
more judgments are stored: more than 300 raters give in five seconds. The first request, for which
a worker reads all judgments, is shown by itself.
"""

from __future__ import annotations

import random
import re
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from benchmarks.study.site import database_url
from benchmarks.support.postgres_cluster import find_programs

if TYPE_CHECKING:
    from study_server.storage.database import Database

RATERS, TRIALS, ITEMS = 400, 250, 500
REPEATS, NEW_EACH = 7, 2  # raters who come and judge everything before each request
PLACES = 440
SECRET = bytes(32)
PASSWORD = "only for the benchmark"

STUDY = """
[study]
id = "bench"
title = "Benchmark"
contact = "nobody"
[images]
reference = "{folder}/real"
[conditions]
a = "{folder}/a"
b = "{folder}/b"
[design]
kind = "within-raters"
raters = 440
trials = 250
seed = 1
[practice]
trials = 0
[catch]
trials = 0
"""


def main(arguments: list[str]) -> None:
    """Run the benchmark with its own options."""
    run.main(args=arguments, prog_name="manage.py bench dashboard", standalone_mode=False)


@click.command()
@click.option(
    "--only", type=click.Choice(["sqlite", "postgresql"]), help="Measure only this database."
)
def run(only: str | None) -> None:
    """Measure the dashboard.

    \b
    Example: python manage.py bench dashboard --only sqlite
    """
    for kind in [only] if only else ["sqlite", "postgresql"]:
        if kind == "postgresql" and find_programs() is None:
            click.echo("postgresql: no server programs here, left out")
            continue
        with database_url(kind) as url:
            fill(url)
            for page in ("live.json", ""):
                first, later = measure(url, page)
                click.echo(
                    f"{kind}: /admin/studies/1/{page:9} {RATERS * TRIALS} judgments and more:"
                    f" median {later[0]:6.1f} ms, processor time here {later[1]:6.1f} ms"
                    f" (the first {first[0]:6.1f}, {first[1]:6.1f})"
                )


def fill(url: str, size: int = 4) -> list[str]:
    """Make the study, with images of this size, and all its judgments; return all raters' tokens.

    The last raters have not begun.
    """
    from study_server.config import parse_study_file
    from study_server.sessions.entering.arrivals import Arrival, arrive
    from study_server.storage.identity import load_secret
    from study_server.storage.schema import open_database
    from study_server.studies.create import create_study
    from study_server.studies.states import open_drafts

    database = open_database(url, create=True)
    with tempfile.TemporaryDirectory() as folder:
        _write_images(Path(folder), size)
        text = STUDY.format(folder=folder)
        study = create_study(database, parse_study_file(text, "bench"), text)
    open_drafts(database, "benchmark")
    arrival = Arrival(study.id, True, "open", "en", lease_ms=3_600_000, simulated=True)
    secret = load_secret(database.url)
    tokens = [arrive(database, secret, arrival) for _ in range(PLACES)]
    judge(database, range(1, RATERS + 1))
    if not database.sqlite:
        with database.read() as connection:
            connection.exec_driver_sql("ANALYZE")
    database.dispose()
    return tokens


def judge(database: Database, raters: range) -> None:
    """Let these raters judge all their trials, the last day over."""
    from sqlalchemy import insert, update

    from study_server.storage.models import Block, Judgment, RaterSession

    now = time.time_ns() // 1_000_000
    chance = random.Random(raters.start)
    done = {"stage": "end", "outcome": "completed", "position": TRIALS, "finished_at": now}
    with database.write() as connection:
        for rater in raters:
            rows = [_judgment(rater, position, now, chance) for position in range(TRIALS)]
            connection.execute(insert(Judgment), rows)
            session = update(RaterSession).where(RaterSession.id == rater)
            connection.execute(session.values(started_at=now - 10**6, **done))
            connection.execute(update(Block).where(Block.session_id == rater).values(done_at=now))


def _judgment(rater: int, position: int, now: int, chance: random.Random) -> dict[str, Any]:
    fooled = int(chance.random() < 0.4)
    return {
        "session_id": rater,
        "position": position,
        "key": f"{rater:08}-{position:08}",
        "body_hash": "0" * 64,
        "choice": chance.choice(["left", "right"]),
        "fooled": fooled,
        "rt_ms": chance.lognormvariate(6.8, 0.4),
        "exposure_ms": 3000.0,
        "answered_at": now - chance.randrange(24 * 3_600_000),
        "chain": "0" * 64,
    }


def _write_images(folder: Path, size: int) -> None:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(1)
    for kind in ("real", "a", "b"):
        (folder / kind).mkdir()
        for number in range(ITEMS):
            pixels = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{number:03}.png")


def measure(url: str, page: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the first request's time and processor time in ms, and the later ones' medians."""
    from study_server.web.admin.accounts import set_password
    from study_server.web.app import create_app
    from study_server.web.settings import Settings

    app = create_app(Settings(url, SECRET, limits=False), live_interval=_interval)
    database: Database = app.extensions["foolrate"].database
    set_password(database, "admin", PASSWORD)
    browser = app.test_client()
    form = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/admin/login").text)
    assert form
    fields = {"name": "admin", "password": PASSWORD, "csrf_token": form[1]}
    browser.post("/admin/login", data=fields)
    walls, spent = [], []
    new = RATERS + 1 + (0 if page else REPEATS * NEW_EACH)
    for number in range(1 + REPEATS):
        if number:
            judge(database, range(new, new + NEW_EACH))
            new += NEW_EACH
        start, begun = time.perf_counter(), time.process_time()
        assert browser.get(f"/admin/studies/1/{page}").status_code == 200
        walls.append(1000 * (time.perf_counter() - start))
        spent.append(1000 * (time.process_time() - begun))
    database.dispose()
    return (walls[0], spent[0]), (median(walls[1:]), median(spent[1:]))


def _interval(values: Any) -> tuple[float, float]:
    from analysis.inference.confidence_sequence import confidence_sequence

    return confidence_sequence(values)
