"""Batches of a run: which are still to do, and one of them made and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from generators.errors import GeneratorError
from generators.manifest import Item
from generators.methods.contract import Generator, Made, Runtime, Task
from generators.pixels import read_image
from generators.resize import Pixels
from generators.runs.writer import RunWriter, versions_of, write_image

DEFAULT_BATCH = 16


def library_versions(generator: Generator) -> dict[str, str]:
    """Return the versions of the libraries that make a generator's images."""
    return versions_of(("numpy", "pillow", *generator.facts.libraries))


def made_with(generator: Generator) -> dict[str, str]:
    """Return what must be the same on all machines that make one run."""
    facts = generator.facts
    return {"arithmetic": facts.arithmetic or "none", "dtype": facts.dtype} | library_versions(
        generator
    )


def batches(
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


def here(
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

    def write(task: Task, image: Pixels | Made) -> Item:
        made = image if isinstance(image, Made) else Made(image)
        facts = {"seed": task.seed if seeded else None, "label": task.label}
        facts |= {"source": task.id if task.source else None, "shortfall": made.shortfall}
        facts |= {"prompt": task.prompt}
        return write_image(folder, files[task.id], made.pixels, id=task.id, **facts)

    return list(pool.map(write, ready, images))


def _with_pixels(task: Task) -> Task:
    return task if task.source is None else replace(task, pixels=read_image(task.source))
