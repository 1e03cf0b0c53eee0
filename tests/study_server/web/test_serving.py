"""The site as gunicorn runs it: it drains, shares connections, and tells nobody anything."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from served import CHECKOUT, LONG_S, changed, children, wait_until
from small_study import MakeStudy
from sqlalchemy import select

from benchmarks.support.http_load import Connection
from study_server.errors import AddressError
from study_server.sessions.entering.arrivals import Arrival, arrive
from study_server.simulation.simulate import wait_until_ready
from study_server.storage.database import Database
from study_server.storage.identity import load_secret
from study_server.storage.models import Judgment, RaterSession
from study_server.web import image_gate
from study_server.web.process.worker import ImagesLast
from study_server.web.serve import free_port, process, require_free

pytestmark = pytest.mark.integration

VERY_PATIENT = "serve.KEEP_ALIVE_S = serve.GRACE_S = 600"
LAME_DUCK_S = 4.0  # so long that nobody misses it


def alone(work: Coroutine[Any, Any, Any]) -> Any:
    """Run in a thread of its own: a browser test of this process may own the event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def arrivals(database: Database, count: int) -> list[str]:
    """Return the tokens of raters who stand before their first trial."""
    secret = load_secret(database.url)
    arrival = Arrival(1, True, "open", "en", lease_ms=3_600_000)
    tokens = [arrive(database, secret, arrival) for _ in range(count)]
    with database.session() as db_session:
        for session in db_session.scalars(select(RaterSession)):
            session.stage = "run"
    return tokens


class Traffic:
    """Raters who answer as fast as they can until the server is gone."""

    def __init__(self, port: int, tokens: list[str]) -> None:
        self.port, self.tokens = port, tokens
        self.acknowledged: set[str] = set()
        self.statuses: list[int] = []
        self.readiness: list[int] = []
        self.stop = False

    async def rate(self, token: str) -> None:
        connection = Connection("127.0.0.1", self.port)
        try:
            state = (await connection.post_json(f"/r/{token}/open", {})).json()
            page = state["page"]
            while state["trials"]:
                key = str(uuid.uuid4())
                body = {"page": page, "trial": state["trials"][0]["trial"], "key": key}
                body |= {"choice": "left", "rt_ms": 1.0}
                reply = await connection.post_json(f"/r/{token}/answer", body)
                self.statuses.append(reply.status)
                if reply.status == 200:
                    self.acknowledged.add(key)
                    state = reply.json()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the server is gone, which is what ends this test's traffic
        finally:
            await connection.close()

    async def watch(self) -> None:
        """Ask for readiness on a new connection each time, as a balancer does."""
        while not self.stop:
            connection = Connection("127.0.0.1", self.port)
            try:
                self.readiness.append((await connection.get("/readyz")).status)
            except (ConnectionError, asyncio.IncompleteReadError):
                return
            finally:
                await connection.close()
            await asyncio.sleep(0.02)


def test_sigterm_during_traffic_drains(database: Database, make_study: MakeStudy) -> None:
    """Not ready first, then gone in time; whatever was confirmed is stored, nothing fails."""
    make_study(database, ("raters = 3", "raters = 12"), ("trials = 4", "trials = 6"))
    tokens = arrivals(database, 24)
    address = f"127.0.0.1:{(port := free_port())}"
    url = database.url.render_as_string(hide_password=False)
    with changed(url, address, f"worker.LAME_DUCK_S = {LAME_DUCK_S}") as server:
        wait_until_ready(f"http://{address}", server)
        traffic = Traffic(port, tokens)

        async def run() -> float:
            raters = [asyncio.create_task(traffic.rate(token)) for token in tokens]
            watcher = asyncio.create_task(traffic.watch())
            while len(traffic.acknowledged) < 20 or 200 not in traffic.readiness:
                await asyncio.sleep(0.005)
            server.send_signal(signal.SIGTERM)
            started = time.monotonic()
            await asyncio.to_thread(server.wait, LONG_S)
            taken = time.monotonic() - started
            traffic.stop = True
            await asyncio.gather(*raters, watcher)
            return taken

        taken = alone(run())
    assert server.returncode == 0
    assert taken >= LAME_DUCK_S
    assert set(traffic.statuses) == {200}
    assert traffic.readiness[0] == 200
    assert traffic.readiness[-1] == 503
    with database.read() as connection:
        stored = list(connection.execute(select(Judgment.key)).scalars())
    assert len(stored) == len(set(stored))
    assert traffic.acknowledged <= set(stored)


