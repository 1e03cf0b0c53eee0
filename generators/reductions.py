"""The named ways to make low-resolution inputs: our kernel, and MATLAB's ``imresize``.

``bicubic`` is the project's kernel (`generators.resize`), and what every command uses unless it is
told otherwise. Super-resolution's data sets (DIV2K, Set5, …) were reduced by MATLAB's ``imresize``,
whose cubic is the same (Keys, a = -0.5, stretched by the factor) and whose edges are mirrored. It
rounds once when the image was converted to doubles first, and after each of the two directions when
it was not: both are in use, and differ in a tenth of the values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from generators.resize import KERNEL, ROUNDING, Pixels, bicubic, reduced_size

ReductionName = Literal["bicubic", "imresize", "imresize-8bit"]

DEFAULT: Final = "bicubic"

_IMRESIZE = "imresize (MATLAB): cubic a=-0.5, stretched, mirrored edges"


def imresize(pixels: Pixels, size: tuple[int, int], *, rounds_between: bool = False) -> Pixels:
    """Return the image resized to (width, height) as MATLAB's ``imresize`` does, with its defaults.

    `rounds_between` is what MATLAB does with 8-bit images; without it, the image counts as doubles
    that are written to a file. Equal to images that MATLAB made, to the bit (docs/generators.md).
    """
    values: NDArray[np.float64] = pixels.astype(np.float64)
    wanted = (size[1], size[0])
    # MATLAB begins with the direction that shrinks more.
    for axis in np.argsort([wanted[axis] / pixels.shape[axis] for axis in (0, 1)], kind="stable"):
        values = _along(values, int(axis), wanted[axis])
        if rounds_between:
            values = _rounded(values)
    result: Pixels = _rounded(values).astype(np.uint8)
    return result


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    # MATLAB rounds halves up; numpy's rint would round them to even.
    clipped: NDArray[np.float64] = np.floor(values.clip(0, 255) + 0.5)
    return clipped


def _along(values: NDArray[np.float64], axis: int, length: int) -> NDArray[np.float64]:
    moved = np.moveaxis(values, axis, 0)
    weights, sources = _taps(moved.shape[0], length)
    total = np.zeros((length, *moved.shape[1:]))
    for weight, source in zip(weights.T, sources.T, strict=True):  # in order, as MATLAB adds
        total += weight[:, None, None] * moved[source]
    return np.moveaxis(total, 0, axis)


def _taps(old: int, new: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the weights ``(new, taps)`` of a direction, and the samples that they belong to."""
    scale = new / old
    stretch = min(scale, 1.0)
    support = 4 / stretch
    centre = np.arange(1, new + 1) / scale + 0.5 * (1 - 1 / scale)
    sample = np.floor(centre - support / 2)[:, None] + np.arange(int(np.ceil(support)) + 2)
    weights = _cubic(stretch * (centre[:, None] - sample))
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = np.r_[np.arange(old), np.arange(old)[::-1]]
    sources: NDArray[np.int64] = mirrored[(sample.astype(np.int64) - 1) % (2 * old)]
    used = weights.any(axis=0)
    return weights[:, used], sources[:, used]


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Keys' cubic with a = -0.5 (1981, equation 15)."""
    x = np.abs(x)
    near, far = (1.5 * x - 2.5) * x**2 + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    found: NDArray[np.float64] = np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
    return found


@dataclass(frozen=True)
class Reduction:
    """One way to make images smaller, in the words that scores carry."""

    kernel: str
    rounding: str
    resize: Callable[[Pixels, tuple[int, int]], Pixels]  # to (width, height)

    def downsample(self, pixels: Pixels, factor: int) -> Pixels:
        """Return the image `factor` times smaller. Raises `ImageError` for an indivisible size."""
        return self.resize(pixels, reduced_size(pixels, factor))


REDUCTIONS: dict[str, Reduction] = {
    DEFAULT: Reduction(KERNEL, ROUNDING, bicubic),
    "imresize": Reduction(f"{_IMRESIZE}, in doubles", ROUNDING, imresize),
    "imresize-8bit": Reduction(
        f"{_IMRESIZE}, in 8 bits",
        "clipped to 0..255, rounded to 8 bits after each direction",
        partial(imresize, rounds_between=True),
    ),
}


def reduction_of(config: dict[str, Any]) -> str:
    """Return the name of the reduction in a run's configuration: runs of before had one only."""
    return str(config.get("reduction", DEFAULT))
