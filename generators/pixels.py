"""Strict decoding: 8-bit RGB or an error that names the file. A format module (no torch here)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from generators.errors import ImageError

_ORIENTATION = 0x0112  # EXIF tag; values from 5 up exchange width and height
_FORMATS = ("PNG", "JPEG", "WEBP")  # whatever a file is called, no other decoder sees it
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")

_MODES = {
    "RGBA": "an alpha channel",
    "LA": "an alpha channel",
    "PA": "an alpha channel",
    "La": "an alpha channel",
    "RGBa": "an alpha channel",
    "CMYK": "CMYK colour",
    "YCCK": "CMYK colour",
    "LAB": "Lab colour",
    "HSV": "HSV colour",
    "1": "1-bit pixels",
    "I": "32-bit pixels",
    "F": "floating-point pixels",
}


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return the pixels of an 8-bit image, ``(H, W, 3)`` uint8 RGB.

    Grey images come back with three equal channels, opaque palettes with their colours, and photos
    with an EXIF orientation upright, as every viewer shows them. Raises
    `ImageError`, naming the file and what was found, for 16-bit, alpha, CMYK, animated, truncated
    or unreadable files: dropping alpha or saturating 16 bits would change a score silently.
    """
    try:
        return decode_image(path.read_bytes(), path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from None


def decode_image(data: bytes, name: object) -> NDArray[np.uint8]:
    """Return what `read_image` returns, from a file's bytes; `name` is what errors call it."""
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # WeasyPrint's import sets it for the whole process
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _refuse(name, image)
            image.load()
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except UnidentifiedImageError:
        raise ImageError(f"{name}: not an image file, expected PNG, JPEG or WebP") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"{name}: cannot be decoded ({error}), expected a whole image") from None


def check_image(path: Path) -> None:
    """Refuse from the header alone what `read_image` would refuse. Raises `ImageError`."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            _refuse(path, image)
    except (UnidentifiedImageError, FileNotFoundError, IsADirectoryError):
        raise ImageError(f"{path}: not an image file, expected PNG, JPEG or WebP") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"{path}: cannot be decoded ({error}), expected a whole image") from None


def image_size(path: Path) -> tuple[int, int]:
    """Return (width, height) in pixels, upright, from the header alone. Raises `ImageError`."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            turned = image.getexif().get(_ORIENTATION, 1) >= 5
            return image.size[::-1] if turned else image.size
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"{path}: not a readable image ({error})") from None


def _refuse(path: object, image: Image.Image) -> None:
    found = _MODES.get(image.mode)
    if image.mode.startswith("I;16") or _sixteen_bit(image):
        found = "16 bits a channel"
    elif image.mode == "P" and "transparency" in image.info:
        found = "a transparent palette"
    elif image.mode in ("RGB", "L") and "transparency" in image.info:
        found = "a transparent colour"
    elif getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        # (MPO is a phone's JPEG with its depth or gain map behind it; the photo is the first.)
        found = f"{getattr(image, 'n_frames', 1)} frames"
    if found:
        raise ImageError(f"{path}: has {found}, expected 8-bit RGB or grey without transparency")


def _sixteen_bit(image: Image.Image) -> bool:
    # Pillow opens 16-bit RGB PNGs as 8-bit RGB; only the raw mode of the tile still tells.
    tile: list[Any] = list(getattr(image, "tile", []) or [])
    return any(";16" in str(part[3]) for part in tile)
