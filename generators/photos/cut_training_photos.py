"""Cut the training crops of the photo models out of three Debian packages.

    apt-get download plasma-workspace-wallpapers mate-backgrounds lxqt-themes
    for deb in *.deb; do dpkg -x "$deb" sources; done
    python -m generators.photos.cut_training_photos sources work/train/data/photos

Photos are reduced to half size by area and cut into overlapping 256x256 squares; near-flat squares
are left out. The test photos come from other packages (`generators.photos`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from generators.errors import ConfigError
from generators.resize import Pixels

SIZE = 256
STRIDE = 150  # at most
LEAST = 4.0  # sum of the mean absolute differences of grey levels across and down
PLASMA = (
    "BytheWater", "ColdRipple", "ColorfulCups", "DarkestHour", "EveningGlow", "FallenLeaf",
    "Grey", "Kite", "OneStandsOut", "Path", "summer_1am",
)  # fmt: skip
LXQT = (
    "Butterfly-Kenneth-Wimer.jpg", "Valendas.png", "after-the-rain.jpg", "appleflower.png",
    "beam.png", "butterfly.png", "cloud.png", "drop.png", "flowers.png", "fog.jpg",
    "this-is-not-windows.jpg",
)  # fmt: skip


def photos(sources: Path) -> dict[str, Path]:
    """Return the photographs by name. Raises `ConfigError` if a package is missing."""
    share = sources / "usr/share"
    found = {name: share / f"wallpapers/{name}/contents/images/2560x1600.jpg" for name in PLASMA}
    found |= {p.stem: p for p in sorted((share / "backgrounds/mate/nature").glob("*.*"))}
    found |= {Path(name).stem: share / "lxqt/wallpapers" / name for name in LXQT}
    missing = [path for path in found.values() if not path.is_file()]
    if missing or len(found) < 34:
        raise ConfigError(f"{sources}: {len(found)} photos, missing {missing[:1]}, expected 34")
    return found


def squares(pixels: Pixels) -> Iterator[tuple[int, int, Pixels]]:
    """Yield (top, left, square) of every square of a half-size photo that is not near-flat."""
    height, width = pixels.shape[:2]
    for top in _places(height):
        for left in _places(width):
            square = pixels[top : top + SIZE, left : left + SIZE]
            grey = square.mean(2)
            change = np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()
            if change >= LEAST:
                yield top, left, square


def _places(length: int) -> list[int]:
    count = -(-(length - SIZE) // STRIDE) + 1
    return [int(place) for place in np.linspace(0, length - SIZE, max(1, count))]


def cut(sources: Path, out: Path) -> int:
    """Write the squares as PNG files into `out` and return how many there are."""
    out.mkdir(parents=True, exist_ok=True)
    written = 0
    for name, path in photos(sources).items():
        with Image.open(path) as image:
            half = image.convert("RGB").resize(
                (image.width // 2, image.height // 2), Image.Resampling.BOX
            )
        for top, left, square in squares(np.asarray(half)):
            Image.fromarray(square).save(out / f"{name}-{top:04d}-{left:04d}.png", compress_level=1)
            written += 1
    return written


if __name__ == "__main__":
    print(cut(Path(sys.argv[1]), Path(sys.argv[2])))
