"""Consistency of super-resolution: does the output, made small again, give its input back?

SR3's Table 1 prints the mean squared error "x 1e-5" between the low-resolution input and the
downsampled output, and not the value range, the resampler or the rounding. Ours are declared: the
kernel that `dataset import --lr` makes inputs with (`generators.resize`), pixel values 0..1. A
photo's consistency with its own input is therefore exactly 0. Inputs that were made in another of
the named ways (`generators.reductions`) are compared with outputs that are reduced in that way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from generators.reductions import DEFAULT, REDUCTIONS
from metrics.catalogue import CONSISTENCY_UNIT
from metrics.errors import InputError
from metrics.paired.psnr import squared_error


def in_published_units(
    output: NDArray[np.uint8], low: NDArray[np.uint8], reduction: str = DEFAULT
) -> float:
    """Return the consistency as SR3's Table 1 prints it, in units of 1e-5."""
    return consistency(output, low, reduction) / CONSISTENCY_UNIT


def consistency(
    output: NDArray[np.uint8], low: NDArray[np.uint8], reduction: str = DEFAULT
) -> float:
    """Return the mean squared error in 0..1 of the downsampled output against its input.

    `low` must be smaller than `output` by one whole factor in both directions. Raises `InputError`.
    """
    height, width = low.shape[:2]
    factor = output.shape[0] // height if height else 0
    if factor < 2 or output.shape[:2] != (height * factor, width * factor):
        big = f"{output.shape[1]}x{output.shape[0]}"
        raise InputError(
            f"an output of {big} is not 2, 3, … times as large as its {width}x{height} input"
        )
    small = REDUCTIONS[reduction].downsample(output, factor)
    return squared_error(small, low) / low.size / 255.0**2
