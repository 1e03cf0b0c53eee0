"""VQ-VAE-2's second stage: a prior over the top's codes, or over the bottom's given the top's."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.codes.autoencoder import VQVAE, VqVae, VqVaeConfig
from generators.codes.prior import PRIOR, Prior, PriorConfig
from generators.errors import ConfigError
from generators.nets.checkpoint import read_net, write_model
from generators.nets.unet import channels_last
from generators.training.config import TrainingConfig
from generators.training.data import Images
from generators.training.methods.contract import Method, Start, last_with, parameters_of
from generators.training.part import Part, Step

BATCH = 32  # held-out images at once


class PriorTraining(TrainingConfig):
    """A training of a prior over the codes of `autoencoder`, a file that "vqvae2" trained."""

    method: Literal["code_prior"]
    autoencoder: Path
    model: PriorConfig

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the data must have."""
        return self.model.classes


def check(path: Path, config: PriorTraining) -> None:
    """Raise `ConfigError` if the parts of the configuration do not fit each other."""
    data = config.data
    if data.factor != 1 or data.patch or data.labels != "folder":
        raise ConfigError(
            f"{path}: data has factor {data.factor}, patch {data.patch}, labels {data.labels!r}; "
            "expected whole images and labels 'folder'"
        )
    if config.model.autoencoder:
        raise ConfigError(
            f"{path}: model.autoencoder is found by the training; name the file by `autoencoder`"
        )


def begin(config: PriorTraining, start: Start) -> Method:
    """Return the training on the cross-entropy of codes. Raises `ConfigError`."""
    device, model = start.among.device, config.model
    frozen, shape, digest = read_net(config.autoencoder, VQVAE)
    _check_fit(start.path, config, shape)
    frozen = frozen.to(device).requires_grad_(requires_grad=False)
    part = Part(channels_last(Prior(model), device), config, start.among)

    def step(at: Step) -> dict[str, Tensor]:
        codes, top = encoded(frozen, at.batch.high.to(device), model)
        label = at.batch.labels.to(device)
        at.seed_torch("dropout")
        with at.autocast():
            logits = part.parallel(codes, label, top)
        loss = part.update(F.cross_entropy(logits.float(), codes), at)
        return {"loss": loss, "bits": loss / math.log(2)}

    def look(held_back: Images, number: int) -> dict[str, float]:  # noqa: ARG001
        average = Prior(model).to(device)
        average.load_state_dict(part.averages)
        bits = held_out_bits(average.eval(), frozen, held_back) if len(held_back) else None
        return {} if bits is None else {"held_back_bits": bits}

    def write(path: Path, facts: dict[str, Any]) -> str:
        known = model.model_copy(update={"autoencoder": digest})
        return write_model(path, part.averages, known, facts, PRIOR.header)

    return Method({"net": part}, step, look, write, stands_on={"autoencoder": digest})


def _check_fit(path: Path, config: PriorTraining, shape: VqVaeConfig) -> None:
    model = config.model
    side = shape.size // (8 if model.level == "top" else 4)
    wanted = {"data.size": shape.size, "model.side": side, "model.codes": shape.codes}
    given = (config.data.size, model.side, model.codes)
    for (name, expected), found in zip(wanted.items(), given, strict=True):
        if found != expected:
            raise ConfigError(
                f"{path}: {name} is {found}, {config.autoencoder}'s {model.level} codes need "
                f"{expected}"
            )


def encoded(frozen: VqVae, images: Tensor, model: PriorConfig) -> tuple[Tensor, Tensor | None]:
    """Return the codes that a prior learns, and the top's where it is given them."""
    with torch.no_grad():
        found = frozen.encode(images)
    return (
        (found.top.codes, None) if model.level == "top" else (found.bottom.codes, found.top.codes)
    )


def held_out_bits(prior: Prior, frozen: VqVae, images: Images) -> float:
    """Return the mean bits a code of held-out images costs under the prior."""
    device, total, count = next(prior.parameters()).device, 0.0, 0
    for first in range(0, len(images), BATCH):
        batch = images.stacked(range(first, min(first + BATCH, len(images))))
        codes, top = encoded(frozen, batch.high.to(device), prior.config)
        with torch.inference_mode():
            logits = prior(codes, batch.labels.to(device), top)
        total += float(F.cross_entropy(logits, codes, reduction="sum"))
        count += codes.numel()
    return total / count / math.log(2)


def card(config: PriorTraining, log: list[dict[str, Any]]) -> dict[str, str]:
    """Return what the model card says of the net."""
    model = config.model
    last = last_with(log, "held_back_bits")
    of = "of a class" if model.level == "top" else "of a class and the top's codes"
    return {
        "makes": f"{model.side}x{model.side} {model.level} codes {of}, for VQ-VAE-2's autoencoder "
        f"`{config.autoencoder.parent.name}`",
        "parameters": parameters_of(lambda: Prior(model)),
        "validation": "none"
        if last is None
        else f"{last['held_back_bits']:.3f} bits a code on held-out images after {last['step']} "
        f"steps ({math.log2(model.codes):.0f} without a prior)",
    }
