"""Decoding for scores: the digest that keys a cached row belongs to the very bytes decoded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from generators.errors import ImageError
from generators.pixels import decode_image, image_facts, read_image_file

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Scanned:
    """What is known of an image file before it is decoded for scoring."""

    path: Path
    digest: str  # sha256 of the file's bytes
    width: int  # upright
    height: int
    lossy: bool
    profile: str = ""  # the colour profile it is converted from; "" where its numbers are sRGB


def scan(path: Path) -> Scanned:
    """Return the digest and size of an image file. Raises `ImageError` for what is not 8-bit RGB.

    Headers and checksums are read here, before any long work; nothing is decoded.
    """
    data = read_image_file(path)
    facts = image_facts(data, path)
    digest = hashlib.sha256(data).hexdigest()
    return Scanned(path, digest, facts.width, facts.height, facts.lossy, facts.profile)


def decode(scanned: Scanned) -> Image:
    """Return the pixels ``(H, W, 3)`` uint8 of a scanned file. Raises `ImageError`.

    A file whose bytes changed since they were scanned is refused: its row would be kept under the
    digest of other bytes.
    """
    path, data = scanned.path, read_image_file(scanned.path)
    found = hashlib.sha256(data).hexdigest()
    if found != scanned.digest:
        raise ImageError(f"{path}: changed while it was scored ({found[:12]}…)")
    return decode_image(data, path)
