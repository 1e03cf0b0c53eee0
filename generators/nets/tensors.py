"""Between 8-bit pixels and what the nets see."""

from __future__ import annotations

import torch
from torch import Tensor


def to_unit(pixels: Tensor) -> Tensor:
    """Return uint8 0..255 as float32 -1..1."""
    return pixels.float() / 127.5 - 1


def to_pixels(images: Tensor) -> Tensor:
    """Return -1..1 as uint8 0..255, rounded to nearest and clipped."""
    return ((images.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
