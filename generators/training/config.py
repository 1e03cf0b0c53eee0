"""The configuration of a training: its keys, how they must fit, what resuming may not change."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field

from generators.config import Strict
from generators.diffusion.augmentation import AugmentationConfig
from generators.errors import ConfigError
from generators.nets.model import ModelConfig
from generators.nets.operators import arithmetic
from generators.resize import KERNEL
from generators.training.data import DataConfig

# What reduced the training images before the kernel was recorded.
EARLIER_KERNEL = "bicubic-antialiased (Pillow, a=-0.5), rounded to 8 bits between the passes, too"


class TrainConfig(Strict):
    """A training, as read from TOML. `steps` may be raised later to train on."""

    name: str
    out: Path
    seed: int = Field(default=0, ge=0)
    steps: int = Field(ge=1)
    batch: int = Field(default=16, ge=1)
    rate: float = Field(default=1e-4, gt=0)
    warmup: int = Field(default=100, ge=0)  # steps of linear warm-up
    cooldown: int = Field(default=0, ge=0)  # last steps, over which the rate falls to zero
    ema: float = Field(default=0.999, ge=0, lt=1)
    clip: float = Field(default=1.0, gt=0)  # of the gradient's norm
    power: Literal[1, 2] = 2  # L1 or L2
    weighting: Literal["none", "v"] = "none"  # `v`: the error of x0 weighed by 1 / (1-γ)
    drop_label: float = Field(default=0.0, ge=0, lt=1)  # for classifier-free guidance
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    compile: bool = False  # fuse operations: minutes to start, then about 1.8 times faster
    checkpoint_every: int = Field(default=500, ge=1)
    sample_every: int = Field(default=1000, ge=1)
    licence: str = "unstated"  # of the weights, for the model card
    start_from: Path | None = None  # a checkpoint to begin with, in place of random weights
    model: ModelConfig
    data: DataConfig
    augmentation: AugmentationConfig = AugmentationConfig()


def check(path: Path, config: TrainConfig) -> TrainConfig:
    """Return the configuration if its parts fit each other, else raise `ConfigError`."""
    model, data = config.model, config.data
    if model.factor != data.factor:
        raise ConfigError(f"{path}: data.factor is {data.factor}, model.factor is {model.factor}")
    if model.size != data.size:
        raise ConfigError(f"{path}: data.size is {data.size}, model.size is {model.size}")
    if (data.patch or data.size) % model.net.stride:
        raise ConfigError(f"{path}: the training size must be a multiple of {model.net.stride}")
    if config.weighting == "v" and model.prediction != "x0":
        raise ConfigError(f"{path}: weighting 'v' is for prediction 'x0', not {model.prediction!r}")
    if model.net.level_embedding != config.augmentation.noise:
        raise ConfigError(f"{path}: model.net.level_embedding and augmentation.noise must agree")
    if model.net.classes != len(model.classes):
        raise ConfigError(
            f"{path}: model.net.classes is {model.net.classes}, "
            f"model.classes lists {len(model.classes)}"
        )
    return config


def identity(config: TrainConfig) -> str:
    """Return the digest of what must not change between stopping and resuming."""
    # How long and how fast to go on may.
    rhythm = ("steps", "batch", "rate", "cooldown", "compile", "checkpoint_every", "sample_every")
    # A key newer than some saved states: it counts where it is set.
    unset = () if config.start_from else ("start_from",)
    free = ("name", "out", "licence", *rhythm, *unset)
    text = config.model_dump_json(exclude=dict.fromkeys(free, True) | {"data": {"folder"}})
    return hashlib.sha256(text.encode()).hexdigest()


def computed_by(config: TrainConfig, device: torch.device) -> dict[str, str]:
    """Return what computes a training there; two of them are not mixed in one training."""
    half = config.precision == "bfloat16"
    dtype = torch.bfloat16 if half else torch.float32
    made = {
        "arithmetic": arithmetic(device, dtype, config.compile),
        "device": device.type,
        "dtype": config.precision,
    }
    reduces = config.data.factor > 1 or config.data.resize == "bicubic"
    return made | ({"reduction": KERNEL} if reduces else {})
