"""VQ-VAE-2's first stage: an autoencoder with two codebooks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from generators.codes.autoencoder import VQVAE, VqVae, VqVaeConfig
from generators.codes.quantiser import usage
from generators.errors import ConfigError
from generators.nets.checkpoint import write_model
from generators.nets.tensors import to_pixels
from generators.nets.unet import channels_last
from generators.training.config import TrainingConfig
from generators.training.data import Images
from generators.training.methods.contract import Method, Start, last_with, parameters_of
from generators.training.part import Part, Step
from generators.training.sheet import write_sheet

SHOWN = 8  # held-out images on a sheet
BATCH = 32  # held-out images at once


class VqVaeTraining(TrainingConfig):
    """A training of the autoencoder; `commitment` is the loss's β.

    Of several processes the first one's examples move the codebooks.
    """

    method: Literal["vqvae2"]
    commitment: float = Field(default=0.25, ge=0)
    model: VqVaeConfig


def check(path: Path, config: VqVaeTraining) -> None:
    """Raise `ConfigError` if the parts of the configuration do not fit each other."""
    data = config.data
    if data.size != config.model.size or data.factor != 1 or data.patch:
        raise ConfigError(
            f"{path}: data gives images of {data.size} pixels, factor {data.factor}, patch "
            f"{data.patch}; expected whole images of model.size {config.model.size}"
        )


def begin(config: VqVaeTraining, start: Start) -> Method:
    """Return the training: squared error and commitment by gradient, codebooks by their means."""
    device, model = start.among.device, config.model
    part = Part(channels_last(VqVae(model), device), config, start.among)
    net: Any = part.net

    def step(at: Step) -> dict[str, Tensor]:
        images = at.batch.high.to(device)
        with at.autocast():
            made, encoded = part.parallel(images)
        error = F.mse_loss(made, images)
        commitment = encoded.top.commitment + encoded.bottom.commitment
        loss = part.update(error + config.commitment * commitment, at)
        at.seed_torch("restart")
        values = {"loss": loss, "error": error.detach(), "commitment": commitment.detach()}
        for name in ("top", "bottom"):
            codebook, found = getattr(net, name), getattr(encoded, name)
            codebook.learn(found)
            codebook.restart(found)
            _, perplexity = usage(found.codes, model.codes)
            values[f"{name}_perplexity"] = torch.tensor(perplexity, device=device)
        return values

    def look(held_back: Images, number: int) -> dict[str, float]:
        average = VqVae(model)
        average.load_state_dict({name: value.cpu() for name, value in part.averages.items()})
        return preview(average.eval(), config, held_back, number) if len(held_back) else {}

    def write(path: Path, facts: dict[str, Any]) -> str:
        exact = {name for name in part.averages if name.startswith(("top.", "bottom."))}
        return write_model(path, part.averages, model, facts, VQVAE.header, exact=exact)

    return Method(parts={"net": part}, step=step, preview=look, write=write)


def preview(net: VqVae, config: VqVaeTraining, held_back: Images, number: int) -> dict[str, float]:
    """Return the reconstructions' PSNR and how many codes all held-out images use.

    Writes ``samples/STEP.png``: held-out images above their reconstructions.
    """
    errors: list[Tensor] = []
    codes: dict[str, list[Tensor]] = {"top": [], "bottom": []}
    for first in range(0, len(held_back), BATCH):
        batch = held_back.stacked(range(first, min(first + BATCH, len(held_back)))).high
        with torch.inference_mode():
            made, encoded = net(batch)
        if first == 0:
            sheet = config.out / "samples" / f"{number:06d}.png"
            write_sheet(sheet, [batch[:SHOWN], made[:SHOWN]])
        away = to_pixels(made).float() - to_pixels(batch).float()
        errors.append(away.square().mean((1, 2, 3)))
        for name, found in codes.items():
            found.append(getattr(encoded, name).codes.flatten())
    psnr = (10 * torch.log10(255**2 / torch.cat(errors).clamp(min=1e-8))).mean()
    values = {"psnr": float(psnr)}
    for name, found in codes.items():
        used, perplexity = usage(torch.cat(found), config.model.codes)
        values |= {f"{name}_used": float(used), f"{name}_perplexity": perplexity}
    return values


def card(config: VqVaeTraining, log: list[dict[str, Any]]) -> dict[str, str]:
    """Return what the model card says of the net."""
    model = config.model
    last = last_with(log, "top_used")
    return {
        "makes": f"codes of a {model.size}x{model.size} image and an image of codes, by VQ-VAE-2's "
        f"autoencoder ({model.size // 8}x{model.size // 8} and {model.size // 4}x"
        f"{model.size // 4} of {model.codes} codes; batch norm before each codebook)",
        "parameters": parameters_of(lambda: VqVae(model)),
        "validation": "none" if last is None else _told(last, model.codes),
    }


def _told(entry: dict[str, Any], count: int) -> str:
    used = " and ".join(
        f"{entry[f'{name}_used']:.0f} of {count} {name} codes (perplexity "
        f"{entry[f'{name}_perplexity']:.0f})"
        for name in ("top", "bottom")
    )
    return (
        f"reconstructions of held-out images {entry['psnr']:.2f} dB (PSNR) after {entry['step']} "
        f"steps; {used}"
    )
