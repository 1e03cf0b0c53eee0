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
from metrics.errors import UnusableFiles, reason_of
from metrics.extraction.row_store import RowStore
from metrics.images.decode import Image, Scanned, decode
from metrics.progress import Advance, unseen

# Batches that are under way to an accelerator, or back, at a time: while it computes one, the next
# is copied there.
IN_FLIGHT = 2

# Rows of the light metrics are appended this many at a time.
_APPEND = 512

ImageTuple = tuple[Image, ...]


def _unchanged(pixels: ImageTuple) -> ImageTuple:
    return pixels


@dataclass(frozen=True, eq=False)
class Task:
    """A metric or an extractor: what turns images into rows, and the store the rows go to."""

    name: str
    store: RowStore
    compute: Callable[[Sequence[Any]], NDArray[Any]]  # N prepared tuples of images -> (N, width)
    batch: int = 1  # 1: computed in the thread that decoded the images
    prepare: Callable[[ImageTuple], Any] = _unchanged  # done in the thread that decoded the images
    on_device: bool = False  # an accelerator computes: batches go there while others are decoded


@dataclass(frozen=True)
class Unit:
    """One row to compute: a task, the row's key and the files it is made from."""

    task: Task
    key: bytes
    files: tuple[Scanned, ...]


@dataclass(frozen=True)
class Done:
    """What a pass did: rows computed by task, and why tasks failed."""

    computed: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


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
) -> Done:
    """Compute and store the rows of all units; return how many, and which tasks failed.

    A round's files are decoded once, in a worker thread. Files that cannot be decoded are refused
    together at the end: the rows of sound files are kept, theirs never exist. Raises
    `UnusableFiles`.
    A task that fails is left out from then on, and the others go on.
    """
    problems: list[str] = []
    result = Done()
    writer = _Writer(result)
    with writer:
        for done in _decoded(rounds, workers, result.failed):
            problems += done.problems
            for unit, row in done.ready:
                writer.add(unit, row)
            for unit, pixels in done.waiting:
                writer.wait(unit, pixels)
            advance(1)
        writer.finish()
    if problems:
        raise UnusableFiles(problems)
    return result


def _decoded(
    rounds: Sequence[Sequence[Unit]], workers: int, failed: dict[str, str]
) -> Iterator[_Round]:
    """Yield the rounds in order, a few of them decoded ahead."""
    ahead: deque[Future[_Round]] = deque()
    # An accelerator takes large batches, and must not wait for the next one.
    tasks = {unit.task for units in rounds for unit in units if unit.task.on_device}
    most = max([8 * workers, *(IN_FLIGHT * task.batch for task in tasks)])
    with ThreadPoolExecutor(workers) as pool:
        for units in rounds:
            ahead.append(pool.submit(_open_round, units, failed))
            if len(ahead) >= most:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _open_round(units: Sequence[Unit], failed: dict[str, str]) -> _Round:
    result = _Round()
    pixels: dict[str, Image] = {}
    units = [unit for unit in units if unit.task.name not in failed]
    for file in dict.fromkeys(file for unit in units for file in unit.files):
        try:
            pixels[file.digest] = decode(file)
        except ImageError as error:
            result.problems.append(str(error))
    for unit in units:
        if any(file.digest not in pixels for file in unit.files):
            continue
        images = tuple(pixels[file.digest] for file in unit.files)
        try:
            prepared = unit.task.prepare(images)
            if unit.task.batch == 1:
                result.ready.append((unit, unit.task.compute([prepared])[0]))
            else:
                result.waiting.append((unit, prepared))
        except Exception as error:  # one metric's failure, whatever it is, is not the others'
            failed.setdefault(unit.task.name, _of_files(unit, error))
    return result


def _of_files(unit: Unit, error: Exception) -> str:
    return f"{' and '.join(str(file.path) for file in unit.files)}: {reason_of(error)}"


class _Writer:
    """Rows and images on their way to the stores; no more of them than a batch for each task."""

    def __init__(self, result: Done) -> None:
        self._result = result
        self._rows: dict[Task, list[tuple[Unit, NDArray[Any]]]] = {}
        self._images: dict[Task, list[tuple[Unit, Any]]] = {}
        self._flying: deque[tuple[Task, list[Unit], Future[NDArray[Any]]]] = deque()
        self._devices = ThreadPoolExecutor(IN_FLIGHT)  # its threads start when they are needed

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *error: object) -> None:
        self._devices.shutdown(cancel_futures=True)

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
        self._land(0)
        for task in list(self._rows):
            self._store(task)

    def _compute(self, task: Task) -> None:
        waiting = self._images.pop(task, [])
        units, prepared = [unit for unit, _ in waiting], [each for _, each in waiting]
        if not task.on_device:
            self._append(task, units, lambda: task.compute(prepared))
            return
        self._land(IN_FLIGHT - 1)
        self._flying.append((task, units, self._devices.submit(task.compute, prepared)))

    def _land(self, most: int) -> None:
        """Store finished batches, oldest first, until at most so many are under way."""
        while len(self._flying) > most:
            task, units, rows = self._flying.popleft()
            self._append(task, units, rows.result)

    def _store(self, task: Task) -> None:
        done = self._rows.pop(task, [])
        self._append(task, [unit for unit, _ in done], lambda: np.stack([row for _, row in done]))

    def _append(self, task: Task, units: list[Unit], rows: Callable[[], NDArray[Any]]) -> None:
        result = self._result
        if task.name in result.failed:
            return
        try:
            task.store.append([unit.key for unit in units], rows())
        except Exception as error:  # as in `_open_round`
            result.failed[task.name] = reason_of(error)
            return
        result.computed[task.name] = result.computed.get(task.name, 0) + len(units)
