"""What raters notice while a study of 100,000 judgments is watched, exported and attacked.

Raters judge at a fixed rate. Beside them, in turn: nobody; one open dashboard, which asks for its
panels every five seconds; the dashboard and the admin site's export, one after another; and 8, then
200 clients that send or read as slowly as they can, of all kinds. Each line gives the times of the
answers and of the images, and the load of the machine: others on it make them longer.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import cycle, islice

import click
import httpx

from benchmarks.study.dashboard import PASSWORD, PLACES, RATERS, fill
from benchmarks.study.site import Visitor, database_url, offered, server
from benchmarks.support.http_load import Measured
from benchmarks.support.postgres_cluster import find_programs
from benchmarks.support.slow_clients import KINDS, slow_clients

RATE, SECONDS = 60, 20  # judgments a second: 300 raters, each in 5 s
SIZE = 128  # of the images, in pixels; random ones, so 50 kB each
POLL_S = 5.0
PATIENCE_S = 600.0  # an export has the lowest priority, and waits for all else on the machine


def main(arguments: list[str]) -> None:
    """Run the benchmark with its own options."""
    run.main(args=arguments, prog_name="manage.py bench watched", standalone_mode=False)


@click.command()
@click.option(
    "--only", type=click.Choice(["sqlite", "postgresql"]), help="Measure only this database."
)
@click.option(
    "--seconds", default=SECONDS, show_default=True, help="How long each line is measured."
)
@click.option("--rate", default=RATE, show_default=True, help="How many judgments a second.")
def run(only: str | None, seconds: int, rate: int) -> None:
    """Measure answers and images while others use the site.

    \b
    Example: python manage.py bench watched --only sqlite
    """
    for kind in [only] if only else ["sqlite", "postgresql"]:
        if kind == "postgresql" and find_programs() is None:
            click.echo("postgresql: no server programs here, left out")
            continue
        with database_url(kind) as url:
            tokens = fill(url, SIZE)[RATERS:PLACES]
            _prepare(url)
            with server(url) as (host, port, _):
                _measure(kind, (host, port), tokens, rate, seconds)


def _measure(
    kind: str, address: tuple[str, int], tokens: list[str], rate: int, seconds: int
) -> None:
    host, port = address
    base = f"http://{host}:{port}"
    beside: dict[str, Callable[[], AbstractContextManager[object]]] = {
        "nobody else": ExitStack,
        "one dashboard": lambda: dashboard(base),
        "one dashboard, an export": lambda: dashboard(base, export=True),
        "8 slow clients": lambda: slow_ones(host, port, 8),
        "200 slow clients": lambda: slow_ones(host, port, 200),
    }
    for name, others in beside.items():
        raters = [Visitor(host, port, token) for token in tokens]  # who open the page again
        try:
            with others():
                measured, _ = asyncio.run(offered(raters, rate, seconds))
        except click.ClickException as error:
            click.echo(f"{kind}: {name}: {error.message}")
        else:
            click.echo(_line(f"{kind}: {name}", measured))


def _line(name: str, measured: Measured) -> str:
    answers = " ".join(f"{measured.percentile(share):7.1f}" for share in (0.5, 0.95, 0.99))
    images = " ".join(
        f"{measured.percentile(share, images=True):7.1f}" for share in (0.5, 0.95, 0.99)
    )
    return (
        f"{name:36} answers p50, p95, p99 ms: {answers}; images: {images};"
        f" 5xx: {measured.errors()}; load {os.getloadavg()[0]:.1f}"
    )


def _prepare(url: str) -> None:
    from sqlalchemy import update

    from study_server.storage.models import RaterSession
    from study_server.storage.schema import open_database
    from study_server.web.admin.accounts import set_password

    database = open_database(url)
    set_password(database, "admin", PASSWORD)
    with database.write() as connection:
        waiting = update(RaterSession).where(RaterSession.outcome.is_(None))
        connection.execute(waiting.values(stage="run"))
    database.dispose()


@contextmanager
def slow_ones(host: str, port: int, count: int) -> Iterator[None]:
    """Hold this many slow connections open, of every kind in turn."""
    kinds = list(islice(cycle(KINDS), count))
    with ExitStack() as stack:
        for kind in KINDS:
            stack.enter_context(slow_clients(host, port, kind, kinds.count(kind)))
        yield


@contextmanager
def dashboard(base: str, *, export: bool = False) -> Iterator[None]:
    """Keep a dashboard open, and, if asked, export one time after another."""
    over = threading.Event()
    with httpx.Client(base_url=base, timeout=PATIENCE_S) as browser:
        _log_in(browser)
        browser.get("/admin/studies/1/live.json")  # the page has been open for a while
        work = [_watch, _export] if export else [_watch]
        with ThreadPoolExecutor(len(work)) as pool:
            under_way = [pool.submit(each, browser, over) for each in work]
            try:
                yield
            finally:
                over.set()
            for each in under_way:
                _said(each)


def _said(work: Future[None]) -> None:
    """Wait for what a thread does. Raises `ClickException` where the site did not answer it."""
    try:
        work.result()
    except httpx.HTTPError as error:
        raise click.ClickException(f"the admin site: {error or type(error).__name__}") from None


def _log_in(browser: httpx.Client) -> None:
    fields = {"name": "admin", "password": PASSWORD, "csrf_token": _form(browser, "/admin/login")}
    if browser.post("/admin/login", data=fields).status_code != 303:
        raise click.ClickException("the login was refused")


def _form(browser: httpx.Client, page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(page).text)
    if found is None:
        raise click.ClickException(f"{page}: has no form")
    return found[1]


def _watch(browser: httpx.Client, over: threading.Event) -> None:
    while not over.wait(POLL_S):
        browser.get("/admin/studies/1/live.json").raise_for_status()


def _export(browser: httpx.Client, over: threading.Event) -> None:
    token = _form(browser, "/admin/studies/1/")
    while not over.is_set():
        started = time.monotonic()
        reply = browser.post("/admin/studies/1/export.zip", data={"csrf_token": token})
        if reply.status_code != 200:
            raise click.ClickException(f"the export was answered {reply.status_code}")
        click.echo(
            f"  an export of {len(reply.content)} bytes took {time.monotonic() - started:.1f} s"
        )
