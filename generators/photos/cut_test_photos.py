"""Cut the 100 test photos out of two Debian packages; run it only to check or renew them.

    apt-get download lomiri-wallpapers-16.04 lomiri-wallpapers-20.04
    for deb in lomiri-wallpapers-*.deb; do dpkg -x "$deb" sources; done
    python -m generators.photos.cut_test_photos sources generators/photos/crops

The rules, in the order that they apply:

1. Sources are the photographs in colour that give at least seven crops; the drawings, gradients and
   composites of the packages, and one photograph too small, are listed with the reason in LEFT_OUT.
2. A source is turned upright and reduced to half its size by area averaging (2x2 boxes), which
   removes most of the sensor noise, demosaicing and JPEG traces of the full size.
3. It is divided into a centred grid of 256x256 cells, so that crops never overlap.
4. A cell is near-flat, and skipped, when the standard deviation of its luma is below 12 levels.
5. Of the cells that are left, the 8 (for the nine sources with the most such cells) or 7 (for the
   others) are taken that lose most when a 4x bicubic reduction is enlarged again (RMS of luma): out
   of focus, a real cell and an upsampled one are the same picture, and a trial on it measures
   nothing. They are numbered in reading order.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from generators.files import file_sha256, write_atomically
from generators.runs.writer import encode_png

SIZE = 256
TOTAL = 100
MIN_LUMA_STD = 12.0

# slug, file in the packages, author, licence (as in the packages' debian/copyright)
SOURCES = (
    ("aitzgorri", "aitzgorri_by_Aitzol_Berasategi.jpg", "Aitzol Berasategi, 2018", "CC-BY-4.0"),
    ("bridge", "Bridge_by_Sander_Klootwijk.jpg", "Sander Klootwijk, 2018", "CC-BY-SA-4.0"),
    ("dragonfly", "Dragonfly_by_Bolly.jpg", '"Bolly", 2018', "CC-BY-SA-4.0"),
    ("fig", "Picture_0B_by_freespace.jpg", 'Trevor "Freespace", 2018', "CC-BY-4.0"),
    ("free", "free_by_Peter_Nerlich.jpg", "Peter Nerlich, 2018", "CC-BY-SA-4.0"),
    ("friends", "friends_by_Aitzol_Berasategi.jpg", "Aitzol Berasategi, 2018", "CC-BY-4.0"),
    ("greentock", "greentock_by_Peter_Nerlich.jpg", "Peter Nerlich, 2018", "CC-BY-SA-4.0"),
    ("kleiber", "Kleiber_by_Lukas_Baubkus.jpg", "Lukas Baubkus, 2021", "CC-BY-SA-3.0"),
    ("life", "life_by_Aitzol_Berasategi.jpg", "Aitzol Berasategi, 2018", "CC-BY-4.0"),
    ("picos", "picosdeeuropa_by_Aitzol_Berasategi.jpg", "Aitzol Berasategi, 2018", "CC-BY-4.0"),
    ("seeding", "seeding_by_Clements_Engelhardt.jpg", "Clemens Engelhardt, 2018", "CC0-1.0"),
    ("sunset", "sunset_by_Aitzol_Berasategi.jpg", "Aitzol Berasategi, 2018", "CC-BY-4.0"),
    ("wine", "Wine_by_Jakkub_Mede.jpg", "Jakub Mede, 2018", "CC-BY-4.0"),
)
LICENCES = {
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-3.0": "https://creativecommons.org/licenses/by-sa/3.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
}
HEAD = """# Whose photos these are

The 100 images in `crops/` are cut from photographs of Debian's source package `lomiri-wallpapers`
(binary packages `lomiri-wallpapers-16.04` and `lomiri-wallpapers-20.04`, version 20.04.0-2).
Authors and licences are as its `debian/copyright` states them.
Each crop was changed from the original: reduced to half size and cut to 256x256.
`cut_test_photos.py` states the rules.
A crop stays under its original's licence, not under this repository's Apache-2.0.
So do images that a generator makes from it, as far as they are adaptations.

