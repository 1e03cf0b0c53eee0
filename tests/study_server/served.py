"""The site as gunicorn runs it, with settings that a test changes, and waiting for what comes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from study_server.web.settings import DATABASE_VARIABLE

CHECKOUT = Path(__file__).resolve().parents[2]
LONG_S = 120  # that a loaded machine may take for anything; what a test waits for takes longer
CHANGED = """
import sys, time
from study_server.web.process import worker
from study_server.web import serve
{change}
serve.main(sys.argv[1:])
"""


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
