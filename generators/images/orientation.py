"""EXIF's orientation: how a camera was held, and the pixels turned upright.

Read by hand, from the first directory only: that is all that is needed, and a damaged block is then
no reason to refuse, warn about or turn a picture.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

_TAG = 0x0112
_FORMATS = {3: "H", 4: "I"}  # SHORT, and LONG, which some programs write
_MOST = 1_000  # entries


def exif_orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, in a block of EXIF; 1, upright, where it says none."""
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, start)
        for entry in range(start + 2, start + 2 + 12 * min(count, _MOST), 12):
            tag, kind, values = struct.unpack_from(f"{order}HHI", block, entry)
            if tag == _TAG and kind in _FORMATS and values == 1:
                (found,) = struct.unpack_from(f"{order}{_FORMATS[kind]}", block, entry + 8)
                return int(found) if 1 <= found <= 8 else 1
    except struct.error:
        pass
    return 1


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return ``(H, W, 3)`` pixels turned and mirrored as an orientation (1 to 8) says.

    EXIF 2.32, tag 0x0112: where the stored row 0 and column 0 are, seen upright.
    """
    if orientation >= 5:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
