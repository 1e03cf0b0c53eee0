"""The keys that every training has, what resuming may not change, what computes a training."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field

from generators.config import Strict
from generators.nets.operators import EPS, arithmetic
from generators.resize import KERNEL
from generators.training.data import DataConfig

# What reduced the training images before the kernel was recorded.
EARLIER_KERNEL = "bicubic-antialiased (Pillow, a=-0.5), rounded to 8 bits between the passes, too"


class TrainingConfig(Strict):
    """A training, as read from TOML; a method's own keys come on top of it.

    `method` names an entry of `generators.training.methods.registry.METHODS`. `steps` may be raised
    later to train on.
    """

    method: str | None = None
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
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    compile: bool = False  # by torch.compile instead of the kernels; takes minutes to start
    checkpoint_every: int = Field(default=500, ge=1)
    sample_every: int = Field(default=1000, ge=1)
    licence: str = "unstated"  # of the weights, for the model card
    data: DataConfig

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the data must have; a method without any takes all data."""
        return ()


# How long and how fast to go on may change, and where the files lie.
RHYTHM = ("steps", "batch", "rate", "cooldown", "compile", "checkpoint_every", "sample_every")
FREE = {"name", "out", "licence", *RHYTHM}

# The order of the keys when the first states were saved; keys of later methods follow by name.
ORDER = (
    *("seed", "warmup", "ema", "clip", "power", "weighting", "drop_label", "precision"),
    *("start_from", "model", "data", "augmentation"),
)
# Keys newer than some saved states, with the values that say nothing: they count where they differ.
NEWER: dict[tuple[str, ...], tuple[Any, ...]] = {
    ("method",): ("diffusion", "regression", None),  # `model.task` says which
    ("start_from",): (None,),
    ("model", "net", "heads"): (0,),
    ("model", "net", "norm_eps"): (EPS,),
}


def identity(config: TrainingConfig) -> str:
    """Return the digest of what must not change between stopping and resuming."""
    unset = [place for place, idle in NEWER.items() if _at(config, place) in idle]
    keys = set(type(config).model_fields) - FREE - {place[0] for place in unset if len(place) == 1}
    known = {key: number for number, key in enumerate(ORDER)}
    ordered = sorted(keys, key=lambda key: (known.get(key, len(ORDER)), key))
    exclude = _tree([("data", "folder"), *(place for place in unset if len(place) > 1)])
    parts = [config.model_dump_json(include={key}, exclude=exclude) for key in ordered]
    text = "{" + ",".join(part[1:-1] for part in parts) + "}"
    return hashlib.sha256(text.encode()).hexdigest()


def _at(value: Any, place: tuple[str, ...]) -> Any:
    for key in place:
        value = getattr(value, key, None)
    return value


def _tree(places: list[tuple[str, ...]]) -> dict[str, Any]:
    """Return paths of keys as pydantic's nested dictionary of what to leave out."""
    tree: dict[str, Any] = {}
    for place in places:
        branch = tree
        for key in place[:-1]:
            branch = branch.setdefault(key, {})
        branch[place[-1]] = True
    return tree


def computed_by(config: TrainingConfig, device: torch.device) -> dict[str, str]:
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
