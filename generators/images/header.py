"""What an image file says of itself before it is decoded, and what is refused for it.

One rule for every command: 8-bit RGB, grey or opaque palettes, one frame, within the limit on
pixels. Everything else would have to be changed silently to become that, and is refused.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageFile, UnidentifiedImageError

from generators.errors import ConfigError, ImageError
from generators.images.colour import foreign_profile
from generators.images.orientation import exif_orientation
from generators.images.png_chunks import png_chunks, png_colour, png_exif

LIMIT_VARIABLE = "FOOLRATE_MAX_MEGAPIXELS"
DEFAULT_MEGAPIXELS = 40.0
FORMATS = ("PNG", "JPEG", "WEBP")  # whatever a file is called, no other decoder sees it
_EXPECTED = "expected PNG, JPEG or WebP"

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


@dataclass(frozen=True)
class Header:
    """The facts of a file that can be decoded: size in pixels, and how to get there."""

    format: str  # PNG, JPEG or WEBP
    mode: str  # Pillow's: RGB, L or P
    width: int  # upright
    height: int
    orientation: int  # EXIF: 1 to 8, 1 is upright
    profile: bytes | None  # the ICC profile to convert from; None where the numbers are sRGB
    lossy: bool
    palette: int = 0  # colours of a PNG's palette


def pixel_limit() -> int:
    """Return the most pixels that an image may have. Raises `ConfigError` for a wrong setting."""
    given = os.environ.get(LIMIT_VARIABLE, "").strip()
    try:
        megapixels = float(given or DEFAULT_MEGAPIXELS)
        if not 0 < megapixels <= 10_000:
            raise ValueError
    except ValueError:
        expected = "expected megapixels, e.g. 40, at most 10000"
        raise ConfigError(f"{LIMIT_VARIABLE} is {given!r}, {expected}") from None
    return int(megapixels * 1e6)


def byte_limit() -> int:
    """Return the most bytes that an image file may have: four a pixel, and room for metadata."""
    return 4 * pixel_limit() + (1 << 24)


def read_header(data: bytes, name: object) -> Header:
    """Return the header of a file's bytes. Raises `ImageError`, with what was found, if refused.

    A PNG's checksums are read too, so that one cut off or damaged is refused here.
    """
    _settle_pillow()
    try:
        _check_webp_size(data, name)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(name, *image.size)
            return _header(data, name, image)
    except UnidentifiedImageError:
        raise ImageError(f"{name}: not an image file, {_EXPECTED}") from None
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise ImageError(f"{name}: cannot be decoded ({error}), expected a whole image") from None


def _settle_pillow() -> None:
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # WeasyPrint's import sets it for the whole process
    Image.MAX_IMAGE_PIXELS = None  # our own limit is the lower one, and says how to raise it
    # Pillow warns of damage in what nobody here asks for: EXIF's resolution, a second picture.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def _header(data: bytes, name: object, image: Image.Image) -> Header:
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    _refuse(name, image)
    profile: bytes | None = image.info.get("icc_profile") or None
    exif, palette = image.info.get("exif", b""), 0
    if kind == "PNG":
        chunks = png_chunks(data, name)
        profile, exif = png_colour(chunks, name, profile), png_exif(chunks, image.info)
        palette = len(chunks.get(b"PLTE", b"")) // 3
    orientation = exif_orientation(exif)
    width, height = image.size[::-1] if orientation >= 5 else image.size
    return Header(
        format=kind,
        mode=image.mode,
        width=width,
        height=height,
        orientation=orientation,
        profile=foreign_profile(profile, image.mode, name),
        lossy=kind == "JPEG" or any(part == b"VP8 " for part, _ in _webp_parts(data)),
        palette=palette,
    )


def _check_size(name: object, width: int, height: int) -> None:
    limit = pixel_limit()
    if width * height > limit:
        found = f"{width}x{height}, {width * height / 1e6:.1f} megapixels"
        raise ImageError(
            f"{name}: is {found}, expected at most {limit / 1e6:g} ({LIMIT_VARIABLE} raises it)"
        )


def _check_webp_size(data: bytes, name: object) -> None:
    # libwebp takes memory for the whole canvas when the file is opened.
    for kind, at in _webp_parts(data)[:1]:
        if kind == b"VP8X" and len(data) >= at + 10:
            low = struct.unpack_from("<HBHB", data, at + 4)
            _check_size(name, 1 + low[0] + (low[1] << 16), 1 + low[2] + (low[3] << 16))
        elif kind == b"VP8L" and len(data) >= at + 5:
            (bits,) = struct.unpack_from("<I", data, at + 1)
            _check_size(name, 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        elif kind == b"VP8 " and len(data) >= at + 10:
            width, height = struct.unpack_from("<HH", data, at + 6)
            _check_size(name, width & 0x3FFF, height & 0x3FFF)


def _webp_parts(data: bytes) -> list[tuple[bytes, int]]:
    """Return (kind, offset of the content) of a WebP's first chunks; none for other files."""
    parts: list[tuple[bytes, int]] = []
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return parts
    at = 12
    while at + 8 <= len(data) and len(parts) < 16:
        kind, (length,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        parts.append((kind, at + 8))
        at += 8 + length + length % 2
    return parts


def _refuse(name: object, image: Image.Image) -> None:
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
        raise ImageError(f"{name}: has {found}, expected 8-bit RGB or grey without transparency")


def _sixteen_bit(image: Image.Image) -> bool:
    # Pillow opens 16-bit RGB PNGs as 8-bit RGB; only the raw mode of the tile still tells.
    tile: list[Any] = list(getattr(image, "tile", []) or [])
    return any(";16" in str(part[3]) for part in tile)
