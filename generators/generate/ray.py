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
from typing import TYPE_CHECKING, Any

from generators.errors import ConfigError, GeneratorError
from generators.generate.batch import made_with, make
from generators.manifest import Item

if TYPE_CHECKING:
    from generators.config import GenerateConfig
    from generators.methods.contract import Generator, Runtime, Task
    from generators.runs.writer import RunWriter

IN_FLIGHT = 4  # batches handed out for each that the cluster can make at once


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
    ray = _connect(address)
    try:
        unit = "GPU" if runtime.device.startswith("cuda") else "CPU"
        remote = ray.remote(**{f"num_{unit.lower()}s": 1})(make_shard)
        folder = writer.folder.resolve()
        order = Order(config.model_dump_json(), runtime, folder, Path.cwd(), expected)
        left = list(batches)
        most = IN_FLIGHT * max(1, int(ray.cluster_resources().get(unit, 1)))
        waiting: set[Any] = set()
        while left or waiting:
            while left and len(waiting) < most:
                batch = left.pop(0)
                files = {task.id: writer.files[task.id] for task in batch}
                waiting.add(remote.remote(order, files, batch))
            ready, _rest = ray.wait(list(waiting), num_returns=1)
            waiting -= set(ready)
            yield from _results(ray, ready)
    finally:
        ray.shutdown()


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


def _connect(address: str) -> Any:
    try:
        import ray
    except ImportError:
        raise ConfigError("--ray needs the package: pip install 'ray>=2.45'") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    root = str(Path(__file__).resolve().parents[2])
    environment = {"env_vars": {"PYTHONPATH": root}}
    options: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address, runtime_env=environment, log_to_driver=False, **options)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        first = str(error).strip().splitlines()[0]
        raise ConfigError(f"--ray {address}: no cluster there ({first})") from None
    return ray


def _results(ray: Any, ready: Sequence[Any]) -> Iterator[list[Item]]:
    for reference in ready:
        try:
            yield ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, GeneratorError):
                raise cause from None
            raise
