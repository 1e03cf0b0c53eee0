"""The state a training resumes from: each part's weights, averages and the
optimizer's moments, as one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from generators.errors import ConfigError, cause
from generators.files import write_atomically
from generators.training.config import EARLIER_KERNEL
from generators.training.part import Part

HEADER = "foolrate-training-1"

# What states of before this was recorded have in common: only the kernel is known of them.
EARLIER = {"reduction": EARLIER_KERNEL}

# Of Adam and AdamW, and of RMSprop.
MOMENTS = ("exp_avg", "exp_avg_sq", "step", "square_avg", "momentum_buffer")
MAIN = "net"  # the part whose tensors stand without its name, as when it was the only one


def write(
    path: Path,
    made: tuple[str, dict[str, str]],
    done: tuple[int, int],
    parts: Mapping[str, Part],
) -> None:
    """Write the state, atomically.

    `done` is steps and images; `made` the TOML's digest and what computed it (arithmetic, device,
    dtype, and the kernel that reduced its images).
    """
    (step, images), (identity, computed_by) = done, made
    tensors: dict[str, Tensor] = {}
    for name, part in parts.items():
        tensors |= {_prefix(name) + key: value for key, value in _tensors(part).items()}
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    # One key: safetensors writes several in an order that changes from run to run.
    fields = {"identity": identity, "steps": step, "images": images, "computed_by": computed_by}
    header = json.dumps(fields)
    write_atomically(path, save(plain, {HEADER: header}))


def _prefix(part: str) -> str:
    return "" if part == MAIN else f"{part}/"


def _tensors(part: Part) -> dict[str, Tensor]:
    tensors = {f"net.{name}": value for name, value in part.net.state_dict().items()}
    tensors |= {f"ema.{name}": value for name, value in part.averages.items()}
    for name, parameter in part.net.named_parameters():
        for moment, value in part.optimizer.state.get(parameter, {}).items():
            tensors[f"{moment}.{name}"] = value
    return tensors


def read(
    path: Path,
    config: Path,
    made: tuple[str, dict[str, str]],
    parts: Mapping[str, Part],
) -> tuple[int, int]:
    """Load each part's net, averages and optimizer; return the steps and images done.

    Raises `ConfigError` for the state of another configuration, or one that something else has
    computed than would go on now (`made`, as `write` has it).
    """
    try:
        with safe_open(path, "pt") as stream:
            header = json.loads((stream.metadata() or {}).get(HEADER, "{}"))
            if not isinstance(header, dict):
                raise ValueError("its header is no object")
            if header.get("identity") != made[0]:
                raise ConfigError(
                    f"{config}: does not match the training saved in {path}; "
                    "change only steps, batch, rate, cooldown and the saving rhythm, or `out`"
                )
            before = header.get("computed_by") or {}
            _refuse_mixing(path, before if "dtype" in before else EARLIER | before, made[1])
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
        for name, part in parts.items():
            _load(part, _prefix(name), tensors)
        return int(header["steps"]), int(header["images"])
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise ConfigError(f"{path}: not a whole training state ({cause(error)})") from None


def _refuse_mixing(path: Path, before: dict[str, str], now: dict[str, str]) -> None:
    for key, value in now.items():
        if before.get(key, value) != value:
            raise ConfigError(
                f"{path}: was trained with {key} {before[key]!r}, this machine would go on with "
                f"{value!r}; go on where it began, or begin anew with --start-over"
            )


def _load(part: Part, prefix: str, tensors: dict[str, Tensor]) -> None:
    net = part.net
    net.load_state_dict({name: tensors[f"{prefix}net.{name}"] for name in net.state_dict()})
    for name, average in part.averages.items():
        average.copy_(tensors[f"{prefix}ema.{name}"])
    for name, parameter in net.named_parameters():
        for moment in MOMENTS:
            value = tensors.get(f"{prefix}{moment}.{name}")
            if value is None:
                continue
            if moment != "step":
                # The optimizer's fused kernel wants the layout of its parameter.
                value = torch.empty_like(parameter).copy_(value)
            part.optimizer.state[parameter][moment] = value
