"""Draws keyed by item or example: the same for any batch, device, number of workers, resumption."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def keyed_noise(key: str, step: int, shape: tuple[int, ...]) -> Tensor:
    """Return standard normal noise of `shape`, float32, a function of only the key and the step.

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


class Draws:
    """The random draws of some examples of a training step, each from a generator of its own.

    Example k of a step draws the same in every process, and whatever else was drawn. All
    methods return one row an example.
    """

    def __init__(self, seed: int, step: int, examples: range) -> None:
        self.examples = examples
        self._generators = [
            torch.Generator().manual_seed(draw_seed(seed, step, example)) for example in examples
        ]

    def rand(self, *shape: int) -> Tensor:
        """Return uniform numbers in 0..1, ``(N, *shape)``."""
        return torch.stack([torch.rand(shape, generator=each) for each in self._generators])

    def randn(self, *shape: int) -> Tensor:
        """Return standard normal numbers, ``(N, *shape)``."""
        return torch.stack([torch.randn(shape, generator=each) for each in self._generators])

    def below(self, bound: int, *shape: int) -> Tensor:
        """Return whole numbers from 0 to `bound` - 1, ``(N, *shape)``."""
        return torch.stack([torch.randint(bound, shape, generator=g) for g in self._generators])


def draw_seed(seed: int, step: int, example: int | str) -> int:
    """Return the seed of one example's draws in one step of a training."""
    digest = hashlib.sha256(f"train/{seed}/{step}/{example}".encode()).digest()
    return int.from_bytes(digest[:7], "big")
