"""`bench install`: seconds and megabytes from an empty home to raters' answers, beside the peers.

Each part is installed into a fresh environment and does its main job there. With the site's, a
study is created and served through Caddy, then through nginx, both with TLS; simulated raters take
it in a real Chromium; it is exported.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import click
import httpx

from benchmarks.install import jobs, proxies
from benchmarks.install.browsers import take_in_browsers
from benchmarks.install.environments import (
    PARTS,
    PEERS,
    Environment,
    Step,
    compiled_in,
    index_answers,
    install,
    timed,
)
from benchmarks.install.proxies import Proxy
from study_server.sessions.entering.providers import SIMULATION_PARAMETER
from study_server.storage.database import parse_url
from study_server.storage.identity import load_secret, simulation_pass


def main(options: list[str]) -> None:
    """Run the benchmark with these command-line options."""
    measure.main(args=options, prog_name="manage.py bench install", standalone_mode=False)


@click.command()
@click.option("--raters", type=click.IntRange(1, 100), default=12, show_default=True,
              help="Raters at a browser, half of them through each proxy.")  # fmt: skip
@click.option("--peers/--no-peers", default=True, show_default=True,
              help="Also install Potato and oTree, each into a fresh environment.")  # fmt: skip
def measure(raters: int, peers: bool) -> None:
    """Measure installations, and the way from an empty home to exported answers."""
    with tempfile.TemporaryDirectory(prefix="foolrate-install-") as name:
        folder = Path(name)
        if not index_answers(folder):
            raise click.ClickException("no index of packages can be reached: nothing to measure")
        show(f"load {os.getloadavg()[0]:.1f} at the beginning", [])
        for part in PARTS:
            environment, step = install(folder / part, part)
            compiled = Step("  of which bytecode", None, compiled_in(folder / part))
            home = folder / f"{part}-work"
            home.mkdir()
            done = jobs.JOBS[part](environment, home)
            show(f"foolrate, the part `{part}`", [step, compiled, *done])
        show("the site on TLS", on_the_internet(Environment(folder / "site"), folder, raters))
        for peer in PEERS if peers else ():
            show(peer, [install(folder / peer, peer)[1]])
        show(f"load {os.getloadavg()[0]:.1f} at the end", [])


def show(title: str, steps: Sequence[Step]) -> None:
    """Print a table."""
    click.echo("\n".join([title, *(f"  {step.line()}" for step in steps)]))


def on_the_internet(environment: Environment, folder: Path, raters: int) -> list[Step]:
    """Return the steps from the study file to exported answers of raters over TLS."""
    steps: list[Step] = []
    work = folder / "internet"
    work.mkdir()
    jobs.create(environment, work, raters, steps)
    with jobs.served(environment, steps, "--https", "--proxies", "1") as port:
        query = {SIMULATION_PARAMETER: _pass(environment)}
        half = raters // 2
        groups = {"caddy": raters - half, "nginx": half}
        for name, count in groups.items():
            there = partial(proxies.PROXIES[name], environment, work / name, port)
            if count:
                _through(there, work / name, count, query, steps)
    jobs.export(environment, work, steps)
    _count(work / "export", raters)
    return steps


def _through(
    proxy: Callable[[], AbstractContextManager[Proxy]],
    folder: Path,
    raters: int,
    query: dict[str, str],
    steps: list[Step],
) -> None:
    """Let raters come through one proxy, whose certificate is checked against its authority."""
    folder.mkdir()
    name = folder.name
    with ExitStack() as open_:
        with timed(steps, f"{name} with TLS, until the site answers through it"):
            there = open_.enter_context(proxy())
        with httpx.Client(verify=there.trust, trust_env=False) as client:
            _expect(client.get(f"{there.url}/s/my/").status_code, 200, f"{name}: the consent page")
            _expect(client.get(f"{there.url}/metrics").status_code, 403, f"{name}: /metrics")
        with timed(steps, f"{raters} raters in Chromium through {name}"):
            codes = take_in_browsers(there.url, query, raters)
    _expect(len(set(codes)), 1, f"{name}: different codes of {raters} raters who finished")


def _expect(found: int, wanted: int, what: str) -> None:
    if found != wanted:
        raise click.ClickException(f"{what}: {found}, expected {wanted}")


def _pass(environment: Environment) -> str:
    """Return what marks a rater of this study as simulated."""
    url = parse_url(environment.given["FOOLRATE_DATABASE"])
    return simulation_pass(load_secret(url, {}), "my")


def _count(export: Path, raters: int) -> None:
    """Say how many judgments came through. Raises `ClickException` where one is missing."""
    with (export / "judgments.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    _expect(len(rows), raters * jobs.JUDGMENTS, "judgments in the export")
    _expect(len({row["rater_id"] for row in rows}), raters, "raters in the export")
    _expect(sum(row["simulated"] == "1" for row in rows), len(rows), "rows marked as simulated")
    click.echo(f"{len(rows)} judgments of {raters} raters came through, none is missing")
