"""Another process holds the database's write lock, and whoever reads is served all the same."""

from __future__ import annotations

import itertools
import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from small_study import MakeStudy
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError

from benchmarks.support.postgres_cluster import new_database
from study_server.cli import study
from study_server.config import parse_study_file
from study_server.errors import StudyError
from study_server.export.export import export_study
from study_server.sessions.entering.arrivals import Arrival, arrive
from study_server.simulation.simulate import wait_until_ready
from study_server.storage.database import BUSY_TIMEOUT_MS, LOCK_TIMEOUT_MS, Database
from study_server.storage.identity import load_secret
from study_server.storage.models import RaterSession, Study
from study_server.storage.schema import open_database
from study_server.storage.throughput import turns
from study_server.storage.throughput.turns import Queue
from study_server.storage.upkeep.probe import FRESH_S
from study_server.studies.create import create_study
from study_server.studies.status import status_lines
from study_server.web.admin.accounts import set_password
from study_server.web.serve import free_port, process

HELD_S = {"sqlite": 17.0, "postgresql": 5.0}  # longer than anybody waits for the lock
# Of a page; a loaded machine may take its time. Whoever waits for the lock gets no page, or later.
AT_MOST_S = 0.8 * BUSY_TIMEOUT_MS / 1000
PASSWORD = "correct horse battery"
SENDERS = 16  # twice as many as there are threads
STAGES = ("device", "instructions", "run", "comment", "end")


