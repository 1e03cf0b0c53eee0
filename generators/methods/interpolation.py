"""Nearest, bilinear, bicubic and Lanczos upsampling: the baselines that invent nothing.

The kernels are Pillow's, on 8-bit RGB with pixel centres aligned (half-pixel convention) and edges
clamped: bilinear is the triangle of radius 1, bicubic Keys' cubic with a = -0.5 (radius 2), Lanczos
the windowed sinc with a = 3. Pillow works in fixed point and rounds to 8 bits between the
horizontal and the vertical pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field

from generators.config import GenerateConfig
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


def upsample(pixels: Pixels, factor: int, kernel: str) -> Pixels:
    """Return the image `factor` times larger, ``(H·factor, W·factor, 3)`` uint8."""
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels).resize((width * factor, height * factor), KERNELS[kernel])
    return np.asarray(image)


def load(config: InterpolationConfig, runtime: Runtime) -> Generator:  # noqa: ARG001
    """Return the interpolation generator that the configuration names."""

    def images(tasks: Sequence[Task]) -> list[Pixels]:
        return [upsample(task.input(), config.factor, config.generator) for task in tasks]

    def refuses(width: int, height: int) -> str:
        return too_large(width * config.factor, height * config.factor)

    return Generator(images=images, facts=Facts(seeded=False), refuses=refuses)
