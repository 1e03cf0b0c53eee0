"""A PNG's chunks: their checksums, and what they say about colour."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

from generators.errors import ImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = b"IDAT"  # the only chunks that come in parts; no content of theirs is kept
# Chunks of which a PNG has at most one (5.6), and that decide what its pixels are.
_ONE = frozenset((b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"eXIf"))

# ITU-T H.273: primaries of BT.709, transfer of sRGB, RGB, full range.
_CICP_SRGB = bytes((1, 13, 0, 1))
_SRGB_GAMMA = 45455  # of 100,000
# White, red, green and blue (x, y) of sRGB, of 100,000; the PNG specification, 11.3.2.1.
_SRGB_POINTS = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


def png_chunks(data: bytes, name: object) -> dict[bytes, bytes]:
    """Return kind -> content of a PNG's first chunk of each kind (of the pixels nothing).

    Every checksum is compared. Raises `ImageError` for a damaged chunk, for one that contradicts an
    earlier one of its kind, and for a file that ends before its last one.
    """
    chunks: dict[bytes, bytes] = {}
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, end = data[at + 4 : at + 8], at + 8 + length
        if end + 4 > len(data):
            break
        if data[end : end + 4] != struct.pack(">I", zlib.crc32(memoryview(data)[at + 4 : end])):
            raise ImageError(f"{name}: its {kind.decode('latin1')} chunk is damaged (checksum)")
        if kind in _ONE and kind in chunks:
            raise ImageError(f"{name}: has two {kind.decode()} chunks, expected one at most")
        chunks.setdefault(kind, b"" if kind == _PIXELS else data[at + 8 : end])
        if kind == b"IEND":
            break  # what follows the image is not part of it
        at = end + 4
    if b"IEND" not in chunks or len(chunks.get(b"IHDR", b"")) < 13:
        raise ImageError(f"{name}: is cut off after {len(data)} bytes, expected a whole image")
    return chunks


def png_colour(chunks: dict[bytes, bytes], name: object, profile: bytes | None) -> bytes | None:
    """Return the ICC profile that a PNG's numbers are in, or None for sRGB.

    In the order of the PNG specification (4.3): cICP, iCCP, sRGB, then gAMA with cHRM. Raises
    `ImageError` for colours that only cICP, gAMA or cHRM describe and that are not sRGB's.
    """
    if b"cICP" in chunks:
        if chunks[b"cICP"] != _CICP_SRGB:
            found = tuple(chunks[b"cICP"])
            raise ImageError(f"{name}: has cICP colours {found}, expected sRGB's (1, 13, 0, 1)")
        return None
    if b"iCCP" in chunks and profile is None:
        raise ImageError(f"{name}: has a colour profile that cannot be read (its iCCP chunk)")
    if profile is not None or b"sRGB" in chunks:
        return profile
    _check_gamma(chunks.get(b"gAMA", b""), name)
    _check_points(chunks.get(b"cHRM", b""), name)
    return None


def _check_gamma(content: bytes, name: object) -> None:
    if len(content) == 4:
        (gamma,) = struct.unpack(">I", content)
        if gamma and abs(gamma - _SRGB_GAMMA) > 0.05 * _SRGB_GAMMA:
            found = f"a gamma of {gamma / 1e5:g}"
            raise ImageError(f"{name}: has {found} (gAMA), expected sRGB's 0.45455")


def _check_points(content: bytes, name: object) -> None:
    if len(content) == 32:
        found = struct.unpack(">8I", content)
        if any(abs(a - b) > 1_000 for a, b in zip(found, _SRGB_POINTS, strict=True)):
            raise ImageError(f"{name}: has chromaticities (cHRM) that are not sRGB's")


def png_exif(chunks: dict[bytes, bytes], texts: Mapping[Any, Any]) -> bytes:
    """Return a PNG's block of EXIF: its eXIf chunk, or what ImageMagick wrote before there was one.

    That is a text, ``Raw profile type exif`` of Pillow's `texts`: a name, a length, and hexadecimal
    digits.
    """
    if b"eXIf" in chunks:
        return chunks[b"eXIf"]
    lines = str(texts.get("Raw profile type exif", "")).strip().split("\n")
    try:
        return bytes.fromhex("".join(lines[2:]))
    except ValueError:
        return b""