def test_idle_connections_do_not_hold_up_the_end(sqlite: Database, make_study: MakeStudy) -> None:
    make_study(sqlite)
    address = f"127.0.0.1:{free_port()}"
    with changed(sqlite.url.render_as_string(), address, VERY_PATIENT) as server:
        wait_until_ready(f"http://{address}", server)
        with httpx.Client(base_url=f"http://{address}") as idle:
            assert idle.get("/healthz").status_code == 200
            server.terminate()
            server.wait(timeout=LONG_S)


SLOW_START = f"""
{VERY_PATIENT}
options = serve._options

def slow(*arguments):
    return options(*arguments) | {{"post_fork": lambda server, worker: time.sleep(2)}}

serve._options = slow
"""


def test_a_worker_hears_that_it_is_to_stop_once_it_can(sqlite: Database) -> None:
    """A worker just forked has no handler of its own: what it is told then is lost."""
    address = f"127.0.0.1:{free_port()}"
    with changed(sqlite.url.render_as_string(), address, SLOW_START) as server:
        wait_until(lambda: len(children(server)) == 2, "two workers")
        server.terminate()
        server.wait(timeout=LONG_S)


NESTED = """
import signal, sys
from study_server.web import monitoring

again = 100

def at_each_line(frame, event, argument):
    global again
    if again:
        again -= 1
        signal.raise_signal(signal.SIGTERM)
    return at_each_line

signal.signal(signal.SIGTERM, lambda number, frame: None)
monitoring.drain_on()
sys.settrace(at_each_line)
signal.raise_signal(signal.SIGTERM)
sys.settrace(None)
assert again < 97  # told again at each line of the handler
"""


def test_a_second_signal_does_not_wait_for_the_first() -> None:
    """systemd tells each process of the service, and the server tells its workers again."""
    run = subprocess.run([sys.executable, "-c", NESTED], cwd=CHECKOUT, timeout=LONG_S, check=False)
    assert run.returncode == 0


def test_workers_end_with_a_server_that_was_killed(sqlite: Database, make_study: MakeStudy) -> None:
    """Even with an idle connection: a server that is started again finds the address free."""
    make_study(sqlite)
    address = f"127.0.0.1:{(port := free_port())}"
    with changed(sqlite.url.render_as_string(), address, VERY_PATIENT) as server:
        wait_until_ready(f"http://{address}", server)
        with httpx.Client(base_url=f"http://{address}") as idle:
            assert idle.get("/healthz").status_code == 200
            server.kill()
            server.wait(timeout=LONG_S)
            wait_until(lambda: is_free(port), "a free address")


def is_free(port: int) -> bool:
    """Return whether the address can be listened on."""
    try:
        require_free("127.0.0.1", port)
    except AddressError:
        return False
    return True


def test_images_wait_for_everything_else() -> None:
    order: list[bytes] = []
    held = threading.Event()
    pool = ImagesLast(1)
    requests = [b"GET /healthz HTTP/1.1", b"GET /i/a HTTP/1.1", b"POST /r/", b"GET /i/b HTTP/1.1"]

    def handle(connection: Any) -> None:
        held.wait(LONG_S)
        order.append(connection.sock.inbox)

    for request in requests:
        last = pool.submit(handle, SimpleNamespace(sock=SimpleNamespace(inbox=request)))
    held.set()
    last.result(LONG_S)
    pool.shutdown()
    assert order == [requests[index] for index in (0, 2, 1, 3)]
    assert f"GET {image_gate.PREFIX}" == "GET /i/"


