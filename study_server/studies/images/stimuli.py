"""Images as they are shown: one encoder for real and generated alike, and files of equal size.

A file's size gives a generated image away (real photos compress worse). So all images of one item
are padded to the same number of bytes, inside the compressed stream: deflate allows empty blocks,
which decode to nothing. The files then have the same three chunks of the same lengths, and no
metadata.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from study_server.errors import StimulusError
from study_server.studies.images.viewing import levels, sheet_height

KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EMPTY_STORED = b"\x00\x00\x00\xff\xff"  # 5 bytes: an empty stored block
_EMPTY_FIXED = b"\x02\x00\x00\x00\xff\xff"  # 6 bytes: an empty Huffman block, then a stored one
_FINAL = b"\x01\x00\x00\xff\xff"  # the empty stored block that ends the stream
_BAND = 256  # rows filtered at a time
_SMALLEST_PADDING = 20  # from 20 up, every number is a sum of fives and sixes


@dataclass(frozen=True)
class Encoded:
    """A compressed image whose stream is still open, so that it can be made longer."""

    width: int
    height: int
    deflated: bytes  # whole bytes, no final block yet
    checksum: int  # Adler-32 of what it decodes to

    def padded(self, size: int) -> bytes:
        """Return the PNG file with a compressed stream of exactly `size` bytes."""
        filler = size - self.smallest + _SMALLEST_PADDING
        stream = b"\x78\x9c" + self.deflated + padding(filler) + _FINAL
        return self._file(stream + struct.pack(">I", self.checksum))

    def unpadded(self) -> bytes:
        """Return the PNG file as short as it gets: what the leak tests must be able to catch."""
        stream = b"\x78\x9c" + self.deflated + _FINAL
        return self._file(stream + struct.pack(">I", self.checksum))

    @property
    def smallest(self) -> int:
        """Return the smallest size that `padded` can reach."""
        return 2 + len(self.deflated) + _SMALLEST_PADDING + len(_FINAL) + 4

    def _file(self, stream: bytes) -> bytes:
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", stream) + _chunk(b"IEND", b"")


def padding(size: int) -> bytes:
    """Return deflate blocks of `size` bytes (0, or at least 20) that decode to nothing."""
    sixes = size % 5
    fives = (size - 6 * sixes) // 5
    if size < 0 or fives < 0:
        raise ValueError(f"cannot pad by {size} bytes, expected 0 or at least {_SMALLEST_PADDING}")
    return _EMPTY_FIXED * sixes + _EMPTY_STORED * fives


def encode(pixels: NDArray[np.uint8]) -> Encoded:
    """Return ``(H, W, 3)`` uint8 pixels compressed, every image by the same rules."""
    height, width, _ = pixels.shape
    packer, deflated, checksum = zlib.compressobj(level=6, wbits=-15), [], 1
    for start in range(0, height, _BAND):
        # In bands, so that the arithmetic of a large photo needs no multiple of its memory.
        above = pixels[start - 1] if start else np.zeros_like(pixels[0])
        rows = _filtered(pixels[start : start + _BAND], above)
        deflated.append(packer.compress(rows))
        checksum = zlib.adler32(rows, checksum)
    deflated.append(packer.flush(zlib.Z_SYNC_FLUSH))
    return Encoded(width, height, b"".join(deflated), checksum)


def encode_equal(images: Sequence[NDArray[np.uint8]], *, pad: bool = True) -> list[bytes]:
    """Return PNG files of equal size for images that are shown beside each other.

    `pad=False` leaves the sizes as they fall: only for testing that the leak is found then. Raises
    `StimulusError` for unequal dimensions.
    """
    sizes = {image.shape for image in images}
    if len(sizes) > 1:
        shown = " and ".join(f"{width}x{height}" for height, width, _ in sorted(sizes))
        raise StimulusError(f"images of one item are {shown}, expected equal sizes")
    encoded = [encode(image) for image in images]
    size = max(image.smallest for image in encoded)
    return [image.padded(size) if pad else image.unpadded() for image in encoded]


def resample(pixels: NDArray[np.uint8], size: tuple[int, int], kernel: str) -> NDArray[np.uint8]:
    """Return the pixels at another size (width, height), unchanged where they have it already."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, KERNELS[kernel]))


def with_reductions(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image with its reductions below it (`viewing.levels`), by Lanczos' kernel."""
    height, width, _ = pixels.shape
    sheet = np.zeros((sheet_height(width, height), width, 3), dtype=np.uint8)
    sheet[:height] = pixels
    image = Image.fromarray(pixels)
    for divisor, x, y, across, down in levels(width, height):
        # Whole squares of pixels become one; what is left at the far edges is in no reduction.
        whole = (0, 0, min(width, across * divisor), min(height, down * divisor))
        small = image.crop(whole).resize((across, down), KERNELS["lanczos"])
        sheet[y : y + down, x : x + across] = np.asarray(small)
    return sheet


def mosaic(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the image in squares of their mean colour: a fake that nobody takes for a photo."""
    height, width, _ = pixels.shape
    rows, columns = np.arange(0, height, side), np.arange(0, width, side)
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(np.uint64), rows, 0), columns, 1)
    counts = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))[..., None]
    means = np.rint(sums / counts).astype(np.uint8)
    return np.ascontiguousarray(means.repeat(side, 0).repeat(side, 1)[:height, :width])


def _filtered(pixels: NDArray[np.uint8], above: NDArray[np.uint8]) -> bytes:
    # PNG's filters 1 (left), 2 (up) and 4 (Paeth); each row takes the one with the smallest sum of
    # absolute differences, libpng's own rule. `above` is the row before the first.
    height, width, _ = pixels.shape
    raw = pixels.astype(np.int16)
    left = np.zeros_like(raw)
    left[:, 1:] = raw[:, :-1]
    up = np.concatenate([above[None].astype(np.int16), raw[:-1]])
    corner = np.zeros_like(raw)
    corner[:, 1:] = up[:, :-1]
    guesses = {1: left, 2: up, 4: _paeth(left, up, corner)}
    rows = np.stack([(raw - guess).astype(np.uint8) for guess in guesses.values()])
    cost = np.abs(rows.view(np.int8).astype(np.int32)).reshape(len(guesses), height, -1).sum(2)
    best = cost.argmin(0)
    kinds = np.array(list(guesses), dtype=np.uint8)[best][:, None]
    chosen = rows[best, np.arange(height)].reshape(height, 3 * width)
    return np.hstack([kinds, chosen]).tobytes()


def _paeth(
    left: NDArray[np.int16], up: NDArray[np.int16], corner: NDArray[np.int16]
) -> NDArray[np.int16]:
    guess = left + up - corner
    to_left, to_up, to_corner = (abs(guess - other) for other in (left, up, corner))
    first = np.where(to_up <= to_corner, up, corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, first)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
