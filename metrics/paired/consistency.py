"""Consistency of super-resolution: does the output, made small again, give its input back?

SR3's Table 1 prints the mean squared error "x 1e-5" between the low-resolution input and the
downsampled output, and not the value range, the resampler or the rounding. Ours are declared:
Pillow's anti-aliased bicubic (a = -0.5) at 8 bits, clipped and rounded to integers as a
written PNG would be, pixel values 0..1. The published scale is ``consistency / 1e-5``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metrics.errors import InputError
from metrics.paired.psnr import squared_error

KERNEL = "bicubic-antialiased (Pillow, a=-0.5)"
ROUNDING = "clipped to 0..255, rounded to 8 bits"
RANGE = "0..1"


def downsample(x: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the image ``(H, W, 3)`` resized to (width, height) with the declared kernel."""
    return np.asarray(Image.fromarray(x).resize(size, Image.Resampling.BICUBIC))


def consistency(output: NDArray[np.uint8], low: NDArray[np.uint8]) -> float:
    """Return the mean squared error in 0..1 of the downsampled output against its input.

    `low` must be smaller than `output` by one whole factor in both directions. Raises `InputError`.
    """
    height, width = low.shape[:2]
    factor = output.shape[0] // height if height else 0
    if factor < 1 or output.shape[:2] != (height * factor, width * factor):
        big = f"{output.shape[1]}x{output.shape[0]}"
        raise InputError(f"an output of {big} is no whole multiple of its {width}x{height} input")
    return squared_error(downsample(output, (width, height)), low) / low.size / 255.0**2
