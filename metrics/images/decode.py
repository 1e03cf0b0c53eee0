"""Fast strict decoding: the same pixels and the same refusals as `generators.pixels.read_image`.

Plain 8-bit RGB PNGs go through pyspng and colour JPEGs through simplejpeg, both about twice as fast
as Pillow with equal pixels; everything else is left to `read_image`. The file's bytes are hashed on
the way, so the digest that keys a cached row belongs to the very bytes that were decoded.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyspng
import simplejpeg
from numpy.typing import NDArray

from generators.errors import ImageError
from generators.pixels import read_image

Image = NDArray[np.uint8]

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"


@dataclass(frozen=True)
class Scanned:
    """What is known of an image file before it is decoded for scoring."""

    path: Path
    digest: str  # sha256 of the file's bytes
    width: int
    height: int
    lossy: bool


def scan(path: Path) -> Scanned:
    """Return the digest and size of an image file. Raises `ImageError` for what is not 8-bit RGB.

    Headers and checksums are read here, before any long work; only unusual files are decoded.
    """
    data = _read(path)
    size = _plain_png(path, data) or _colour_jpeg(path, data)
    if size is None:
        height, width = read_image(path).shape[:2]
        size = (width, height)
    lossy = data.startswith(_JPEG) or data[8:16] == b"WEBPVP8 "
    return Scanned(path, hashlib.sha256(data).hexdigest(), *size, lossy)


def decode(scanned: Scanned) -> Image:
    """Return the pixels ``(H, W, 3)`` uint8 of a scanned file. Raises `ImageError`.

    A file whose bytes changed since they were scanned is refused: its row would be kept under the
    digest of other bytes.
    """
    path, data = scanned.path, _read(scanned.path)
    found = hashlib.sha256(data).hexdigest()
    if found != scanned.digest:
        raise ImageError(f"{path}: changed while it was scored ({found[:12]}…)")
    try:
        if _plain_png(path, data):
            return np.asarray(pyspng.load(data), dtype=np.uint8)
        if _colour_jpeg(path, data):
            return np.asarray(simplejpeg.decode_jpeg(data, "RGB"), dtype=np.uint8)
    except (RuntimeError, ValueError) as error:
        raise ImageError(f"{path}: cannot be decoded ({error}), expected a whole image") from None
    return np.array(read_image(path))  # a copy: torch warns of arrays it may not write to


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from None


def _plain_png(path: Path, data: bytes) -> tuple[int, int] | None:
    """Return (width, height) of an 8-bit RGB PNG without transparency or animation, else None."""
    if not data.startswith(_PNG) or data[12:16] != b"IHDR" or len(data) < 33:
        return None
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    if (depth, colour, interlaced) != (8, 2, 0):
        return None
    kinds = _chunks(path, data)
    return None if {b"tRNS", b"acTL"} & kinds else (width, height)


def _chunks(path: Path, data: bytes) -> set[bytes]:
    """Return the kinds of a PNG's chunks, after checking every checksum. Raises `ImageError`."""
    kinds: set[bytes] = set()
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, end = data[at + 4 : at + 8], at + 8 + length
        if end + 4 > len(data):
            break
        if data[end : end + 4] != struct.pack(">I", zlib.crc32(data[at + 4 : end])):
            raise ImageError(f"{path}: its {kind.decode('latin1')} chunk is damaged (checksum)")
        kinds.add(kind)
        at = end + 4
    if b"IEND" not in kinds:
        raise ImageError(f"{path}: is cut off after {len(data)} bytes, expected a whole image")
    return kinds


def _colour_jpeg(path: Path, data: bytes) -> tuple[int, int] | None:
    if not data.startswith(_JPEG):
        return None
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise ImageError(f"{path}: cannot be decoded ({error}), expected a whole image") from None
    return (width, height) if space == "YCbCr" else None
