"""Checkpoints: one safetensors file with the weights and, in its header, what they mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from generators.errors import ConfigError
from generators.files import file_sha256, write_atomically
from generators.nets.model import ModelConfig
from generators.nets.unet import UNet

FORMAT = "foolrate-model-1"


def write_model(
    path: Path, net: dict[str, Tensor], config: ModelConfig, facts: dict[str, Any]
) -> str:
    """Write the weights as float16 and return the file's sha256. Atomic.

    float16 halves the file; its rounding (2^-11) is below that of the bfloat16 it usually runs in.
    """
    tensors = {name: value.detach().to(torch.float16).contiguous() for name, value in net.items()}
    # One key: safetensors writes several in an order that changes from run to run.
    header = {"model": config.model_dump(mode="json"), "facts": facts}
    write_atomically(path, save(tensors, {FORMAT: json.dumps(header)}))
    return file_sha256(path)


def read_config(path: Path) -> tuple[ModelConfig, dict[str, Any]]:
    """Return a checkpoint's model configuration and the facts of its training, without weights."""
    try:
        with safe_open(path, "pt") as stream:
            header = stream.metadata() or {}
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file, expected a checkpoint (.safetensors)") from None
    except (SafetensorError, OSError) as error:
        raise ConfigError(f"{path}: not a whole safetensors file ({error})") from None
    if FORMAT not in header:
        found = ", ".join(header) or "none"
        raise ConfigError(f"{path}: header keys are {found}, expected {FORMAT!r}")
    content = json.loads(header[FORMAT])
    try:
        config = ModelConfig.model_validate(content["model"])
    except ValidationError as error:
        fault = error.errors()[0]["msg"]
        raise ConfigError(f"{path}: its model configuration is wrong ({fault})") from None
    return config, content["facts"]


def read_model(path: Path, sha256: str | None = None) -> tuple[UNet, ModelConfig, str]:
    """Return the net (float32, evaluation mode), its configuration and the file's sha256.

    Raises `ConfigError` when the file is missing or damaged, when its digest is not `sha256`, or
    when its weights do not fit its configuration.
    """
    config, _ = read_config(path)
    digest = file_sha256(path)
    if sha256 is not None and digest != sha256.lower():
        raise ConfigError(f"{path}: sha256 is {digest}, the configuration expects {sha256}")
    with torch.device("meta"):
        net = UNet(config.net)
    net = net.to_empty(device="cpu")
    with safe_open(path, "pt") as stream:
        weights = {name: stream.get_tensor(name).float() for name in stream.keys()}  # noqa: SIM118
    try:
        net.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise ConfigError(f"{path}: the weights do not fit their net: {reason}") from None
    return net.eval(), config, digest
