"""Peak signal-to-noise ratio of 8-bit images, per image in dB (scikit-image's definition)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from metrics.errors import InputError

PEAK = 255.0

# Rows of 256 squares of 8-bit differences stay below 2**24, so their fp32 sums are exact integers.
_ROW = 256

# BT.601 luma with studio swing (16..235), as in MATLAB's rgb2ycbcr and most papers.
_BT601 = np.array([65.481, 128.553, 24.966]) / 255.0


def squared_error(x: NDArray[np.uint8], y: NDArray[np.uint8]) -> int:
    """Return the exact sum of squared differences of two uint8 arrays of one shape."""
    if x.shape != y.shape or x.dtype != np.uint8 or y.dtype != np.uint8:
        found = f"{x.dtype}{x.shape} and {y.dtype}{y.shape}"
        raise InputError(f"two images of one size are needed, 8 bits a channel; found {found}")
    difference = (np.maximum(x, y) - np.minimum(x, y)).astype(np.float32).ravel()
    whole = difference.size - difference.size % _ROW
    rows = difference[:whole].reshape(-1, _ROW)
    tail = difference[whole:]
    return int(np.vecdot(rows, rows).sum(dtype=np.float64)) + int(np.dot(tail, tail))


def psnr(x: NDArray[np.uint8], y: NDArray[np.uint8]) -> float:
    """Return the PSNR in dB of two RGB images ``(H, W, 3)`` uint8; infinity when they are equal.

    Examples
    --------
    >>> import numpy as np
    >>> zeros = np.zeros((8, 8, 3), np.uint8)
    >>> round(psnr(zeros, zeros + np.uint8(10)), 4)  # 20 log10(255 / 10)
    28.1308
    """
    return _decibels(squared_error(x, y) / x.size)


def luma(x: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the BT.601 studio-swing luma ``(H, W)`` of an RGB image, in 16..235, not rounded."""
    return 16.0 + x.astype(np.float64) @ _BT601


def psnr_y(x: NDArray[np.uint8], y: NDArray[np.uint8]) -> float:
    """Return the PSNR in dB of the BT.601 luma channels, with a peak of 255."""
    return _decibels(float(np.mean((luma(x) - luma(y)) ** 2)))


def crop(x: NDArray[np.uint8], border: int) -> NDArray[np.uint8]:
    """Return the image without `border` pixels on each side. Raises `InputError`."""
    height, width = x.shape[:2]
    if border < 0:
        raise InputError(f"the border is {border}, expected 0 or more pixels")
    if min(height, width) <= 2 * border:
        raise InputError(f"a border of {border} leaves nothing of a {width}x{height} image")
    return x[border : height - border, border : width - border] if border else x


def _decibels(mean_square: float) -> float:
    return math.inf if mean_square == 0 else 10.0 * math.log10(PEAK**2 / mean_square)
