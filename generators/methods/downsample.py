"""Low-resolution inputs: anti-aliased bicubic reduction, as in the SR3 paper.

The kernel is `generators.resize.downsample`, on the 8-bit high-resolution image as it is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from generators.config import GenerateConfig
from generators.errors import ImageError
from generators.methods.contract import Facts, Generator, Runtime, Task
from generators.resize import Pixels, downsample


class DownsampleConfig(GenerateConfig):
    """Settings of a run of low-resolution inputs."""

    generator: Literal["downsample"]
    inputs: Path
    factor: int = Field(default=4, ge=2, le=64)


def load(config: DownsampleConfig, runtime: Runtime) -> Generator:  # noqa: ARG001
    """Return the generator of low-resolution inputs."""

    def images(tasks: Sequence[Task]) -> list[Pixels]:
        return [_one(task, config.factor) for task in tasks]

    return Generator(images=images, facts=Facts(seeded=False))


def _one(task: Task, factor: int) -> Pixels:
    try:
        return downsample(task.input(), factor)
    except ImageError as error:
        raise ImageError(f"item {task.id!r}: {error}") from None
