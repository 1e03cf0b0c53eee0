"""Making images smaller: the one kernel that imports, trainings and metrics share.

`downsample` is Keys' cubic with a = -0.5, stretched by the factor so that it is a low-pass filter,
pixel centres aligned. Both passes run in floating point; the result is clipped to 0..255 and
rounded once. (Pillow's own 8-bit resize rounds between the passes, too.) `central_square` averages
by area in whole numbers. A program that makes inputs smaller in any other way scores a
photo against another image than its own input.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generators.errors import ImageError

Pixels = NDArray[np.uint8]  # (H, W, 3), RGB

KERNEL = "bicubic-antialiased (a=-0.5), in floats"
ROUNDING = "clipped to 0..255, rounded once to 8 bits"


def downsample(pixels: Pixels, factor: int) -> Pixels:
    """Return the image `factor` times smaller. Raises `ImageError` for an indivisible size."""
    return bicubic(pixels, reduced_size(pixels, factor))


def reduced_size(pixels: Pixels, factor: int) -> tuple[int, int]:
    """Return (width, height) of an image made `factor` times smaller. Raises `ImageError`."""
    height, width = pixels.shape[:2]
    if height % factor or width % factor:
        raise ImageError(f"image of {width}x{height}: not a multiple of the factor {factor}")
    return width // factor, height // factor


def bicubic(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Return the image resized to (width, height) by the kernel of `downsample`."""
    return to_8bit(resize_float(pixels, size, Image.Resampling.BICUBIC))


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


def central_square(pixels: Pixels) -> Pixels:
    """Return the largest central square of an image, a view ``(S, S, 3)``."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def area(square: Pixels, size: int) -> Pixels:
    """Return a square image resized by area averaging to ``(size, size, 3)``, rounded once."""
    side = len(square)
    if side == size:
        return square
    planes = [_area_sums(_area_sums(plane, size).T, size).T for plane in np.moveaxis(square, -1, 0)]
    means = np.stack(planes, axis=-1) / side**2
    return to_8bit(means)


def _area_sums(plane: NDArray[Any], size: int) -> NDArray[np.int64]:
    """Return `size` rows, each the sum of the rows it covers, weighted by overlap in 1/size rows.

    Whole numbers throughout, so the mean is exact at any ratio and on any machine. (Pillow's BOX
    filter weights by sample centres, which is the area average at whole factors only.)
    """
    length = plane.shape[0]
    total = np.zeros((length + 1, plane.shape[1]), np.int64)
    np.cumsum(plane, axis=0, out=total[1:])
    whole, part = np.divmod(np.arange(size + 1) * length, size)
    inside = plane[np.minimum(whole, length - 1)].astype(np.int64)
    sums: NDArray[np.int64] = np.diff(size * total[whole] + part[:, None] * inside, axis=0)
    return sums
