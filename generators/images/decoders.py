"""Bytes into pixels: PNG and JPEG by decoders that say what is damaged, WebP by Pillow."""

from __future__ import annotations

import io
import re

import numpy as np
import pyspng
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from generators.images.header import FORMATS, Header

_SPARE = re.compile(r"extraneous bytes before marker 0xd9")  # the end marker: no pixel is behind it
_REVISION = "unknown JFIF revision number"


def raw_pixels(data: bytes, header: Header) -> NDArray[np.uint8]:
    """Return the pixels as stored, ``(H, W, 3)`` or grey ``(H, W)`` uint8: not turned, no profile.

    Raises `OSError`, `ValueError` or `RuntimeError` for a file whose content is damaged.
    """
    if header.format == "PNG":
        return _png(data, header)
    if header.format == "JPEG":
        return _jpeg(data, header)
    return _pillow(data)


def _png(data: bytes, header: Header) -> NDArray[np.uint8]:
    """Return a PNG's pixels; unlike Pillow, pyspng refuses a stream that ends too early."""
    pixels = np.asarray(pyspng.load(data), dtype=np.uint8)
    if header.mode == "P" and (index := _largest_index(data)) >= header.palette:
        raise ValueError(f"a pixel has colour {index} of a palette of {header.palette}")
    return pixels


def _largest_index(data: bytes) -> int:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return int(np.asarray(image).max())


def _jpeg(data: bytes, header: Header) -> NDArray[np.uint8]:
    """Return a JPEG's pixels; unlike Pillow, libjpeg's warnings of damage are heeded.

    Bytes to spare before the end marker are harmless and common (COCO, Kaggle's pets); so is an odd
    revision number. All else that libjpeg warns of means that pixels were made up.
    """
    space = "GRAY" if header.mode == "L" else "RGB"
    try:
        return _two_or_three(simplejpeg.decode_jpeg(data, space))
    except ValueError as error:
        reason = str(error)
    if _REVISION in reason and (at := data.find(b"JFIF\0")) > 0:
        return _jpeg(data[: at + 5] + b"\x01\x01" + data[at + 7 :], header)
    if _SPARE.search(reason):
        return _two_or_three(simplejpeg.decode_jpeg(data, space, strict=False))
    if "subsampling" in reason:
        # Pillow would decode it, and would not tell a damaged file from a whole one.
        reason = "an uncommon chroma subsampling, which cannot be checked for damage: save it anew"
    raise ValueError(reason)


def _two_or_three(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def _pillow(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        image.load()
        made = image if image.mode == "L" else image.convert("RGB")
        return np.array(made, dtype=np.uint8)