def test_workers_share_the_connections(sqlite: Database, make_study: MakeStudy) -> None:
    make_study(sqlite)
    address = f"127.0.0.1:{(port := free_port())}"

    async def spread(server: subprocess.Popen[bytes]) -> list[int]:
        connections = [Connection("127.0.0.1", port) for _ in range(60)]
        before = sockets(server)
        await asyncio.gather(*(connection.get("/healthz") for connection in connections))
        after = sockets(server)
        await asyncio.gather(*(connection.close() for connection in connections))
        return [now - then for now, then in zip(after, before, strict=True)]

    with process(sqlite.url.render_as_string(), address) as server:
        wait_until_ready(f"http://{address}", server)
        wait_until(lambda: len(children(server)) == 2, "two workers")

        def is_even() -> bool:  # not yet while the second worker is starting
            held = alone(spread(server))
            assert sum(held) == 60
            return abs(held[0] - held[1]) <= 6

        wait_until(is_even, "each worker has half of the connections")


def sockets(server: subprocess.Popen[bytes]) -> list[int]:
    """Return how many sockets each worker has open."""
    return [
        sum(
            str(link.readlink()).startswith("socket:") for link in Path(f"/proc/{pid}/fd").iterdir()
        )
        for pid in children(server)
    ]


def test_no_command_line_holds_the_password(database: Database, make_study: MakeStudy) -> None:
    """The URL goes by the environment, which only the same user can read."""
    make_study(database)
    given = database.url.update_query_dict({"timeout": "7777"})  # SQLite has no password
    if not database.sqlite:
        given = database.url.set(password="7777")  # nobody asks for it in this cluster
    url, address = given.render_as_string(hide_password=False), f"127.0.0.1:{free_port()}"
    with process(url, address, "--no-limits") as server:
        wait_until_ready(f"http://{address}", server)
        wait_until(lambda: len(children(server)) == 2, "two workers")
        pids = [server.pid, *children(server)]
        lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids]
        assert b"7777" in Path(f"/proc/{server.pid}/environ").read_bytes()
    assert len(lines) == 3
    assert not any(b"7777" in line or b"sql" in line for line in lines)


def test_logs_are_json_without_anything_of_a_person(
    sqlite: Database, make_study: MakeStudy, tmp_path: Path
) -> None:
    """A whole visit, with refusals: each line is JSON, and none holds an id, token or address."""
    make_study(sqlite, ("[practice]", '[provider]\nkind = "prolific"\n[practice]'))
    address, panel_id = f"127.0.0.1:{free_port()}", "5f0d1c2b3a4e5f60718293a4"
    with (tmp_path / "log").open("wb") as log:
        url = sqlite.url.render_as_string()
        with process(url, address, stdout=log, stderr=log) as server:
            wait_until_ready(f"http://{address}", server)
            token = _visit(f"http://{address}", panel_id)
    text = (tmp_path / "log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"refused"} <= {line["event"] for line in lines}
    assert {"/r/<token>/answer", "/r/<token>/comment"} <= {line.get("route") for line in lines}
    for secret in (token, panel_id, "127.0.0.1", "Mozilla", "A private remark"):
        assert secret not in text
    assert not re.search(r"/[ri]/[A-Za-z0-9_-]{16,}", text)


def _visit(base: str, panel_id: str) -> str:
    headers = {"User-Agent": "Mozilla/5.0", "Origin": base}
    with httpx.Client(base_url=base, headers=headers) as browser:
        link = f"/s/small/?PROLIFIC_PID={panel_id}&STUDY_ID=s&SESSION_ID=t"
        form = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(link).text)
        arrived = browser.post(link, data={"agree": "yes", "csrf_token": form[1]})
        token = arrived.headers["location"].split("/")[2]
        assert (
            browser.post(f"/r/{token}/answer", json={"nonsense": "A private remark"}).status_code
            == 400
        )
        assert (
            browser.post(f"/r/{token}/comment", data={"comment": "A private remark"}).status_code
            == 400
        )
        assert browser.get(f"/r/{token}x/run").status_code == 404
        assert browser.get(f"/i/{token}").status_code == 404
    return token
