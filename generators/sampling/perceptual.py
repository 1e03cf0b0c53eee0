"""Perceptual distances and features, which the caller hands over: metrics are another package."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor, nn

from generators.nets.tensors import to_pixels
from generators.resize import Pixels

# Distances of pairs of uint8 images; asked for images of a size, the source gives the function, or
# says why there is none.
Lpips = Callable[[Sequence[tuple[Pixels, Pixels]]], Sequence[float]]
LpipsSource = Callable[[int], Lpips | str]
# A trained network's features ``(N, C, h, w)`` of images ``(N, 3, H, W)`` in -1..1, with gradients.
Features = nn.Module


def lpips_mean(lpips: Lpips, made: Tensor, real: Tensor) -> float:
    """Return the mean LPIPS of pairs of images ``(N, 3, H, W)`` in [-1, 1]."""
    a, b = (to_pixels(images).permute(0, 2, 3, 1).cpu().numpy() for images in (made, real))
    return float(np.mean(lpips(list(zip(a, b, strict=True)))))
