"""Images for timings and tests: crops of photographs, and folders of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data


def crops(count: int, side: int = 256, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Return seeded crops ``(side, side, 3)`` of scikit-image's photographs."""
    return list(each_crop(count, side, seed))


def each_crop(count: int, side: int = 256, seed: int = 0) -> Iterator[NDArray[np.uint8]]:
    """Yield what `crops` returns, one at a time."""
    photos = [data.astronaut(), data.coffee(), data.chelsea()]
    random = np.random.default_rng(seed)
    for index in range(count):
        photo = photos[index % len(photos)]
        top = random.integers(photo.shape[0] - side + 1)
        left = random.integers(photo.shape[1] - side + 1)
        yield np.ascontiguousarray(photo[top : top + side, left : left + side])


def write_runs(
    folder: Path, count: int, side: int = 256, advance: Callable[[int], None] = lambda _: None
) -> tuple[Path, Path]:
    """Write `count` crops and blurred ones as two folders of PNGs, and return both folders.

    No two are equal, since ours would compute equal images once and a peer twice: where a crop is
    drawn again, its number stands in its first pixel.
    """
    real, fake = folder / "real", folder / "fake"
    for place in (real, fake):
        place.mkdir(parents=True)
    seen: set[bytes] = set()
    for index, pixels in enumerate(each_crop(count, side)):
        image = Image.fromarray(_unequal(pixels, index, seen))
        image.save(real / f"{index:05d}.png", compress_level=1)
        small = image.resize((side // 4, side // 4), Image.Resampling.BICUBIC)
        blurred = np.array(small.resize((side, side), Image.Resampling.BICUBIC))
        image = Image.fromarray(_unequal(blurred, index, seen))
        image.save(fake / f"{index:05d}.png", compress_level=1)
        advance(1)
    return fake, real


def _unequal(pixels: NDArray[np.uint8], index: int, seen: set[bytes]) -> NDArray[np.uint8]:
    """Return the pixels, with a number in the first of them if these were seen."""
    while _digest(pixels) in seen:
        pixels[0, 0] = list(index.to_bytes(3, "big"))
        index += 1
    seen.add(_digest(pixels))
    return pixels


def _digest(pixels: NDArray[np.uint8]) -> bytes:
    return hashlib.sha256(pixels.tobytes()).digest()
