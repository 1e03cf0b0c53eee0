"""Noise keyed by item: the same for any batch size, device, number of workers or resumption."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def keyed_noise(key: str, step: int, shape: tuple[int, ...]) -> Tensor:
    """Return standard normal noise of `shape`, float32, a function of the key and the step alone.

    Drawn on the CPU whatever the device; step -1 is the noise a sampler starts from.
    """
    digest = hashlib.sha256(f"{key}/{step}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    return torch.randn(shape, generator=generator)


def noise_key(seed: int, model: str, stage: str, draw: int = 0) -> str:
    """Return the key of one item's noise in one stage.

    `seed` is the item's (made from the run's seed and the item's id), `model` the checkpoint's
    digest: two models get independent noise, two runs of one model the same.
    """
    return hashlib.sha256(f"{seed}/{model}/{draw}/{stage}".encode()).hexdigest()


def batch_noise(keys: Sequence[str], step: int, shape: tuple[int, ...]) -> Tensor:
    """Return the noise of several items, ``(N, *shape)``."""
    return torch.stack([keyed_noise(key, step, shape) for key in keys])