@contextmanager
def held(database: Database) -> Iterator[None]:
    """Hold the lock that every write needs, as another process does."""
    if database.sqlite:
        other: Any = sqlite3.connect(str(database.url.database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    else:
        import psycopg

        url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        other = psycopg.connect(url)
        other.execute("LOCK TABLE study, rater_session, judgment, block IN EXCLUSIVE MODE")
    try:
        yield
    finally:
        other.close()


def arrivals(database: Database) -> dict[str, str]:
    """Return one rater's token for each stage."""
    secret, arrival = load_secret(database.url), Arrival(1, True, "open", "en", 3_600_000)
    tokens = {stage: arrive(database, secret, arrival) for stage in STAGES}
    with database.write() as connection:
        for number, stage in enumerate(STAGES, start=1):
            outcome = "completed" if stage in ("comment", "end") else None
            values = update(RaterSession).where(RaterSession.number == number)
            connection.execute(values.values(stage=stage, outcome=outcome))
    return tokens


def log_in(browser: httpx.Client) -> None:
    """Log in to the admin site."""
    form = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/admin/login").text)
    assert form
    fields = {"name": "admin", "password": PASSWORD, "csrf_token": form[1]}
    assert browser.post("/admin/login", data=fields).status_code == 303


@pytest.mark.slow
@pytest.mark.integration
def test_every_page_and_image_is_served_while_another_process_writes(
    database: Database, make_study: MakeStudy, tmp_path: Path
) -> None:
    """For longer than anybody waits, while answers arrive that cannot be stored."""
    make_study(database, ("raters = 3", "raters = 6"))
    set_password(database, "admin", PASSWORD)
    tokens = arrivals(database)
    address = f"127.0.0.1:{free_port()}"
    url = database.url.render_as_string(hide_password=False)
    with process(url, address, "--no-limits") as server:
        wait_until_ready(f"http://{address}", server)
        with httpx.Client(base_url=f"http://{address}", timeout=120) as browser:
            log_in(browser)  # at the lowest priority
            state = browser.post(f"/r/{tokens['run']}/open", json={}).json()
            first = state["trials"][0]
            body = {"page": state["page"], "trial": first["trial"], "choice": "left"}
            paths = [
                *("/s/small/", "/healthz", "/metrics", "/test.png", "/admin/log"),
                *(f"/admin/studies/1/{page}" for page in ("", "live.json", "close", "reconcile")),
                *(f"/r/{token}/{stage}" for stage, token in tokens.items()),
                *(f"/r/{tokens['run']}/{page}" for page in ("", "withdraw")),
                *(trial[side] for trial in state["trials"] for side in ("left", "right")),
            ]
            browser.timeout = AT_MOST_S
            with held(database):
                url = f"http://{address}/r/{tokens['run']}/answer"
                body["key"] = str(uuid.uuid4())
                answers = [Answers(url, body) for _ in range(SENDERS)]
                rounds, begun = 0, time.monotonic()
                least_s = HELD_S[database.url.get_backend_name()]
                while rounds < 2 or time.monotonic() - begun < least_s:
                    for path in paths:
                        status = browser.get(path).status_code
                        assert status in (200, 303), (path, status)
                    fresh = time.monotonic() - begun < 2 * FRESH_S  # said before the lock
                    ready = browser.get("/readyz")  # no answer can be stored, and it says so soon
                    assert fresh or ready.status_code == (503 if database.sqlite else 200)
                    assert status_lines(database, "small")[0].startswith("small version 1")
                    assert export_study(database, "small", tmp_path / str(rounds)).raters == 0
                    rounds += 1
            statuses = [each.end() for each in answers]
    # Never a 500; the browser sends it again.
    assert set(itertools.chain(*statuses)) <= {200, 503}
    assert all(each[-1] == 200 for each in statuses)


class Answers:
    """A rater's browser that sends the same answer until it is stored."""

    def __init__(self, url: str, body: dict[str, object]) -> None:
        """Start sending."""
        self.statuses: list[int] = []
        self._thread = threading.Thread(target=self._send, args=(url, body))
        self._thread.start()

    def _send(self, url: str, body: dict[str, object]) -> None:
        while not self.statuses or self.statuses[-1] == 503:
            reply = httpx.post(url, json=body, timeout=60)
            self.statuses.append(reply.status_code)
            if reply.status_code == 503:
                assert reply.json() == {"error": "busy"}
                time.sleep(float(reply.headers["Retry-After"]))

    def end(self) -> list[int]:
        """Return the statuses, once the answer is stored."""
        self._thread.join(60)
        return self.statuses


def test_reading_begins_no_writing(sqlite: Database) -> None:
    """Neither way of reading takes the lock: both work while it is held, and cannot write."""
    with held(sqlite), sqlite.read() as connection, sqlite.reading() as db_session:
        assert connection.execute(text("SELECT count(*) FROM study")).scalar_one() == 0
        assert db_session.scalars(select(Study)).all() == []


def test_what_reads_cannot_write(database: Database) -> None:
    with pytest.raises(DBAPIError, match=r"read-?only"), database.reading() as db_session:
        db_session.execute(update(Study).values(title="changed"))


def test_a_reader_sees_one_state(database: Database, make_study: MakeStudy) -> None:
    """What is stored while an export reads is in the next one."""
    make_study(database)
    titles = select(Study.title)
    with database.reading() as db_session:
        before = db_session.scalar(titles)
        with database.write() as connection:
            connection.execute(update(Study).values(title="Another title"))
        assert db_session.scalar(titles) == before == "A small study"
    with database.reading() as db_session:
        assert db_session.scalar(titles) == "Another title"


def test_images_are_encoded_before_the_lock_is_taken(sqlite: Database, study_text: str) -> None:
    """While a study is made, whose images take long, others write."""
    stored = []

    def each(items: Iterable[str], _total: int) -> Iterator[str]:
        for item in items:
            with sqlite.engine.connect() as connection:  # waits for the lock, if it is held
                connection.execute(update(Study).values(title="written meanwhile"))
                connection.commit()
            stored.append(item)
            yield item

    create_study(sqlite, parse_study_file(study_text, "study.toml"), study_text, progress=each)
    assert len(stored) == 9


def test_a_second_writer_gives_up_soon_while_the_first_is_stuck(sqlite: Database) -> None:
    """One thread waits for the lock; the others go on serving whoever reads."""
    release = threading.Event()
    entered = threading.Event()

    def stuck() -> None:
        with sqlite.write():
            entered.set()
            release.wait(30)

    thread = threading.Thread(target=stuck)
    thread.start()
    entered.wait(10)
    started = time.monotonic()
    for _ in range(20):
        with pytest.raises(DBAPIError, match="locked"), sqlite.write():
            pass
    taken = time.monotonic() - started
    release.set()
    thread.join()
    assert taken < BUSY_TIMEOUT_MS / 1000
    with sqlite.write() as connection:
        connection.execute(update(Study).values(title="free again"))


def test_a_long_wait_is_no_failure_while_nobody_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still: however long the others take on this machine, they are not stuck."""
    monkeypatch.setattr(turns, "PATIENCE_S", 0.05)
    monkeypatch.setattr(turns, "time", SimpleNamespace(monotonic=lambda: 100.0))
    turn, order = turns.Turn(), list[int]()

    def write(number: int) -> None:
        with turn:
            order.append(number)

    with ThreadPoolExecutor(3) as pool, turn:
        writers = []
        for number in range(3):
            writers.append(pool.submit(write, number))
            while len(turn._waiting) <= number and not writers[-1].done():
                time.sleep(0.01)
        time.sleep(0.2)
    assert [each.result() for each in writers] == [None] * 3
    assert order == [0, 1, 2]


def test_writers_try_one_at_a_time_once_one_has_waited_in_vain() -> None:
    """PostgreSQL: as many as like write, until one cannot; one that can opens it to all again."""
    queue = Queue()

    def elsewhere() -> None:
        def write() -> None:
            with queue:
                pass

        with ThreadPoolExecutor(1) as pool:
            pool.submit(write).result()

    with queue:
        elsewhere()
    with pytest.raises(OperationalError), queue:
        raise OperationalError(None, None, Exception("lock timeout"))
    with queue:
        with queue:  # a part of what the one that tries does
            pass
        with pytest.raises(DBAPIError, match="a table is locked"):
            elsewhere()
    with queue:
        elsewhere()


@pytest.mark.postgres
def test_nobody_waits_long_for_a_table_that_another_process_has_locked(
    request: pytest.FixtureRequest, make_study: MakeStudy
) -> None:
    database = open_database(new_database(request.getfixturevalue("postgres"), "lck"), create=True)
    make_study(database)
    retitle = update(Study).values(title="changed")
    with held(database):
        started = time.monotonic()
        with pytest.raises(DBAPIError, match="lock timeout"), database.write() as connection:
            connection.execute(retitle)
        assert time.monotonic() - started >= LOCK_TIMEOUT_MS / 1000
    with database.write() as connection:
        connection.execute(retitle)
    database.dispose()


def test_a_command_says_in_a_line_that_the_database_is_locked(
    database: Database, make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_study(database)
    monkeypatch.setattr("study_server.storage.database.BUSY_TIMEOUT_MS", 50)
    url = database.url.render_as_string(hide_password=False)
    with held(database), pytest.raises(StudyError, match=r": .*lock(ed| timeout)$"):
        study.main(["pause", "small", "--database", url], standalone_mode=False)
