"""The driver of `generate CONFIG.toml`: one generator, one item list, one run folder.

How to plug a generator in is written in `generators.methods.contract`; the names are in
`generators.methods.registry`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from generators.config import GenerateConfig, parse_config, read_toml
from generators.errors import ConfigError, GeneratorError
from generators.generate.ray import on_ray
from generators.images.item_names import IdRule
from generators.manifest import Item, Manifest, Run, open_run, refuse_unusable
from generators.methods.contract import Generator, Kind, Pixels, Runtime, Task
from generators.methods.registry import kind_of
from generators.pixels import read_image
from generators.progress import progress, say
from generators.runs.writer import (
    RunWriter,
    check_epoch,
    refuse_other_content,
    versions_of,
    write_image,
)

DEFAULT_BATCH = 16
_UNSAID = (("ids", "stem"), ("order", None), ("names", None))


def generate(
    path: Path,
    runtime: Runtime | None = None,
    *,
    inputs: Path | None = None,
    out: Path | None = None,
    ids: IdRule | None = None,
    ray: str | None = None,
) -> Manifest:
    """Make the run that a TOML file describes and return its manifest.

    Finished images of an earlier, interrupted call are kept; a finished run is returned as it is.
    `inputs`, `out` and `ids` replace the file's; `ray` is the address of a Ray cluster. Raises
    `ConfigError`, `RunError`, `ImageError`.
    """
    config, kind = read_config(path, inputs=inputs, out=out, ids=ids)
    return make_run(config, kind, runtime or Runtime(), ray)


def make_run(
    config: GenerateConfig, kind: Kind, runtime: Runtime, ray: str | None = None
) -> Manifest:
    """Make the run of a checked configuration and return its manifest (see `generate`)."""
    refuse_other_content(config.out)
    check_epoch()
    run = open_run(config.inputs, config.ids) if config.inputs else None
    tasks = plan(config, kind, run)
    if run is not None:
        say(run.notes + refuse_unusable(run, [task.id for task in tasks]))
    generator = kind.load(config, runtime)
    identity = _identity(config, generator, run, runtime)
    with RunWriter(config.out, identity, [task.id for task in tasks]) as writer:
        if writer.finished:
            return writer.finished
        batches = list(_batches(generator, tasks, writer, runtime))
        if ray:
            made = on_ray(ray, config, batches, writer, runtime)
        else:
            made = _here(generator, batches, writer, runtime)
        _record_all(made, writer, len(tasks), len(tasks) - sum(map(len, batches)))
        return writer.finish(**_facts(generator))


def _record_all(made: Iterable[list[Item]], writer: RunWriter, total: int, done: int) -> None:
    with progress(writer.folder.name, total, done) as advance:
        for items in made:
            writer.record(items)
            advance(len(items))


def read_config(
    path: Path,
    *,
    inputs: Path | None = None,
    out: Path | None = None,
    ids: IdRule | None = None,
) -> tuple[GenerateConfig, Kind]:
    """Return a run's checked configuration and its registry entry. Raises `ConfigError`."""
    fields = read_toml(path)
    if "generator" not in fields:
        raise ConfigError(f"{path}: key 'generator' is missing")
    kind = kind_of(fields["generator"], path)
    given = {"inputs": inputs, "out": out, "ids": ids}
    fields |= {key: str(value) for key, value in given.items() if value is not None}
    return parse_config(path, fields, kind.Config), kind


def plan(config: GenerateConfig, kind: Kind, run: Run | None) -> list[Task]:
    """Return the images to make, in id order: one per input image, or the generator's own list."""
    entries: list[tuple[str, str | None, Path | None]]
    if run is not None:
        labels = run.labels()
        entries = [(item, labels.get(item), source) for item, source in run.files.items()]
    elif kind.items is not None:
        entries = [(item, label, None) for item, label in sorted(kind.items(config))]
    else:
        raise ConfigError(f"generator {config.generator!r} needs the key 'inputs': a run of images")
    return [
        Task(id=item, seed=item_seed(config.seed, item), label=label, source=source)
        for item, label, source in entries[: config.limit]
    ]


def item_seed(seed: int, item: str) -> int:
    """Return the seed of one item's randomness: a hash, so that it stays when other items go.

    Below 2**53, so that the manifest's number survives readers that hold numbers as doubles.
    """
    digest = hashlib.sha256(f"{seed}\0{item}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 11


def _identity(
    config: GenerateConfig, generator: Generator, run: Run | None, runtime: Runtime
) -> dict[str, Any]:
    fields = config.model_dump(mode="json", exclude={"out", "generator"})
    # Keys that came later are left out where they say nothing: runs made before stay the same.
    fields = {k: v for k, v in fields.items() if (k, v) not in _UNSAID}
    # A path is where something lay on one machine; what it was is said by the digests.
    named = {key: value.name for key, value in config if isinstance(value, Path) and key in fields}
    return {
        "generator": config.generator,
        "config": fields | named,
        "inputs": ({"inputs": run.digest()} if run else {}) | generator.facts.inputs,
        "checkpoint": generator.facts.checkpoint,
        "micro_batch": generator.micro_batch,
        "dtype": generator.facts.dtype,
        "device": runtime.device if "torch" in generator.facts.libraries else "cpu",
    }


def _facts(generator: Generator) -> dict[str, Any]:
    facts = generator.facts
    return {
        "sampler": facts.sampler,
        "evaluations": facts.evaluations,
        "versions": versions_of(("numpy", "pillow", *facts.libraries)),
    }


def _here(
    generator: Generator, batches: Sequence[Sequence[Task]], writer: RunWriter, runtime: Runtime
) -> Iterator[list[Item]]:
    """Give the entries of each batch as it is made by this process."""
    with ThreadPoolExecutor(runtime.workers) as pool:
        for batch in batches:
            yield make(generator, batch, writer.folder, writer.files, pool)


def make(
    generator: Generator,
    tasks: Sequence[Task],
    folder: Path,
    files: Mapping[str, str],
    pool: ThreadPoolExecutor,
) -> list[Item]:
    """Make and write one batch of images; return their manifest entries.

    Made again, the same batch gives the same files: this is what a resumed run and a cluster's
    second attempt call.
    """
    ready = list(pool.map(_with_pixels, tasks))
    images = generator.images(ready)
    if len(images) != len(ready):
        raise GeneratorError(f"the generator made {len(images)} images of {len(ready)}")
    seeded = generator.facts.seeded

    def write(task: Task, pixels: Pixels) -> Item:
        facts = {"seed": task.seed if seeded else None, "label": task.label}
        source = task.id if task.source else None
        return write_image(folder, files[task.id], pixels, id=task.id, source=source, **facts)

    return list(pool.map(write, ready, images))


def _with_pixels(task: Task) -> Task:
    return task if task.source is None else replace(task, pixels=read_image(task.source))


def _batches(
    generator: Generator, tasks: Sequence[Task], writer: RunWriter, runtime: Runtime
) -> Iterator[Sequence[Task]]:
    """Give the batches that are still to do.

    Where the result may depend on the batch, each is a fixed slice of the whole list, and made
    again whole when one of its images is missing: an interruption then changes no bit.
    """
    if generator.micro_batch is None:
        tasks = [task for task in tasks if task.id not in writer.done]
    size = generator.micro_batch or runtime.batch or DEFAULT_BATCH
    for start in range(0, len(tasks), size):
        batch = tasks[start : start + size]
        if any(task.id not in writer.done for task in batch):
            yield batch
