"""How long the dashboard takes to show a study of 100,000 judgments, and what that costs.

400 simulated raters have judged 250 of 500 items each. The page asks for its panels again every
five seconds; what is timed is that request, in this process, without the network.
"""

from __future__ import annotations

import random
import re
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks.study.site import database_url
from benchmarks.support.postgres_cluster import find_programs

RATERS, TRIALS, ITEMS = 400, 250, 500
REPEATS = 7
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
raters = 400
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
@click.option("--only", type=click.Choice(["sqlite", "postgresql"]), help="One database.")
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
            count = fill(url)
            for page in ("live.json", ""):
                wall, spent = measure(url, page)
                click.echo(
                    f"{kind}: /admin/studies/1/{page:9} {count} judgments: median {wall:6.1f} ms,"
                    f" processor time here {spent:6.1f} ms"
                )


def fill(url: str) -> int:
    """Make the study with all its judgments, and return how many there are."""
    from sqlalchemy import insert, update

    from study_server.config import parse_study_file
    from study_server.sessions.arrivals import Arrival, arrive
    from study_server.storage.models import Block, Judgment, RaterSession
    from study_server.storage.schema import open_database
    from study_server.studies.create import create_study
    from study_server.studies.states import open_drafts

    database = open_database(url, create=True)
    with tempfile.TemporaryDirectory() as folder:
        _write_images(Path(folder))
        text = STUDY.format(folder=folder)
        study = create_study(database, parse_study_file(text, "bench"), text)
    open_drafts(database, "benchmark")
    arrival = Arrival(study.id, True, "open", "en", lease_ms=3_600_000, simulated=True)
    for _ in range(RATERS):
        arrive(database, SECRET, arrival)
    now = time.time_ns() // 1_000_000
    chance = random.Random(1)
    with database.write() as connection:
        connection.execute(
            update(RaterSession).values(
                stage="end", outcome="completed", position=TRIALS, started_at=now - 10**6
            )
        )
        connection.execute(update(RaterSession).values(finished_at=now))
        connection.execute(update(Block).values(done_at=now))
        for rater in range(1, RATERS + 1):
            rows = [_judgment(rater, position, now, chance) for position in range(TRIALS)]
            connection.execute(insert(Judgment), rows)
    if not database.sqlite:
        with database.read() as connection:
            connection.exec_driver_sql("ANALYZE")
    database.dispose()
    return RATERS * TRIALS


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


def _write_images(folder: Path) -> None:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(1)
    for kind in ("real", "a", "b"):
        (folder / kind).mkdir()
        for number in range(ITEMS):
            pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{number:03}.png")


def measure(url: str, page: str) -> tuple[float, float]:
    """Return the median time of a request and the processor time in this process, in ms."""
    from study_server.web.admin.accounts import set_password
    from study_server.web.app import create_app
    from study_server.web.settings import Settings

    app = create_app(Settings(url, SECRET, limits=False), live_interval=_interval)
    set_password(app.extensions["foolrate"].database, "admin", PASSWORD)
    browser = app.test_client()
    form = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/admin/login").text)
    assert form
    fields = {"name": "admin", "password": PASSWORD, "csrf_token": form[1]}
    browser.post("/admin/login", data=fields)
    walls, spent = [], []
    for _ in range(REPEATS):
        start, begun = time.perf_counter(), time.process_time()
        assert browser.get(f"/admin/studies/1/{page}").status_code == 200
        walls.append(time.perf_counter() - start)
        spent.append(time.process_time() - begun)
    app.extensions["foolrate"].database.dispose()
    return 1000 * median(walls), 1000 * median(spent)


def _interval(values: Any) -> tuple[float, float]:
    from analysis.inference.confidence_sequence import confidence_sequence

    return confidence_sequence(values)
