"""Examples of one training step: what the net sees and what it should say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from generators.diffusion.augmentation import AugmentationConfig, augment
from generators.diffusion.noise import Draws
from generators.diffusion.process import diffuse, target
from generators.diffusion.schedule import sample_gammas
from generators.nets.model import Condition, ModelConfig, encode, upsample
from generators.training.data import Batch


class Examined(Protocol):
    """What the examples need of a training's configuration."""

    @property
    def batch(self) -> int:
        """The examples of a step, of all processes together."""

    @property
    def drop_label(self) -> float:
        """The share of the examples that learn without their class."""

    @property
    def model(self) -> ModelConfig:
        """What the net is and predicts."""

    @property
    def augmentation(self) -> AugmentationConfig:
        """What is done to the low-resolution input."""


@dataclass(frozen=True)
class Examples:
    """Some examples of a step: noisy images, their γ, what the net should predict, conditions."""

    y: Tensor
    gamma: Tensor
    wanted: Tensor
    condition: Condition

    def to(self, device: torch.device) -> Examples:
        """Return the examples on a device."""

        def move(value: Tensor | None) -> Tensor | None:
            return None if value is None else value.to(device)

        about = self.condition
        condition = Condition(move(about.up), move(about.label), move(about.level))
        return Examples(self.y.to(device), self.gamma.to(device), self.wanted.to(device), condition)


def noised(config: Examined, batch: Batch, table: Tensor, draws: Draws) -> Examples:
    """Return a batch as diffusion sees it; `draws` are those of its examples, in its order."""
    x0, condition = _conditioned(config, batch, table, draws)
    places = torch.tensor(list(draws.examples))
    gamma = sample_gammas(table, draws.rand(2), places, config.batch)
    noise = draws.randn(*x0.shape[1:])
    wanted = target(config.model.prediction, x0, noise, gamma)
    return Examples(diffuse(x0, noise, gamma), gamma, wanted, condition)


def plain(config: Examined, batch: Batch, table: Tensor, draws: Draws) -> Examples:
    """Return a batch as regression sees it: zeros for the noisy image, the image wanted."""
    x0, condition = _conditioned(config, batch, table, draws)
    return Examples(torch.zeros_like(x0), torch.zeros(len(x0)), x0, condition)


def _conditioned(
    config: Examined, batch: Batch, table: Tensor, draws: Draws
) -> tuple[Tensor, Condition]:
    model, up, level = config.model, None, None
    if model.task != "image":
        low, level = augment(batch.low, config.augmentation, table, draws)
        up = upsample(low, model.factor)
    return encode(model, batch.high, up), Condition(up, _labels(config, batch, draws), level)


def _labels(config: Examined, batch: Batch, draws: Draws) -> Tensor | None:
    classes = config.model.net.classes
    if not classes:
        return None
    return torch.where(draws.rand() < config.drop_label, classes, batch.labels)
