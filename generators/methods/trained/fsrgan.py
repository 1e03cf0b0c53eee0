"""FSRGAN as a generator: a face from a smaller one, in one evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from generators.config import GenerateConfig, NetFile
from generators.errors import ConfigError
from generators.faces.fsrnet import FSRNET, FsrNetConfig
from generators.methods.contract import Facts, Generator, Runtime, Task, one_by_one
from generators.nets.checkpoint import read_net
from generators.nets.device import usable
from generators.nets.model import upsample
from generators.nets.operators import arithmetic
from generators.nets.tensors import to_pixels, to_unit
from generators.resize import Pixels


class FsrganConfig(GenerateConfig, NetFile):
    """Settings of an FSRGAN run: a checkpoint of `train` with method "fsrgan"."""

    generator: Literal["fsrgan"]
    inputs: Path


def load(config: FsrganConfig, runtime: Runtime) -> Generator:
    """Return the generator. Raises `ConfigError` for a checkpoint that does not fit."""
    net, model, digest = read_net(config.checkpoint, FSRNET, config.sha256)
    device = usable(runtime.device)
    net = net.to(device)

    def image(task: Task) -> Pixels:
        _check_input(task, model)
        low = torch.from_numpy(task.input().copy()).permute(2, 0, 1)[None]
        with torch.inference_mode():
            made = net(upsample(to_unit(low), model.factor).to(device)).fine.cpu()
        pixels: Pixels = to_pixels(made)[0].permute(1, 2, 0).numpy()
        return pixels

    return Generator(
        images=one_by_one(image),
        facts=Facts(
            checkpoint={config.checkpoint.name: digest},
            evaluations=1,
            dtype="float32",
            arithmetic=arithmetic(device, torch.float32),
            libraries=("torch", "safetensors"),
            seeded=False,
        ),
        micro_batch=1,
    )


def _check_input(task: Task, model: FsrNetConfig) -> None:
    height, width = task.input().shape[:2]
    side = model.size // model.factor
    if (height, width) != (side, side):
        raise ConfigError(
            f"item {task.id!r} is {width}x{height}, this net was trained on faces of {side}x{side}"
        )
