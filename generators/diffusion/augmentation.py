"""Conditioning augmentation: noise or blur on the low-resolution input, drawn per example."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from generators.config import Strict
from generators.diffusion.noise import Draws
from generators.diffusion.process import diffuse


class AugmentationConfig(Strict):
    """What is done to the low-resolution input while training.

    `noise`: forward-process noise at a level s drawn uniformly from 0..`most` per example (CDM; the
    net is told the level). `blur`: the range of sigma, in low-resolution pixels, of a Gaussian
    blur on half of the examples (SR3 and CDM at high resolutions; none when sampling).
    """

    noise: bool = False
    most: float = Field(default=0.5, gt=0, le=1)
    blur: tuple[float, float] | None = None
    blur_share: float = Field(default=0.5, ge=0, le=1)


def level_gamma(table: Tensor, level: Tensor) -> Tensor:
    """Return γ_s, float32, for levels s in 0..1 of the schedule `table` ``(T + 1,)``."""
    index = (level.double() * (len(table) - 1)).round().long()
    return table[index].float()


def corrupt(low: Tensor, noise: Tensor, gamma: Tensor) -> Tensor:
    """Return the low-resolution images ``(N, 3, h, w)`` noised, one γ_s ``(N,)`` each."""
    return diffuse(low, noise, gamma)


def blur(low: Tensor, sigma: Tensor) -> Tensor:
    """Return each image blurred with its own sigma ``(N,)``; zero leaves an image as it is."""
    radius = 3
    offsets = torch.arange(-radius, radius + 1, dtype=low.dtype, device=low.device)
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-3)[:, None]) ** 2)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    n, c, h, w = low.shape
    weights = kernel.repeat_interleave(c, dim=0)
    padded = F.pad(low, (radius,) * 4, mode="replicate").reshape(1, n * c, h + 6, w + 6)
    rows = F.conv2d(padded, weights[:, None, :, None], groups=n * c)
    return F.conv2d(rows, weights[:, None, None, :], groups=n * c).reshape(n, c, h, w)


def augment(
    low: Tensor, config: AugmentationConfig, table: Tensor, draws: Draws
) -> tuple[Tensor, Tensor | None]:
    """Return the augmented low-resolution images and γ_s ``(N,)``, None without noise."""
    if config.blur is not None:
        drawn = draws.rand(2)
        first, last = config.blur
        sigma = (first + (last - first) * drawn[:, 0]) * (drawn[:, 1] < config.blur_share)
        low = blur(low, sigma)
    if not config.noise:
        return low, None
    gamma = level_gamma(table, draws.rand() * config.most)
    return corrupt(low, draws.randn(*low.shape[1:]), gamma), gamma
