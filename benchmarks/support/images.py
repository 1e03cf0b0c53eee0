"""Images for timings and tests: crops of photographs, and folders of them."""

from __future__ import annotations

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
    """Write `count` crops and blurred ones as two folders of PNGs, and return both folders."""
    real, fake = folder / "real", folder / "fake"
    for place in (real, fake):
        place.mkdir(parents=True)
    for index, pixels in enumerate(each_crop(count, side)):
        image = Image.fromarray(pixels)
        image.save(real / f"{index:05d}.png", compress_level=1)
        small = image.resize((side // 4, side // 4), Image.Resampling.BICUBIC)
        blurred = small.resize((side, side), Image.Resampling.BICUBIC)
        blurred.save(fake / f"{index:05d}.png", compress_level=1)
        advance(1)
    return fake, real
