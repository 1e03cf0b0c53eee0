"""DiffAugment (Zhao et al., NeurIPS 2020): what the discriminator sees is changed at random.

Real and made images alike, and differentiably, so that the generator learns through it and its
images stay without the changes. A few hundred images are then enough for a GAN.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.diffusion.noise import Draws

Change = Literal["brightness", "saturation", "contrast", "translation", "cutout"]
SHIFT = 1 / 8  # of a side, at most
HOLE = 1 / 2  # of a side


def augment(images: Tensor, changes: tuple[Change, ...], draws: Draws) -> Tensor:
    """Return images ``(N, 3, S, S)`` in -1..1 changed as the paper does, in its order."""
    for change in changes:
        images = _CHANGES[change](images, draws)
    return images


def _uniform(images: Tensor, draws: Draws) -> Tensor:
    return draws.rand(1, 1, 1).to(images)


def _brightness(images: Tensor, draws: Draws) -> Tensor:
    return images + _uniform(images, draws) - 0.5


def _saturation(images: Tensor, draws: Draws) -> Tensor:
    grey = images.mean(1, keepdim=True)
    return (images - grey) * 2 * _uniform(images, draws) + grey


def _contrast(images: Tensor, draws: Draws) -> Tensor:
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * (_uniform(images, draws) + 0.5) + mean


def _translation(images: Tensor, draws: Draws) -> Tensor:
    side = images.shape[-1]
    most = int(side * SHIFT + 0.5)
    places = draws.below(2 * most + 1, 2).tolist()
    padded = F.pad(images, (most,) * 4)
    moved = [one[:, y : y + side, x : x + side] for one, (y, x) in zip(padded, places, strict=True)]
    return torch.stack(moved)


def _cutout(images: Tensor, draws: Draws) -> Tensor:
    side = images.shape[-1]
    hole = int(side * HOLE + 0.5)
    # The centre lies anywhere in the image, so that a hole may be cut by the border.
    centres = draws.below(side + 1 - hole % 2, 2).to(images.device)
    pixels = torch.arange(side, device=images.device)
    first = (centres - hole // 2)[:, :, None]
    inside = (pixels >= first) & (pixels < first + hole)  # (N, 2, side): rows, columns
    cut = inside[:, 0, :, None] & inside[:, 1, None, :]
    return images * (~cut[:, None]).to(images.dtype)


_CHANGES = {
    "brightness": _brightness,
    "saturation": _saturation,
    "contrast": _contrast,
    "translation": _translation,
    "cutout": _cutout,
}