| crops (number) | original | copyright | licence |
|---|---|---|---|
"""
LEFT_OUT = {
    "Fossa_by_Jasper_Roks.jpg": "a drawing",
    "Infinite-Sea_by_Aury88.jpg": "a composite",
    "Painting-Colors_by__herobrine7gamer.jpg": "a drawing",
    "Picture_1A_by_freespace.jpg": "1365x1074: gives four crops at half size, seven are needed",
    "analogpattern_by_Peter_Nerlich.jpg": "a texture, not a scene",
    "umang_by_Abhishek_Mudgal.jpg": "a gradient",
}


def half(path: Path) -> Image.Image:
    """Return a source photo upright, at half its size."""
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB").reduce(2)


def luma(image: Image.Image) -> NDArray[np.float64]:
    """Return the luma of an image, 0..255, by ITU-R 601."""
    weights = np.array([0.299, 0.587, 0.114])
    weighted: NDArray[np.float64] = np.asarray(image, np.float64) @ weights
    return weighted


def cells(image: Image.Image) -> Iterator[Image.Image]:
    """Give the crops of a centred grid that are not near-flat, in reading order."""
    columns, rows = image.width // SIZE, image.height // SIZE
    left, top = (image.width - columns * SIZE) // 2, (image.height - rows * SIZE) // 2
    for row in range(rows):
        for column in range(columns):
            x, y = left + column * SIZE, top + row * SIZE
            crop = image.crop((x, y, x + SIZE, y + SIZE))
            if luma(crop).std() >= MIN_LUMA_STD:
                yield crop


def lost_detail(crop: Image.Image) -> float:
    """Return the RMS luma difference between a crop and its 4x bicubic reduction enlarged again."""
    small = crop.resize((SIZE // 4, SIZE // 4), Image.Resampling.BICUBIC)
    again = small.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return float(np.sqrt(np.mean((luma(crop) - luma(again)) ** 2)))


def sharpest(found: list[Image.Image], count: int) -> list[Image.Image]:
    """Return the `count` crops that lose most detail, in reading order."""
    places = sorted(range(len(found)), key=lambda place: -lost_detail(found[place]))[:count]
    return [found[place] for place in sorted(places)]


def choose(folder: Path) -> dict[str, Image.Image]:
    """Return item id -> crop for the 100 test photos."""
    found = {slug: list(cells(half(next(folder.rglob(name))))) for slug, name, *_ in SOURCES}
    by_count = sorted(found, key=lambda slug: (-len(found[slug]), slug))
    eights = set(by_count[: TOTAL - 7 * len(SOURCES)])
    return {
        f"{slug}-{number:02d}": crop
        for slug, crops in found.items()
        for number, crop in enumerate(sharpest(crops, 8 if slug in eights else 7), start=1)
    }


def sources(folder: Path) -> dict[str, dict[str, str]]:
    """Return file name -> slug, author, licence and sha256 of the photos: never train on them."""
    return {
        name: {
            "slug": slug,
            "author": author,
            "licence": licence,
            "sha256": file_sha256(next(folder.rglob(name))),
        }
        for slug, name, author, licence in SOURCES
    }


def attribution(crops: dict[str, Image.Image]) -> str:
    """Return ATTRIBUTION.md: whose photos these are and under which licence each crop is."""
    rows = [
        f"| `{slug}-*.png` ({sum(item.startswith(slug) for item in crops)}) | {name} | {author} "
        f"| [{licence}]({LICENCES[licence]}) |"
        for slug, name, author, licence in SOURCES
    ]
    return HEAD + "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", type=Path, help="folder the packages were unpacked into")
    parser.add_argument("out", type=Path, help="folder to write the crops into")
    arguments = parser.parse_args()
    crops = choose(arguments.sources)
    for item, crop in crops.items():
        write_atomically(arguments.out / f"{item}.png", encode_png(np.asarray(crop)))
    record = sources(arguments.sources)
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    write_atomically(arguments.out.parent / "sources.json", text.encode())
    write_atomically(arguments.out.parent / "ATTRIBUTION.md", attribution(crops).encode())


if __name__ == "__main__":
    main()
