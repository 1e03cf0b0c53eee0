"""Overlapped tiles: one network evaluation of an image that does not fit in memory at once.

The tiles are blended after every evaluation, not after sampling, so neighbouring tiles follow the
same sample and no seam can open between them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from generators.nets.model import Condition

Evaluate = Callable[[Tensor, Condition], Tensor]


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Return where the tiles along one side begin; the last one ends at the edge."""
    if length <= tile:
        return [0]
    stride = tile - overlap
    return [*range(0, length - tile, stride), length - tile]


def ramp(length: int, overlap: int) -> Tensor:
    """Return the blending weight along a tile's side, ``(length,)``, rising over the overlap."""
    place = torch.arange(length, dtype=torch.float32) + 1
    edge = torch.minimum(place, place.flip(0))
    return (edge / (overlap + 1)).clamp(max=1)


def tiled(run: Evaluate, y: Tensor, condition: Condition, tile: int, overlap: int) -> Tensor:
    """Return `run(y, condition)` put together from tiles of `tile` pixels."""
    height, width = y.shape[-2:]
    if height <= tile and width <= tile:
        return run(y, condition)
    total, weight = torch.zeros_like(y), torch.zeros_like(y[:, :1])
    for top in starts(height, tile, overlap):
        for left in starts(width, tile, overlap):
            rows, columns = slice(top, top + tile), slice(left, left + tile)
            up = None if condition.up is None else condition.up[:, :, rows, columns]
            part = run(y[:, :, rows, columns], Condition(up, condition.label, condition.level))
            sides = ramp(part.shape[-2], overlap)[:, None] * ramp(part.shape[-1], overlap)[None]
            total[:, :, rows, columns] += part * sides.to(part.device)
            weight[:, :, rows, columns] += sides.to(part.device)
    return total / weight
