"""One Ray cluster for all tests of a process that need one: started once, stopped after the last.

Starting it costs seconds, and each of its workers imports torch when it is first used. `conftest`
lets these tests run first and one after another, so that they stay in one process of pytest-xdist.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from generators import cluster

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
