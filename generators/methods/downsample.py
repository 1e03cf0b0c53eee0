"""Low-resolution inputs: anti-aliased bicubic reduction, as in the SR3 paper.

The kernel is one of `generators.reductions`, on the 8-bit high-resolution image as it is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from generators.config import GenerateConfig
from generators.errors import ImageError
from generators.methods.contract import Facts, Generator, Runtime, Task
from generators.reductions import DEFAULT, REDUCTIONS, ReductionName
from generators.resize import Pixels


class DownsampleConfig(GenerateConfig):
    """Settings of a run of low-resolution inputs."""

    generator: Literal["downsample"]
    inputs: Path
    factor: int = Field(default=4, ge=2, le=64)
    reduction: ReductionName = DEFAULT


def load(config: DownsampleConfig, runtime: Runtime) -> Generator:  # noqa: ARG001
    """Return the generator of low-resolution inputs."""

    def images(tasks: Sequence[Task]) -> list[Pixels]:
        return [_one(task, config) for task in tasks]

    return Generator(images=images, facts=Facts(seeded=False))


def _one(task: Task, config: DownsampleConfig) -> Pixels:
    try:
        return REDUCTIONS[config.reduction].downsample(task.input(), config.factor)
    except ImageError as error:
        raise ImageError(f"item {task.id!r}: {error}") from None
