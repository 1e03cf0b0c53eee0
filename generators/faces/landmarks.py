"""Landmarks of faces, as points beside the images, and the maps that FSRNet learns from them.

The points are numbered as in MediaPipe's face mesh; `detect` writes the file. Of them come heatmaps
(a Gaussian at each of 23 landmarks) and parsing maps (which of 8 regions covers a pixel).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from generators.errors import ConfigError, cause
from generators.files import write_atomically

Points = NDArray[np.float32]  # (landmarks, 2): x, y as shares of the image's width and height

OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
NOSE = (168, 344, 278, 294, 327, 326, 2, 97, 98, 64, 48, 115)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
MOUTH = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
# Outlines, each region without the one after the minus sign.
REGIONS = (OVAL, RIGHT_BROW, LEFT_BROW, RIGHT_EYE, LEFT_EYE, NOSE, LIPS, MOUTH)
LIPS_REGION, MOUTH_REGION = 6, 7
# Single landmarks: on the right side of the face, their mirrors, and those in its middle.
RIGHT = (33, 133, 70, 105, 107, 64, 61, 234)
LEFT = (263, 362, 300, 334, 336, 294, 291, 454)
MIDDLE = (1, 0, 17, 13, 14, 152, 10)
LANDMARKS = RIGHT + LEFT + MIDDLE
MAPS = len(LANDMARKS) + len(REGIONS)
NUMBERS = tuple(sorted({number for outline in REGIONS for number in outline} | set(LANDMARKS)))

SIGMA = 1.2 / 32  # of a heatmap's Gaussian, as a share of the side
FINE = 8  # sub-pixels a side, of which a parsing map is the mean


def write_landmarks(path: Path, points: Mapping[str, Points]) -> None:
    """Write the points ``(landmarks, 2)`` of images, numbered as `NUMBERS`, by item id. Atomic."""
    items = sorted(points)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        items=np.array(items),
        numbers=np.array(NUMBERS, np.int16),
        points=np.stack([points[item] for item in items]).astype(np.float16),
    )
    write_atomically(path, buffer.getvalue())


def read_landmarks(path: Path) -> dict[str, Points]:
    """Return the points in a file of `write_landmarks`, by item id. Raises `ConfigError`."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            items, numbers, points = (arrays[key] for key in ("items", "numbers", "points"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file, expected landmarks (.npz)") from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path}: not a file of landmarks ({cause(error)})") from None
    expected = (len(items), len(NUMBERS), 2)
    if tuple(numbers.tolist()) != NUMBERS or points.shape != expected:
        raise ConfigError(
            f"{path}: points of shape {points.shape}, expected {expected}, numbered as "
            "generators.faces.landmarks.NUMBERS"
        )
    if not np.isfinite(points).all():
        raise ConfigError(f"{path}: a point is not a finite number")
    return dict(zip(map(str, items), points.astype(np.float32), strict=True))


def prior_maps(points: Points, side: int, *, flipped: bool = False) -> NDArray[np.float32]:
    """Return the maps ``(MAPS, side, side)`` of a face, 0..1: the heatmaps, then the regions.

    `flipped`: of the face's mirror image, in which right and left change places.
    """
    place = {number: points[k] for k, number in enumerate(NUMBERS)}
    made = np.stack(
        [_heatmap(place[number], side) for number in LANDMARKS]
        + _regions({number: xy.tolist() for number, xy in place.items()}, side)
    )
    return np.ascontiguousarray(made[_MIRROR][:, :, ::-1]) if flipped else made


def _mirror() -> list[int]:
    count, middle = len(RIGHT), len(RIGHT) + len(LEFT)
    regions = len(LANDMARKS)
    heat = [*range(count, middle), *range(count), *range(middle, regions)]
    return heat + [regions + k for k in (0, 2, 1, 4, 3, 5, 6, 7)]


_MIRROR = _mirror()


def _heatmap(point: Points, side: int) -> NDArray[np.float32]:
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = (np.exp(-0.5 * ((centres - at) / SIGMA) ** 2) for at in point)
    made: NDArray[np.float32] = np.outer(y, x).astype(np.float32)
    return made


def _regions(place: Mapping[int, Sequence[float]], side: int) -> list[NDArray[np.float32]]:
    covered = [_covered([place[number] for number in outline], side) for outline in REGIONS]
    covered[LIPS_REGION] = np.maximum(covered[LIPS_REGION] - covered[MOUTH_REGION], 0)
    return covered


def _covered(outline: Sequence[Sequence[float]], side: int) -> NDArray[np.float32]:
    """Return which share of each pixel lies within an outline."""
    image = Image.new("L", (side * FINE, side * FINE))
    corners = [(x * side * FINE - 0.5, y * side * FINE - 0.5) for x, y in outline]
    ImageDraw.Draw(image).polygon(corners, fill=1)
    fine = np.asarray(image, np.float32).reshape(side, FINE, side, FINE)
    mean: NDArray[np.float32] = fine.mean(axis=(1, 3))
    return mean
