"""Pictures as the page embeds them: whole scales, WebP, data URIs."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from generators.pixels import read_image

PLATE = 256  # CSS pixels that the longer side of a gallery picture may take
THUMB = 128


@dataclass(frozen=True)
class Picture:
    """One embedded picture with its size on the page, in CSS pixels."""

    src: str
    width: int
    height: int


def page_size(width: int, height: int, limit: int) -> tuple[int, int, int]:
    """Return (width, height, n) on the page: n > 1 enlarges n-fold, n < -1 reduces -n-fold.

    The scale is always a whole number, so no picture is blurred by a fraction.
    """
    longer = max(width, height)
    if longer <= limit:
        scale = max(1, limit // longer)
        return width * scale, height * scale, scale
    divisor = -(-longer // limit)
    return max(1, width // divisor), max(1, height // divisor), -divisor


@lru_cache(maxsize=4096)
def embed(path: Path, limit: int) -> Picture:
    """Return a picture as a data URI: lossless up to 64 pixels a side, WebP quality 92 above.

    A picture larger than the limit is reduced by area averaging with a whole divisor.
    """
    pixels = Image.fromarray(read_image(path))
    width, height, scale = page_size(*pixels.size, limit)
    if scale < -1:
        pixels = pixels.crop((0, 0, width * -scale, height * -scale)).reduce(-scale)
    buffer = io.BytesIO()
    small = max(pixels.size) <= 64
    pixels.save(buffer, format="WEBP", lossless=small, quality=92 if not small else 80, method=3)
    data = base64.b64encode(buffer.getvalue()).decode()
    return Picture(f"data:image/webp;base64,{data}", width, height)
