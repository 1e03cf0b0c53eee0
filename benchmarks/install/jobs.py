"""The main job of each part, by its commands: what a user does first with it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx

from benchmarks.install.environments import Environment, Step, timed
from benchmarks.support.images import write_runs
from study_server.web.serve import free_port

STUDY = """
[study]
id = "my"
title = "Which is the photo?"
contact = "the laboratory"
[images]
reference = "{0}/real"
[conditions]
ours = "{0}/fake"
[design]
raters = {1}
trials = 6
exposure_ms = 300
seed = 1
[practice]
trials = 1
[catch]
trials = 1
"""

JUDGMENTS = 8  # of a rater: practice, six main trials and a catch trial


def site(environment: Environment, folder: Path) -> list[Step]:
    """Create a study, serve it, let one simulated rater take it, export; return the steps."""
    steps: list[Step] = []
    create(environment, folder, 1, steps)
    with served(environment, steps) as port, timed(steps, "one rater takes it over HTTP"):
        url = f"http://127.0.0.1:{port}"
        environment.manage("study", "simulate", "my", "--raters", 1, "--seed", 1, "--url", url)
    export(environment, folder, steps)
    return steps


def create(environment: Environment, folder: Path, raters: int, steps: list[Step]) -> None:
    """Write images and a study file into a folder and make the study."""
    write_runs(folder, 24, 96)
    (folder / "my.toml").write_text(STUDY.format(folder, raters))
    database = folder / "study.sqlite3"
    environment.given["FOOLRATE_DATABASE"] = f"sqlite:///{database}"
    with timed(steps, "study create") as step:
        environment.manage("study", "create", folder / "my.toml")
        step.left = database


@contextmanager
def served(
    environment: Environment, steps: list[Step], *options: str, port: int | None = None
) -> Iterator[int]:
    """Yield the port of a site that is ready."""
    port = port or free_port()
    bind = f"127.0.0.1:{port}"
    started = time.perf_counter()
    command = (environment.python, "manage.py", "study", "serve", "--bind", bind, *options)
    with environment.process(*command) as running:
        wait_for(f"http://{bind}/readyz", lambda: running.poll() is None)
        steps.append(Step("study serve, until it is ready", time.perf_counter() - started))
        yield port


def export(environment: Environment, folder: Path, steps: list[Step]) -> None:
    """Export the study and prove that nothing is missing."""
    with timed(steps, "study export and verify-export") as step:
        step.left = folder / "export"
        environment.manage("study", "export", "my", "-o", step.left)
        environment.manage("study", "verify-export", step.left)


def analysis(environment: Environment, folder: Path) -> list[Step]:
    """Import a table that was made elsewhere, estimate its rates, write a report."""
    steps: list[Step] = []
    rows = [f"p{r},img{i},ours,{(r * i) % 3 // 2}" for r in range(1, 13) for i in range(1, 13)]
    foreign = folder / "foreign.csv"
    foreign.write_text("worker,image,model,was_fooled\n" + "\n".join(rows) + "\n")
    columns = {
        "rater_id": "worker",
        "item_id": "image",
        "condition": "model",
        "fooled": "was_fooled",
    }
    mapped = [word for role, name in columns.items() for word in ("--map", f"{role}={name}")]
    with timed(steps, "analysis import") as step:
        step.left = folder / "judgments.csv"
        environment.manage("analysis", "import", foreign, *mapped, "-o", step.left)
    with timed(steps, "analysis fool-rates"):
        environment.manage("analysis", "fool-rates", folder / "judgments.csv")
    with timed(steps, "report") as step:
        step.left = folder / "report"
        environment.manage("report", folder / "judgments.csv", "-o", step.left)
    return steps


def wait_for(url: str, alive: Callable[[], bool], verify: ssl.SSLContext | bool = True) -> None:
    """Return when an address answers with 200. Raises `ClickException` where its server ended."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and alive():
        try:
            if httpx.get(url, verify=verify, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise click.ClickException(f"{url}: did not answer")


JOBS = {"site": site, "analysis": analysis}
