"""Nearest, bilinear, bicubic and Lanczos interpolation: the baselines that invent nothing.

They enlarge by a whole factor, or bring images to a given side, by which they may shrink, too; the
kernel is then stretched, so that nothing aliases (nearest excepted).

The kernels are Pillow's, on 8-bit RGB with pixel centres aligned (half-pixel convention) and edges
clamped: bilinear is the triangle of radius 1, bicubic Keys' cubic with a = -0.5 (radius 2), Lanczos
the windowed sinc with a = 3. Pillow works in fixed point and rounds to 8 bits between the
horizontal and the vertical pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from generators.config import GenerateConfig, refuse_unused
from generators.methods.contract import Facts, Generator, Runtime, Task
from generators.pixels import too_large
from generators.resize import Pixels

KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class InterpolationConfig(GenerateConfig):
    """Settings of an interpolation run."""

    generator: Literal["nearest", "bilinear", "bicubic", "lanczos"]
    inputs: Path
    factor: int = Field(default=4, ge=2, le=64)
    size: int | None = Field(default=None, ge=1, le=8192)  # of the longer side, in place of factor

    @model_validator(mode="after")
    def _enlarges_in_one_way(self) -> Self:
        if self.size is not None:
            refuse_unused(self, ["factor"], "but `size` says how large images become")
        return self


def to_side(pixels: Pixels, size: int, kernel: str) -> Pixels:
    """Return the image with `size` pixels on its longer side, the other in proportion, uint8."""
    height, width = pixels.shape[:2]
    return _resized(
        pixels, _side(width, width, height, size), _side(height, width, height, size), kernel
    )


def _side(side: int, width: int, height: int, size: int) -> int:
    return max(1, round(side * size / max(width, height)))


def upsample(pixels: Pixels, factor: int, kernel: str) -> Pixels:
    """Return the image `factor` times larger, ``(H·factor, W·factor, 3)`` uint8."""
    height, width = pixels.shape[:2]
    return _resized(pixels, width * factor, height * factor, kernel)


def _resized(pixels: Pixels, width: int, height: int, kernel: str) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((width, height), KERNELS[kernel]))


def load(config: InterpolationConfig, runtime: Runtime) -> Generator:  # noqa: ARG001
    """Return the interpolation generator that the configuration names."""

    def images(tasks: Sequence[Task]) -> list[Pixels]:
        return [_made(task.input(), config) for task in tasks]

    def refuses(width: int, height: int) -> str:
        if config.size is not None:
            return too_large(config.size, config.size)
        return too_large(width * config.factor, height * config.factor)

    return Generator(images=images, facts=Facts(seeded=False), refuses=refuses)


def _made(pixels: Pixels, config: InterpolationConfig) -> Pixels:
    if config.size is not None:
        return to_side(pixels, config.size, config.generator)
    return upsample(pixels, config.factor, config.generator)
