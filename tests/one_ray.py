"""One Ray cluster for all tests of a process that need one: started once, stopped after the last.

Starting it costs seconds, and each of its workers imports torch when it is first used. `conftest`
lets these tests run first and one after another, so that they stay in one process of pytest-xdist.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from generators import cluster

ROOT = Path(__file__).resolve().parents[1]
PROCESSES = 4
_running: list[Any] = []  # Ray, where it was started
_connect = cluster.connect


class _Kept:
    """Ray as `generators.cluster` has it, but not shut down after each use."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_running[0], name)

    def shutdown(self) -> None:
        pass


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], str]:
    """Return a function that gives the address of N workers: so many calls are made at a time."""
    pytest.importorskip("ray")
    if not _running:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _running.append(_connect(f"local:{PROCESSES}"))
    monkeypatch.setattr(cluster, "connect", lambda _address: _Kept())

    def of(workers: int) -> str:
        monkeypatch.setattr(cluster, "IN_FLIGHT", workers / PROCESSES)
        return f"local:{workers}"

    return of


# A command in a process of its own that tells how many rows or images of each shard came in, and
# that the kernel kills once so many shards were kept.
_DRIVER = """
import os, signal, sys
import manage
from generators import cluster
left, size, *arguments = sys.argv[1:]
left, taken = int(left), cluster._results

def results(*given):
    global left
    for each in taken(*given):
        shard = each if isinstance(each, list) else sum((k for k, _ in each[1].rows.values()), [])
        print("shard of", len(shard), flush=True)
        yield each
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

cluster._results = results
if int(size):
    from metrics.compute import spread
    spread.SHARD = int(size)
sys.exit(manage.run(arguments))
"""


def drive(*arguments: str, dies_after: int = 0, shard: int = 0) -> list[int]:
    """Run a command as a driver of the cluster; return what it took in of each shard.

    With `dies_after` the process is killed once it has kept so many shards. `shard` is the items of
    a shard of metrics, where not the usual ones.
    """
    address = _running[0].get_runtime_context().gcs_address
    driver = [sys.executable, "-W", "ignore", "-c", _DRIVER, str(dies_after), str(shard)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [*driver, *arguments, "--ray", address]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == (-signal.SIGKILL if dies_after else 0), ended.stderr
    said = [line for line in ended.stdout.splitlines() if line.startswith("shard of")]
    return [int(line.rpartition(" ")[2]) for line in said]


def needs_ray(item: pytest.Item | None) -> bool:
    """Return whether a test uses the cluster."""
    return "ray" in getattr(item, "fixturenames", ())


def stop() -> None:
    """Stop the cluster, if there is one."""
    if _running:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _running.pop().shutdown()
            gc.collect()
