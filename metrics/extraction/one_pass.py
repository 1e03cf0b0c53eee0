"""One pass over the images: each file is decoded once and feeds every metric that needs it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.errors import ImageError
from metrics.errors import InputError, few, unusable
from metrics.extraction.row_store import RowStore
from metrics.images.decode import Image, Scanned, decode
from metrics.progress import Advance, unseen

# Rows of the light metrics are appended this many at a time.
_APPEND = 512

Pixels = tuple[Image, ...]


def _as_they_are(pixels: Pixels) -> Pixels:
    return pixels


@dataclass(frozen=True, eq=False)
class Task:
    """A metric or an extractor: what turns images into rows, and the store the rows go to."""

    name: str
    store: RowStore
    compute: Callable[[Sequence[Any]], NDArray[Any]]  # N prepared tuples of images -> (N, width)
    batch: int = 1  # 1: computed in the thread that decoded the images
    prepare: Callable[[Pixels], Any] = _as_they_are  # done in the thread that decoded the images


@dataclass(frozen=True)
class Unit:
    """One row to compute: a task, the row's key and the files it is made from."""

    task: Task
    key: bytes
    files: tuple[Scanned, ...]


@dataclass
class _Round:
    """What came back from decoding the files of some units."""

    ready: list[tuple[Unit, NDArray[Any]]] = field(default_factory=list)
    waiting: list[tuple[Unit, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def missing_units(rounds: Iterable[Sequence[Unit]]) -> list[list[Unit]]:
    """Return the rounds with the units whose rows are not stored, each once; empty rounds go."""
    claimed: set[tuple[str, bytes]] = set()
    left = []
    for units in rounds:
        kept = []
        for unit in units:
            name = (unit.task.name, unit.key)
            if unit.key not in unit.task.store and name not in claimed:
                claimed.add(name)
                kept.append(unit)
        if kept:
            left.append(kept)
    return left


def run_pass(
    rounds: Sequence[Sequence[Unit]],
    *,
    workers: int = 2,
    advance: Advance = unseen,
) -> dict[str, int]:
    """Compute and store the rows of all units; return task name -> rows computed.

    A round's files are decoded once, in a worker thread. Files that cannot be decoded are refused
    together at the end: the rows of sound files are kept, theirs never exist. Raises `InputError`.
    """
    problems: list[str] = []
    writer = _Writer()
    for done in _decoded(rounds, workers):
        problems += done.problems
        for unit, row in done.ready:
            writer.add(unit, row)
        for unit, pixels in done.waiting:
            writer.wait(unit, pixels)
        advance(1)
    writer.finish()
    if problems:
        distinct = list(dict.fromkeys(problems))
        raise InputError(f"{unusable(len(distinct))}: {few(distinct, between='; ')}")
    return writer.counts


def _decoded(rounds: Sequence[Sequence[Unit]], workers: int) -> Iterator[_Round]:
    """Yield the rounds in order, a few of them decoded ahead."""
    ahead: deque[Future[_Round]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for units in rounds:
            ahead.append(pool.submit(_open_round, units))
            if len(ahead) >= 8 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _open_round(units: Sequence[Unit]) -> _Round:
    result = _Round()
    pixels: dict[str, Image] = {}
    for file in dict.fromkeys(file for unit in units for file in unit.files):
        try:
            pixels[file.digest] = decode(file)
        except ImageError as error:
            result.problems.append(str(error))
    for unit in units:
        if any(file.digest not in pixels for file in unit.files):
            continue
        images = tuple(pixels[file.digest] for file in unit.files)
        if unit.task.batch == 1:
            result.ready.append((unit, unit.task.compute([unit.task.prepare(images)])[0]))
        else:
            result.waiting.append((unit, unit.task.prepare(images)))
    return result


class _Writer:
    """Rows and images on their way to the stores; no more of them than a batch for each task."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._rows: dict[Task, list[tuple[Unit, NDArray[Any]]]] = {}
        self._images: dict[Task, list[tuple[Unit, Any]]] = {}

    def add(self, unit: Unit, row: NDArray[Any]) -> None:
        rows = self._rows.setdefault(unit.task, [])
        rows.append((unit, row))
        if len(rows) >= _APPEND:
            self._store(unit.task)

    def wait(self, unit: Unit, prepared: Any) -> None:
        waiting = self._images.setdefault(unit.task, [])
        waiting.append((unit, prepared))
        if len(waiting) >= unit.task.batch:
            self._compute(unit.task)

    def finish(self) -> None:
        for task in list(self._images):
            self._compute(task)
        for task in list(self._rows):
            self._store(task)

    def _compute(self, task: Task) -> None:
        waiting = self._images.pop(task, [])
        rows = task.compute([prepared for _, prepared in waiting])
        self._append(task, [unit for unit, _ in waiting], rows)

    def _store(self, task: Task) -> None:
        done = self._rows.pop(task, [])
        self._append(task, [unit for unit, _ in done], np.stack([row for _, row in done]))

    def _append(self, task: Task, units: list[Unit], rows: NDArray[Any]) -> None:
        task.store.append([unit.key for unit in units], rows)
        self.counts[task.name] = self.counts.get(task.name, 0) + len(units)
