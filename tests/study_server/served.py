"""The site as gunicorn runs it, with settings that a test changes, or in threads of the test's own
process; and waiting for what comes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from werkzeug.serving import WSGIRequestHandler, make_server

from study_server.web.settings import DATABASE_VARIABLE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CHECKOUT = Path(__file__).resolve().parents[2]
LONG_S = 120  # that a loaded machine may take for anything; what a test waits for takes longer
CHANGED = """
import sys, time
from study_server.web.process import worker
from study_server.web import serve
{change}
serve.main(sys.argv[1:])
"""


ANSWER = "foolrate.tests.answer"  # where a request keeps what the application gave for it


class Handler(WSGIRequestHandler):
    """A request handler that logs nothing and lets a browser's spare connections go.

    werkzeug leaves an answer open, and the file in it, where the visitor goes before its end.
    """

    timeout = 5
    protocol_version = "HTTP/1.1"

    def log(self, *_: object) -> None:
        """Stay silent."""

    def run_wsgi(self) -> None:
        """Answer the request, and close the answer."""
        super().run_wsgi()
        if answer := self.environ.get(ANSWER):
            answer.close()


def _chunks(answer: Iterable[bytes]) -> Iterator[bytes]:
    with closing(answer):  # type: ignore[type-var]  # Flask's can be closed
        yield from answer


@contextmanager
def in_threads(app: WSGIApplication) -> Iterator[str]:
    """Yield the address of an application that threads of this process serve; all end with it."""

    def kept(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        environ[ANSWER] = _chunks(app(environ, start))
        return environ[ANSWER]

    server = make_server("127.0.0.1", 0, kept, threaded=True, request_handler=Handler)
    server.daemon_threads = False  # type: ignore[attr-defined]  # its close waits for what is being sent
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def changed(url: str, address: str, change: str) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a server with other settings, made by a line of Python; it is stopped at the end."""
    environment = os.environ | {DATABASE_VARIABLE: url}
    command = [sys.executable, "-c", CHANGED.format(change=change), address]
    with subprocess.Popen(command, env=environment, cwd=CHECKOUT) as server:
        try:
            yield server
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(LONG_S)
            server.kill()  # which changes nothing once it has ended


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as a condition holds."""
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def children(server: subprocess.Popen[bytes]) -> list[str]:
    """Return the process ids of the workers that have started."""
    return Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
