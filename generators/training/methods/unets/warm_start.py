"""Begin a training from another's weights: fine-tuning, and comparisons that share a beginning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from generators.errors import ConfigError
from generators.nets.checkpoint import read_config, read_model
from generators.nets.unet import UNet

ADDED = ("label.", "level.")  # embeddings that the net may have and its beginning need not


def begin(net: UNet, ema: dict[str, Tensor], config: Path, start: Path) -> dict[str, Any]:
    """Load the checkpoint's weights into `net` and its averages; return what to say of it.

    An embedding of classes or of augmentation levels that the checkpoint lacks ends in zeros, so
    that the net begins as the same function. Raises `ConfigError` if anything else differs.
    """
    beginning, _, digest = read_model(start)
    weights, wanted = beginning.state_dict(), net.state_dict()
    missing = [name for name in wanted if name not in weights and not name.startswith(ADDED)]
    unknown = [name for name in weights if name not in wanted]
    unlike = [n for n in weights if n in wanted and weights[n].shape != wanted[n].shape]
    if differ := sorted({*missing, *unknown, *unlike}):
        raise ConfigError(
            f"{config}: start_from {start} is another net: {len(differ)} tensors "
            f"differ, {differ[0]} is {_shape(weights, differ[0])}, expected "
            f"{_shape(wanted, differ[0])}"
        )
    with torch.no_grad():
        for name, value in wanted.items():
            if name in weights:
                value.copy_(weights[name])
            elif _ends_embedding(name, net):
                value.zero_()
            ema[name].copy_(value)
    _, facts = read_config(start)
    return {"start_from": {"name": facts["name"], "images": facts["images"], "sha256": digest}}


def _shape(tensors: dict[str, Tensor], name: str) -> str:
    return str(tuple(tensors[name].shape)) if name in tensors else "absent"


def _ends_embedding(name: str, net: UNet) -> bool:
    # Classes are a table, zeroed whole; levels pass two linear layers, of which the last is zeroed.
    return name.startswith("label.") or (
        net.level is not None and name.startswith(f"level.layers.{len(net.level.layers) - 1}.")
    )
