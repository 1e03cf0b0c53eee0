"""The pass over the images, here or on a Ray cluster: shards of it, each by `run_pass`.

A worker makes the rows of a shard in a folder of its own and gives them back; only this process
writes to the cache. A shard may be made twice, and rows that are there already are skipped: a
worker that dies costs its shard's time, and a driver that dies goes on with what is missing. A
row's arithmetic depends on its image only, and statistics are merged in the order of digests, so
they are equal to the bit for any number of workers on machines of one kind.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from generators.cluster import spread
from generators.errors import GeneratorError
from metrics.compute.plan import pair_task
from metrics.compute.request import Request
from metrics.errors import InputError, MetricError, UnusableFiles, reason_of
from metrics.extraction.one_pass import Done, Task, Unit, run_pass
from metrics.images.decode import Scanned
from metrics.networks import registry as extractors
from metrics.progress import Advance

SHARD = 64  # items; a multiple of every network's batch on a processor
SHARD_ON_DEVICE = 512

Bare = tuple[str, bytes, tuple[Scanned, ...]]  # a unit without its task: task's name, key, files


@dataclass(frozen=True)
class Tasks:
    """Which tasks a pass has, by name: a worker makes them anew."""

    pairs: tuple[str, ...]  # paired metrics
    networks: tuple[str, ...]
    reduction: str = "bicubic"  # of the low-resolution inputs


@dataclass(frozen=True)
class Order:
    """What all shards of a pass share."""

    request: Request
    tasks: Tasks
    cwd: Path  # the request's relative paths are of the folder the command ran in
    spaces: dict[str, str]  # task -> what its rows are computed by, as a name
    versions: dict[str, str]


@dataclass(frozen=True)
class Made:
    """What a worker gives back of a shard."""

    rows: dict[str, tuple[list[bytes], NDArray[Any]]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()  # of files that cannot be decoded


def scored(
    rounds: Sequence[Sequence[Unit]], request: Request, tasks: Tasks, advance: Advance
) -> Done:
    """Compute and store the rows of all units, here or where the request says (`run_pass`)."""
    if request.ray is None or not rounds:
        return run_pass(rounds, workers=request.workers, advance=advance)
    by_name = {unit.task.name: unit.task for units in rounds for unit in units}
    spaces = {name: task.store.folder.name for name, task in by_name.items()}
    order = Order(_portable(request), tasks, Path.cwd(), spaces, _versions())
    processor = not any(task.on_device for task in by_name.values())
    shards = list(_shards(rounds, SHARD if processor else SHARD_ON_DEVICE))
    calls = [(order, shard) for shard in shards]
    result = Done()
    problems: list[str] = []
    device = request.networks.device
    try:
        for size, made in spread(request.ray, make_shard, calls, device=device, errors=MetricError):
            _store(made, by_name, result)
            problems += made.problems
            advance(size)
    except GeneratorError as error:
        raise InputError(str(error)) from None
    if problems:
        raise UnusableFiles(problems)
    return result


def _portable(request: Request) -> Request:
    """Return the request as it can be sent: of the environment only what says where weights are."""
    every = request.registry.environment
    names = [name for name in every if name.startswith("FOOLRATE_") or name == "XDG_CACHE_HOME"]
    registry = replace(request.registry, environment={name: every[name] for name in names})
    return replace(request, registry=registry, ray=None)


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("torch", "numpy", "pillow")}


def _shards(rounds: Sequence[Sequence[Unit]], size: int) -> Iterator[list[list[Bare]]]:
    for start in range(0, len(rounds), size):
        yield [
            [(unit.task.name, unit.key, unit.files) for unit in units]
            for units in rounds[start : start + size]
        ]


def _store(made: Made, tasks: dict[str, Task], result: Done) -> None:
    for name, (keys, rows) in made.rows.items():
        try:
            tasks[name].store.append(keys, rows)
            result.computed[name] = result.computed.get(name, 0) + len(keys)
        except Exception as error:  # as in `run_pass`: one metric's failure is not the others'
            result.failed.setdefault(name, reason_of(error))
    for name, reason in made.failed.items():
        result.failed.setdefault(name, reason)


def make_shard(order: Order, shard: Sequence[Sequence[Bare]]) -> tuple[int, Made]:
    """Compute a shard's rows in a worker process; return how many items it had, and the rows."""
    os.chdir(order.cwd)
    tasks = _loaded(repr((order.request, order.tasks)), order)
    _refuse_mixing(order, tasks)
    rounds = [[Unit(tasks[name], key, files) for name, key, files in units] for units in shard]
    problems: tuple[str, ...] = ()
    done = Done()
    try:
        done = run_pass(rounds, workers=order.request.workers)
    except UnusableFiles as error:
        problems = error.problems
    rows = {}
    for name, task in tasks.items():
        keys = [unit.key for units in rounds for unit in units if unit.task.name == name]
        kept = [key for key in keys if key in task.store]
        if kept:
            rows[name] = (kept, task.store.rows(kept))
    return len(shard), Made(rows, done.failed, problems)


def _refuse_mixing(order: Order, tasks: dict[str, Task]) -> None:
    where = f"machine {platform.node()} of the cluster"
    found = _versions()
    for name, wanted in order.versions.items():
        if found[name] != wanted:
            raise InputError(f"{where} has {name} {found[name]}, expected {wanted}")
    for name, space in order.spaces.items():
        if tasks[name].store.folder.name != space:
            raise InputError(
                f"{where} would compute {name} in another way than this one (other weights, "
                "precision or operators); all must be alike"
            )


_LOADED: dict[str, dict[str, Task]] = {}  # of this worker process: request -> its tasks
_SCRATCH: list[tempfile.TemporaryDirectory[str]] = []  # these go when the process ends


def _loaded(name: str, order: Order) -> dict[str, Task]:
    """Return the tasks of a request, made once in each worker process, in a folder of its own."""
    if name not in _LOADED:
        _LOADED.clear()
        _SCRATCH.append(tempfile.TemporaryDirectory())
        request = replace(order.request, cache=Path(_SCRATCH[-1].name))
        reduction = order.tasks.reduction
        made = {each: pair_task(each, request, reduction) for each in order.tasks.pairs}
        for network in order.tasks.networks:
            extractor = extractors.load(network, request.registry, request.networks)
            made[network] = extractor.task(request.cache)
        _LOADED[name] = made
    return _LOADED[name]
