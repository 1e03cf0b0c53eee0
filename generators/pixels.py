"""The one decoder: 8-bit sRGB pixels, or an error that names the file. A format module (no torch).

Every command that reads images reads them here, so that `dataset import`, `generate`, `metrics` and
`study create` see the same pixels and refuse the same files.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from generators.errors import ImageError
from generators.files import read_file
from generators.images.colour import profile_name, to_srgb
from generators.images.decoders import raw_pixels
from generators.images.header import (
    LIMIT_VARIABLE,
    Header,
    byte_limit,
    pixel_limit,
    read_header,
)
from generators.images.listing import counted, few
from generators.images.orientation import upright

# What is kept by content (`metrics`) is kept under this number too; raise it when the same bytes
# give other pixels. 2: profiles are converted and orientations heeded everywhere. 3: so are the
# orientations in a PNG's EXIF of any length, and in ImageMagick's text.
DECODING = 3


@dataclass(frozen=True)
class ImageFacts:
    """What is known of an image file without decoding it; sizes in pixels, upright."""

    width: int
    height: int
    lossy: bool
    profile: str = ""  # the colour profile it is converted from; "" where its numbers are sRGB


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return the pixels of an 8-bit image, ``(H, W, 3)`` uint8 RGB.

    Grey images come back with three equal channels, opaque palettes with their colours, photos with
    an EXIF orientation upright, and colours of another profile in sRGB. Raises `ImageError`, naming
    the file and what was found, for 16-bit, alpha, CMYK, animated, truncated, damaged, unreadable
    or too large files: dropping alpha or saturating 16 bits would change a score silently.
    """
    return decode_image(read_image_file(path), path)


def decode_image(data: bytes, name: object) -> NDArray[np.uint8]:
    """Return what `read_image` returns, from a file's bytes; `name` is what errors call it."""
    header = read_header(data, name)
    try:
        pixels = raw_pixels(data, header)
    except (OSError, SyntaxError, ValueError, RuntimeError) as error:
        raise ImageError(f"{name}: cannot be decoded ({error}), expected a whole image") from None
    if header.profile is not None:
        pixels = to_srgb(pixels, header.profile)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    return upright(pixels, header.orientation)


def image_facts(data: bytes, name: object) -> ImageFacts:
    """Return a file's facts, from its bytes and without decoding. Raises `ImageError`."""
    return _facts(read_header(data, name))


def profile_notes(profiles: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence on how many images are converted to sRGB, from their profiles' names."""
    counts = Counter(name for name in profiles if name)
    if not counts:
        return ()
    images = counted(counts.total(), "image", "images")
    shown = few([f"{name} ({number})" for name, number in counts.most_common()])
    return (f"{images} converted to sRGB from the colour profile of the file: {shown}",)


def check_image(path: Path) -> ImageFacts:
    """Return a file's facts after decoding it once. Raises `ImageError` as `read_image` does."""
    data = read_image_file(path)
    decode_image(data, path)
    return image_facts(data, path)


def image_size(path: Path) -> tuple[int, int]:
    """Return (width, height) in pixels, upright. Raises `ImageError`."""
    facts = image_facts(read_image_file(path), path)
    return facts.width, facts.height


def too_large(width: int, height: int) -> str:
    """Return why an output of this size could not be read again, or ``""`` where it can."""
    limit = pixel_limit()
    if width * height <= limit:
        return ""
    return (
        f"would give {width}x{height}, {width * height / 1e6:.1f} megapixels, expected at most "
        f"{limit / 1e6:g} ({LIMIT_VARIABLE} raises it)"
    )


def image_sha256(path: Path) -> str:
    """Return the sha256 of an image file's bytes as hex. Raises `ImageError`."""
    return hashlib.sha256(read_image_file(path)).hexdigest()


def read_image_file(path: Path) -> bytes:
    """Return the bytes of a regular file of a size that an image may have. Raises `ImageError`."""
    try:
        return read_file(path, byte_limit())
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from None


def _facts(header: Header) -> ImageFacts:
    profile = "" if header.profile is None else profile_name(header.profile)
    return ImageFacts(header.width, header.height, header.lossy, profile)
