"""How long one pass of a task takes, and in which share of that time the device is busy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import click
import torch
from numpy.typing import NDArray

from benchmarks.support.timing import cpu_seconds
from metrics.compute import spread
from metrics.extraction.one_pass import Done, Task, Unit, run_pass
from metrics.extraction.row_store import key_of
from metrics.images.pairing import open_images
from metrics.networks.extractor import Extractor
from metrics.progress import on_stderr


class Busy:
    """Times in which batches of a task are computed: their union, as a share of the whole."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    def watch(self, task: Task) -> Task:
        """Return the task with its batches timed."""

        def timed(batch: Any) -> NDArray[Any]:
            started = time.perf_counter()
            rows = task.compute(batch)
            self.spans.append((started, time.perf_counter()))
            return rows

        return replace(task, compute=timed)

    def share(self, seconds: float) -> float:
        """Return which share of `seconds` the spans cover together."""
        return union(self.spans) / seconds


@contextmanager
def watched_compute() -> Iterator[Busy]:
    """Time the batches of every `compute` inside, and yield their times."""
    busy = Busy()

    def watched(rounds: Sequence[Sequence[Unit]], **how: Any) -> Done:
        tasks = {id(unit.task): busy.watch(unit.task) for units in rounds for unit in units}
        timed = [[replace(unit, task=tasks[id(unit.task)]) for unit in units] for units in rounds]
        return run_pass(timed, **how)

    with mock.patch.object(spread, "run_pass", watched):
        yield busy


class DeviceTimes:
    """Times in which a CUDA device computes a network, by the device's own events."""

    def __init__(self) -> None:
        self._origin = _event()
        self._spans: list[tuple[Any, Any]] = []

    def watch(self, network: Extractor) -> Extractor:
        """Return the extractor with an event before and one after each batch on its stream."""

        def timed(batch: torch.Tensor) -> torch.Tensor:
            first = _event()
            rows = network.network(batch)
            self._spans.append((first, _event()))
            return rows

        return replace(network, network=timed)

    def share(self, seconds: float) -> float:
        """Return which share of `seconds` the device computed."""
        torch.cuda.synchronize()
        since = self._origin.elapsed_time  # in milliseconds
        spans = [(since(first) / 1e3, since(last) / 1e3) for first, last in self._spans]
        return union(spans) / seconds


def _event() -> Any:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def union(spans: Sequence[tuple[float, float]]) -> float:
    """Return how much time the spans cover together."""
    covered, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        covered += max(end - max(start, until), 0.0)
        until = max(until, end)
    return covered


@dataclass(frozen=True)
class Ran:
    """What one pass of ours took, and its rows in the order of the items."""

    seconds: float
    under_way: float  # share of the time in which a batch was under way
    rows: NDArray[Any]
    computing: float | None = None  # share of the time in which a CUDA device computed
    processor: float = 1.0  # seconds of processors


Found = TypeVar("Found")


def timed(step: Callable[[], Found]) -> tuple[Found, dict[str, float]]:
    """Return what a step gives, its seconds by the clock, and its seconds of processors.

    Processors' seconds are of this process and of its children that ended.
    """
    began, started = cpu_seconds(), time.perf_counter()
    found = step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    processor = max(cpu_seconds() - began, 1e-6)  # a clock that counts in ticks may say 0
    return found, {"seconds": seconds, "processor": processor}


def run_task(task: Task, sides: list[Path], workers: int, title: str) -> Ran:
    """Make a task's rows of the images, or pairs, of the folders; show how far it is."""
    opened = [open_images(side).files for side in sides]
    rounds = []
    for item in sorted(opened[0]):
        files = tuple(side[item] for side in opened)
        rounds.append([Unit(task, key_of([file.digest for file in files]), files)])
    busy = Busy()
    watched = busy.watch(task)
    watching = [[replace(unit, task=watched) for unit in units] for units in rounds]
    with on_stderr(title, len(watching)) as advance:
        done, numbers = timed(lambda: run_pass(watching, workers=workers, advance=advance))
    if done.failed:
        raise click.ClickException(str(done.failed))
    rows = task.store.rows([unit.key for units in rounds for unit in units])
    seconds = numbers["seconds"]
    return Ran(seconds, busy.share(seconds), rows, processor=numbers["processor"])
