"""Examples of one training step: what the net sees, what it should say, how much each counts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from generators.diffusion.augmentation import augment
from generators.diffusion.noise import Draws
from generators.diffusion.process import diffuse, target, v_weight
from generators.diffusion.schedule import sample_gammas
from generators.nets.model import Condition, encode, upsample
from generators.training.config import TrainConfig
from generators.training.data import Batch


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


def examples(config: TrainConfig, batch: Batch, table: Tensor, draws: Draws) -> Examples:
    """Return the examples of a batch; `draws` are those of its examples, in its order."""
    model, up, level = config.model, None, None
    if model.task != "image":
        low, level = augment(batch.low, config.augmentation, table, draws)
        up = upsample(low, model.factor)
    x0 = encode(model, batch.high, up)
    condition = Condition(up, _labels(config, batch, draws), level)
    if model.task == "regression":
        return Examples(torch.zeros_like(x0), torch.zeros(len(x0)), x0, condition)
    places = torch.tensor(list(draws.examples))
    gamma = sample_gammas(table, draws.rand(2), places, config.batch)
    noise = draws.randn(*x0.shape[1:])
    wanted = target(model.prediction, x0, noise, gamma)
    return Examples(diffuse(x0, noise, gamma), gamma, wanted, condition)


def _labels(config: TrainConfig, batch: Batch, draws: Draws) -> Tensor | None:
    classes = config.model.net.classes
    if not classes:
        return None
    return torch.where(draws.rand() < config.drop_label, classes, batch.labels)


def weight(config: TrainConfig, gamma: Tensor) -> Tensor | None:
    """Return how much each example's error counts; None where all count the same."""
    return v_weight(gamma) if config.weighting == "v" else None


def rate(config: TrainConfig, step: int) -> float:
    """Return the learning rate of a step: it rises with the warm-up and falls in the cool-down."""
    rise = min(1.0, (step + 1) / (config.warmup + 1))
    fall = min(1.0, (config.steps - step) / (config.cooldown + 1))
    return config.rate * rise * fall
