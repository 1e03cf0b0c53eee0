"""Low-resolution inputs: anti-aliased bicubic reduction, as in the SR3 paper.

Keys' cubic with a = -0.5, stretched by the factor so that it is a low-pass filter, pixel centres
aligned, on the 8-bit high-resolution image as it is stored. Both passes run in floating point; the
result is clipped to 0..255 and rounded once, when it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from generators.config import GenerateConfig
from generators.errors import ImageError
from generators.methods.contract import Facts, Generator, Pixels, Runtime, Task


class DownsampleConfig(GenerateConfig):
    """Settings of a run of low-resolution inputs."""

    generator: Literal["downsample"]
    inputs: Path
    factor: int = Field(default=4, ge=2, le=64)


def resize_float(
    pixels: Pixels, size: tuple[int, int], kernel: Image.Resampling
) -> NDArray[np.float32]:
    """Return an image resized to (width, height) in float32 on the 0..255 scale, not clipped."""
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in np.moveaxis(pixels, -1, 0)]
    return np.stack([np.asarray(plane.resize(size, kernel)) for plane in planes], axis=-1)


def to_8bit(values: NDArray[np.floating[Any]]) -> Pixels:
    """Return floats on the 0..255 scale clipped and rounded to 8 bits."""
    rounded: Pixels = np.rint(values).clip(0, 255).astype(np.uint8)
    return rounded


def downsample(pixels: Pixels, factor: int) -> Pixels:
    """Return the image `factor` times smaller. Raises `ImageError` for an indivisible size."""
    height, width = pixels.shape[:2]
    if height % factor or width % factor:
        raise ImageError(f"image of {width}x{height}: not a multiple of the factor {factor}")
    size = (width // factor, height // factor)
    return to_8bit(resize_float(pixels, size, Image.Resampling.BICUBIC))


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
