"""FSRGAN as a generator: a face from a smaller one, in one evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from generators.config import GenerateConfig, NetFile
from generators.faces.fsrnet import FSRNET
from generators.methods.contract import Facts, Generator, Runtime, Task, one_by_one
from generators.nets.checkpoint import read_net
from generators.nets.device import usable
from generators.nets.model import upsample
from generators.nets.operators import arithmetic
from generators.nets.tensors import images_of, to_unit
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
        low = torch.from_numpy(task.input().copy()).permute(2, 0, 1)[None]
        with torch.inference_mode():
            made = net(upsample(to_unit(low), model.factor).to(device)).fine.cpu()
        return images_of(made)[0]

    def refuses(width: int, height: int) -> str:
        side = model.size // model.factor
        if (width, height) == (side, side):
            return ""
        return f"is {width}x{height}, this net was trained on faces of {side}x{side}"

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
        refuses=refuses,
    )
