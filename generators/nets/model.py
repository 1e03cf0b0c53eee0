"""A model: the net with its schedule, what it predicts and what it is conditioned on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from generators.config import Strict
from generators.diffusion.process import Prediction
from generators.diffusion.schedule import ScheduleConfig
from generators.nets.unet import UNetConfig


class ModelConfig(Strict):
    """Everything that a checkpoint's weights mean.

    `task` is `sr` (an image from a smaller one), `regression` (the same net and input, one
    evaluation, no noise) or `image` (an image from noise and perhaps a class). With
    `residual`, y is the difference to the bicubic upsample times that gain, and not the image: its
    mean is then right from the first step, which short trainings otherwise get wrong.
    """

    task: Literal["sr", "regression", "image"]
    size: int = Field(ge=4)  # of the output, pixels; SR nets are convolutional and take any size
    factor: int = Field(default=1, ge=1)
    prediction: Prediction = "v"
    residual: float = Field(default=0.0, ge=0)
    net: UNetConfig
    schedule: ScheduleConfig = ScheduleConfig()
    classes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> ModelConfig:
        expected = 3 if self.task == "image" else 6
        if self.net.in_channels != expected:
            found = self.net.in_channels
            raise ValueError(f"net.in_channels is {found}, task {self.task!r} needs {expected}")
        if self.residual and self.task == "image":
            raise ValueError("residual needs a low-resolution input, task 'image' has none")
        return self


@dataclass(frozen=True)
class Condition:
    """What a batch is conditioned on: the upsampled input, classes, augmentation levels γ_s."""

    up: Tensor | None = None  # (N, 3, H, W)
    label: Tensor | None = None  # (N,)
    level: Tensor | None = None  # (N,)


def upsample(low: Tensor, factor: int) -> Tensor:
    """Return the bicubic upsample (a = -0.5, Pillow's kernel) of ``(N, 3, h, w)``."""
    size = (low.shape[-2] * factor, low.shape[-1] * factor)
    return F.interpolate(low, size=size, mode="bicubic", antialias=True, align_corners=False)


def encode(config: ModelConfig, high: Tensor, up: Tensor | None) -> Tensor:
    """Return x0 as the process sees it: the image, or the scaled residual."""
    if not config.residual or up is None:
        return high
    return (high - up) * config.residual


def decode(config: ModelConfig, x0: Tensor, up: Tensor | None) -> Tensor:
    """Return the image that x0 stands for; the inverse of `encode`."""
    if not config.residual or up is None:
        return x0
    return x0 / config.residual + up


def evaluate(net: nn.Module, y: Tensor, gamma: Tensor, condition: Condition) -> Tensor:
    """Return the net's raw output for noisy images y ``(N, 3, H, W)`` with γ ``(N,)``."""
    x = y if condition.up is None else torch.cat([y, condition.up.to(y.dtype)], dim=1)
    x = x.contiguous(memory_format=torch.channels_last)
    out: Tensor = net(x, gamma, condition.label, condition.level)
    return out
