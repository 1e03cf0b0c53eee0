"""Health, metrics and logs: enough to run the site by, and nothing about a person.

Counters of requests are kept by prometheus_client; with several workers `study serve` gives them a
common folder (``PROMETHEUS_MULTIPROC_DIR``). What concerns the study is counted in the database
at the time of asking, so it is right whichever worker answers.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import structlog
from flask import Blueprint, Flask, Response, g, request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Select, case, func, select
from sqlalchemy.exc import SQLAlchemyError

from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.models import Block, Judgment, RaterSession, Study
from study_server.storage.schema import current_revision, head_revision
from study_server.storage.upkeep.probe import reason_of
from study_server.web.context import this_site

monitoring = Blueprint("monitoring", __name__)


class Draining:
    """Whether this worker has been told to stop.

    Without a lock, unlike `threading.Event`: a second signal would wait for ever for the lock that
    the handler of the first one holds.
    """

    told = False


draining = Draining()

REQUESTS = Counter("foolrate_requests", "Requests answered.", ["route", "status"])
SECONDS = Histogram(
    "foolrate_request_seconds",
    "Time to answer.",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
log = structlog.get_logger("foolrate")


def install(app: Flask) -> None:
    """Count and log every request, by its route and never its path: paths hold tokens."""
    app.register_blueprint(monitoring)

    @app.before_request
    def start_clock() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        route = str(request.url_rule) if request.url_rule else "none"
        seconds = time.perf_counter() - g.get("started", time.perf_counter())
        observe(route, response.status_code, seconds)
        if response.status_code >= 400 and route != "none":
            log.info("refused", route=route, method=request.method, status=response.status_code)
        return response


def observe(route: str, status: int, seconds: float) -> None:
    """Count one request."""
    _requests(route, status).inc()
    _seconds(route).observe(seconds)


@cache
def _requests(route: str, status: int) -> Counter:
    return REQUESTS.labels(route, status)


@cache
def _seconds(route: str) -> Histogram:
    return SECONDS.labels(route)


def note_trouble(error: Exception) -> None:
    """Log why the database could not be used, in its own words ("database or disk is full")."""
    log.error("database", reason=reason_of(error))


def configure_logs() -> None:
    """Write logs as one JSON object a line, on standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(),
    )


@monitoring.get("/healthz")
def healthz() -> Response:
    """Say that this process lives."""
    return Response("ok\n", content_type="text/plain")


@monitoring.get("/readyz")
def readyz() -> Response:
    """Say whether raters can be served: the database answers, at this version, and can store."""
    if draining.told:
        return _not_ready("draining")
    try:
        found = current_revision(this_site().database)
    except SQLAlchemyError as error:
        return _not_ready(f"the database does not answer: {reason_of(error)}")
    if found != head_revision():
        return _not_ready(f"the database is at version {found}, expected {head_revision()}")
    trouble = this_site().write_probe.trouble()
    if trouble:
        return _not_ready(f"the database takes no answers: {trouble}")
    return Response("ready\n", content_type="text/plain")


def _not_ready(why: str) -> Response:
    return Response(f"{why}\n", 503, content_type="text/plain")


@monitoring.get("/metrics")
def metrics() -> Response:
    """Return the metrics in Prometheus' text format."""
    site = this_site()
    if not site.settings.open_metrics and request.remote_addr not in ("127.0.0.1", "::1"):
        return Response("only from this machine\n", 403, content_type="text/plain")
    registry = CollectorRegistry()
    registry.register(_Studies(site.database))
    text = generate_latest(registry)
    requests = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.MultiProcessCollector(requests)  # type: ignore[no-untyped-call]
    else:
        requests.register(REQUESTS)
        requests.register(SECONDS)
    return Response(text + generate_latest(requests), content_type="text/plain; version=0.0.4")


class _Studies(Collector):
    """Counts sessions, blocks and judgments by study when it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Any]:
        """Yield one gauge family each."""
        names = ["study", "state"]
        sessions = GaugeMetricFamily(
            "foolrate_sessions", "Raters by outcome or step.", labels=names
        )
        blocks = GaugeMetricFamily("foolrate_blocks", "Blocks by state.", labels=names)
        judgments = GaugeMetricFamily("foolrate_judgments", "Judgments stored.", labels=["study"])
        with self._database.read() as connection:
            for study, state, count in connection.execute(_sessions_by_state()):
                sessions.add_metric([study, state], count)
            for study, state, count in connection.execute(_blocks_by_state(now_ms())):
                blocks.add_metric([study, state], count)
            for study, count in connection.execute(_judgments_by_study()):
                judgments.add_metric([study], count)
        yield from (sessions, blocks, judgments)


def _sessions_by_state() -> Select[str, str, int]:
    state = func.coalesce(RaterSession.outcome, RaterSession.stage)
    return (
        select(Study.slug, state, func.count())
        .join(RaterSession, RaterSession.study_id == Study.id)
        .group_by(Study.slug, state)
    )


def _blocks_by_state(now: int) -> Select[str, str, int]:
    held = func.coalesce(RaterSession.lease_until, 0) >= now
    state = case((Block.done_at.is_not(None), "done"), (held, "held"), else_="free")
    return (
        select(Study.slug, state, func.count())
        .join(Block, Block.study_id == Study.id)
        .outerjoin(RaterSession, RaterSession.id == Block.session_id)
        .group_by(Study.slug, state)
    )


def _judgments_by_study() -> Select[str, int]:
    return (
        select(Study.slug, func.count())
        .join(RaterSession, RaterSession.study_id == Study.id)
        .join(Judgment, Judgment.session_id == RaterSession.id)
        .group_by(Study.slug)
    )


def drain_on(signal_number: int = signal.SIGTERM) -> None:
    """Answer /readyz with 503 from this signal on, then do what was done before on it."""
    before = signal.getsignal(signal_number)

    def drain(number: int, frame: Any) -> None:
        draining.told = True
        if callable(before):
            before(number, frame)

    signal.signal(signal_number, drain)
