"""Structural similarity (Wang et al. 2004) and its multi-scale form (Wang et al. 2003).

Gaussian window of 11 pixels, sigma 1.5, population covariance, mean over the valid region and over
the channels: scikit-image's ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False``.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from metrics.errors import InputError
from metrics.paired.psnr import luma

Array = NDArray[np.float64]

WINDOW = 11
SIGMA = 1.5
K1, K2, PEAK = 0.01, 0.03, 255.0
C1, C2 = (K1 * PEAK) ** 2, (K2 * PEAK) ** 2

# Wang, Simoncelli and Bovik 2003, section 3.2; they add up to 1.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Halved four times, with odd rows dropped, an image must still hold one window.
SMALLEST_MS_SSIM = WINDOW * 2 ** (len(SCALE_WEIGHTS) - 1)

# The separable filter is done as products with a banded matrix, this many outputs at a time: more
# outputs waste work on the band's zeros, fewer are too small for the matrix product.
_BLOCK = 24


@cache
def _band(outputs: int) -> Array:
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    weights /= weights.sum()
    band = np.zeros((outputs + WINDOW - 1, outputs))
    for column in range(outputs):
        band[column : column + WINDOW, column] = weights
    return band


def gaussian(maps: Array) -> Array:
    """Return the maps ``(..., H, W)`` filtered by the window, ``(..., H-10, W-10)``."""
    *lead, height, width = maps.shape
    rows, columns = height - WINDOW + 1, width - WINDOW + 1
    across = np.empty((*lead, height, columns))
    block = min(_BLOCK, columns)
    for start in range(0, columns, block):
        at = min(start, columns - block)
        source = maps[..., at : at + block + WINDOW - 1]
        np.matmul(source, _band(block), out=across[..., at : at + block])
    down = np.empty((*lead, rows, columns))
    block = min(_BLOCK, rows)
    for start in range(0, rows, block):
        at = min(start, rows - block)
        source = across[..., at : at + block + WINDOW - 1, :]
        np.matmul(_band(block).T, source, out=down[..., at : at + block, :])
    return down


def _terms(x: Array, y: Array) -> tuple[Array, Array]:
    """Return the luminance and the structure maps of one channel (Wang 2004, eq. 6, 9)."""
    # Only the sum of the two variances is needed, hence four filtered maps and not five.
    maps = np.empty((4, *x.shape))
    maps[0], maps[1] = x, y
    np.multiply(x, y, out=maps[3])
    np.multiply(x, x, out=maps[2])
    maps[2] += y * y
    mean_x, mean_y, square, product = gaussian(maps)
    means = mean_x * mean_y
    mean_squares = mean_x * mean_x
    mean_squares += mean_y * mean_y
    # From here on in place: new arrays would cost as much as the arithmetic.
    square -= mean_squares
    square += C2
    product -= means
    product *= 2
    product += C2
    product /= square
    means *= 2
    means += C1
    mean_squares += C1
    means /= mean_squares
    return means, product


def ssim(x: NDArray[np.uint8], y: NDArray[np.uint8]) -> float:
    """Return the SSIM in -1..1 of two RGB images ``(H, W, 3)`` uint8. Raises `InputError`.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(12 * 12 * 3, dtype=np.uint8).reshape(12, 12, 3)
    >>> ssim(image, image)
    1.0
    """
    _check(x, y, WINDOW)
    values = []
    for channel in range(x.shape[2]):
        luminance, structure = _terms(
            x[..., channel].astype(np.float64), y[..., channel].astype(np.float64)
        )
        values.append(float(np.mean(luminance * structure)))
    return math.fsum(values) / len(values)


def ssim_y(x: NDArray[np.uint8], y: NDArray[np.uint8]) -> float:
    """Return the SSIM in -1..1 of the BT.601 luma of two RGB images. Raises `InputError`.

    The luma is 16..235 and not rounded, the constants are those of a peak of 255: as in BasicSR's
    ``calculate_ssim`` with ``test_y_channel``.
    """
    _check(x, y, WINDOW)
    luminance, structure = _terms(luma(x), luma(y))
    return float(np.mean(luminance * structure))


def ms_ssim(x: NDArray[np.uint8], y: NDArray[np.uint8]) -> float:
    """Return the five-scale SSIM of two RGB images of at least 176 pixels a side.

    Between scales the image is averaged over 2x2 pixels; a negative contrast term, whose fractional
    power does not exist, counts as 0. The mean over the channels is taken last.
    """
    _check(x, y, SMALLEST_MS_SSIM)
    channels = range(x.shape[2])
    pairs = ((x[..., c].astype(np.float64), y[..., c].astype(np.float64)) for c in channels)
    return math.fsum(_ms_ssim_channel(*pair) for pair in pairs) / len(channels)


def _ms_ssim_channel(x: Array, y: Array) -> float:
    result: float = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        luminance, structure = _terms(x, y)
        last = scale == len(SCALE_WEIGHTS) - 1
        value = float(np.mean(luminance * structure if last else structure))
        result *= math.pow(max(value, 0.0), weight)
        x, y = _halve(x), _halve(y)
    return result


def _halve(x: Array) -> Array:
    height, width = (side - side % 2 for side in x.shape)
    x = x[:height, :width]
    return (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4


def _check(x: NDArray[np.uint8], y: NDArray[np.uint8], smallest: int) -> None:
    if x.shape != y.shape:
        raise InputError(f"two images of one size are needed, found {x.shape} and {y.shape}")
    if min(x.shape[:2]) < smallest:
        raise InputError(f"at least {smallest} pixels a side are needed, found {x.shape[:2]}")
