"""A run's batches as tasks of a Ray cluster: each calls the function that a local run calls.

Every machine must see the run folder, the inputs and the checkpoints under the same paths (a shared
file system) and have this checkout. A task that is lost and made again writes the same bytes.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from generators.cluster import spread
from generators.errors import GeneratorError
from generators.generate.batch import made_with, make
from generators.manifest import Item

if TYPE_CHECKING:
    from generators.config import GenerateConfig
    from generators.methods.contract import Generator, Runtime, Task
    from generators.runs.writer import RunWriter


def on_ray(
    address: str,
    config: GenerateConfig,
    batches: Sequence[Sequence[Task]],
    writer: RunWriter,
    runtime: Runtime,
    *,
    expected: dict[str, str],
) -> Iterator[list[Item]]:
    """Give the entries of each batch as the cluster finishes it, in any order.

    `expected` is what this machine would make them with: one that would use anything else refuses.
    Raises `ConfigError` when Ray is not installed or the cluster cannot be reached.
    """
    folder = writer.folder.resolve()
    order = Order(config.model_dump_json(exclude_unset=True), runtime, folder, Path.cwd(), expected)
    calls = [
        (order, {task.id: writer.files[task.id] for task in batch}, batch) for batch in batches
    ]
    yield from spread(address, make_shard, calls, device=runtime.device, errors=GeneratorError)


@dataclass(frozen=True)
class Order:
    """What all batches of a run share."""

    config: str  # as JSON
    runtime: Runtime
    folder: Path  # of the run, absolute
    cwd: Path  # the configuration's relative paths are of the folder the command ran in
    expected: dict[str, str]  # what makes the images: arithmetic, dtype, versions


def make_shard(order: Order, files: Mapping[str, str], tasks: Sequence[Task]) -> list[Item]:
    """Make one batch in a worker process; return its manifest entries."""
    os.chdir(order.cwd)
    generator = _loaded(order.config, order.runtime)
    _refuse_mixing(order.expected, made_with(generator))
    with ThreadPoolExecutor(order.runtime.workers) as pool:
        return make(generator, tasks, order.folder, files, pool)


def _refuse_mixing(expected: dict[str, str], found: dict[str, str]) -> None:
    for key, value in expected.items():
        if found.get(key) != value:
            raise GeneratorError(
                f"machine {platform.node()} of the cluster would make images with {key} "
                f"{found.get(key)!r}, the run was begun with {value!r}; all must be alike"
            )


@lru_cache(maxsize=1)
def _loaded(config: str, runtime: Runtime) -> Generator:
    """Return the generator of a configuration, loaded once in each worker process."""
    import json

    from generators.methods.registry import kind_of

    kind = kind_of(json.loads(config)["generator"], "ray task")
    return kind.load(kind.Config.model_validate_json(config), runtime)
