"""Between 8-bit pixels and what the nets see."""

from __future__ import annotations

import torch
from torch import Tensor

from generators.errors import GeneratorError
from generators.resize import Pixels


def to_unit(pixels: Tensor) -> Tensor:
    """Return uint8 0..255 as float32 -1..1."""
    return pixels.float() / 127.5 - 1


def to_pixels(images: Tensor) -> Tensor:
    """Return -1..1 as uint8 0..255, rounded to nearest and clipped."""
    return ((images.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def finite(made: Tensor, by: str = "the net") -> Tensor:
    """Return what a net made. Raises `GeneratorError` for values that are not finite."""
    if not bool(made.isfinite().all()):
        raise GeneratorError(f"{by} gave values that are not finite")
    return made


def images_of(made: Tensor) -> list[Pixels]:
    """Return what a net made, ``(N, 3, H, W)`` in -1..1, as N images ``(H, W, 3)`` uint8.

    Raises `GeneratorError` for values that are not finite: 8 bits have no other way to say so.
    """
    return list(to_pixels(finite(made)).permute(0, 2, 3, 1).numpy())
