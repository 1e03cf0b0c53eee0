"""Low-resolution inputs: anti-aliased bicubic reduction, as in the SR3 paper.

The kernel is one of `generators.reductions`, on the 8-bit high-resolution image as it is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from generators.config import GenerateConfig
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
        reduce = REDUCTIONS[config.reduction].downsample
        return [reduce(task.input(), config.factor) for task in tasks]

    def refuses(width: int, height: int) -> str:
        whole = width % config.factor == 0 and height % config.factor == 0
        return "" if whole else f"is {width}x{height}, not a multiple of the factor {config.factor}"

    return Generator(images=images, facts=Facts(seeded=False), refuses=refuses)
