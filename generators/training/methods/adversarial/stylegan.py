"""StyleGAN2 on few images: a generator and a discriminator that sees changed images.

The losses and the lazy regularisation are StyleGAN2's (Karras et al., 2020), without path lengths;
the changes are DiffAugment's (Zhao et al., 2020), without which a discriminator learns a few
hundred images by heart. PULSE searches in the generator's latent space.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from generators.diffusion.noise import Draws
from generators.errors import ConfigError
from generators.gan.augment import Change, augment
from generators.gan.critic import Discriminator, gradient_penalty, not_saturating, told_apart
from generators.gan.stylegan import STYLEGAN, StyleGan, StyleGanConfig, split_noise
from generators.nets.checkpoint import write_model
from generators.nets.unet import channels_last
from generators.training.config import TrainingConfig
from generators.training.data import Images
from generators.training.methods.contract import Method, Start, last_with, parameters_of
from generators.training.part import Part, Step
from generators.training.processes import Workers
from generators.training.sheet import write_sheet

BETAS = (0.0, 0.99)
SHOWN = (4, 8)  # rows and columns of a sheet of samples
DEFAULT: tuple[Change, ...] = ("brightness", "saturation", "contrast", "translation", "cutout")


class StyleGanTraining(TrainingConfig):
    """A training of StyleGAN2.

    `critic` lists the discriminator's channels, from the images' side to 4 pixels. `r1` is the
    gradient penalty's γ, applied every `r1_every` steps. `mixing` is the share of images of two
    latents.
    """

    method: Literal["stylegan"]
    critic: tuple[int, ...]
    mixing: float = Field(default=0.9, ge=0, le=1)
    r1: float = Field(ge=0)
    r1_every: int = Field(default=16, ge=1)
    changes: tuple[Change, ...] = DEFAULT
    model: StyleGanConfig


def check(path: Path, config: StyleGanTraining) -> None:
    """Raise `ConfigError` if the parts of the configuration do not fit each other."""
    model, data = config.model, config.data
    if data.size != model.size or data.factor != 1 or data.patch:
        raise ConfigError(
            f"{path}: data gives images of {data.size} pixels, factor {data.factor}, "
            f"patch {data.patch}; expected whole images of model.size {model.size}"
        )
    if len(config.critic) != len(model.channels) or min(config.critic) < 1:
        raise ConfigError(
            f"{path}: critic has {len(config.critic)} numbers, expected the channels at "
            f"{len(model.channels)} resolutions, {model.size} to 4 pixels"
        )


def begin(config: StyleGanTraining, start: Start) -> Method:
    """Return the training of the generator and its discriminator."""
    device, model = start.among.device, config.model
    maker, judge = _parts(config, start.among)

    def make(draws: Draws) -> Tensor:
        ws, noises = latents(maker.net, config, draws, device)
        made: Tensor = maker.parallel(ws, noises)
        return made.float()

    def step(at: Step) -> dict[str, Tensor]:
        real = augment(at.batch.high.to(device), config.changes, at.draws)
        with at.autocast():
            with torch.no_grad():
                made = augment(make(at.draws), config.changes, at.draws)
            judged = judge.parallel(real)
            loss = told_apart(judged, judge.parallel(made))
        values = {"critic": judge.update(loss, at), "real": (judged > 0).float().mean().detach()}
        if config.r1 and at.number % config.r1_every == 0:
            # In float32: its gradient is one of a gradient.
            penalty = gradient_penalty(judge.parallel, real) * config.r1 * config.r1_every
            judge.update(penalty, at)
        with at.autocast():
            made = augment(make(at.draws), config.changes, at.draws)
            fooled = not_saturating(judge.net(made))
        return {"loss": maker.update(fooled, at)} | values

    def look(held_back: Images, number: int) -> dict[str, float]:
        made = _shown(maker, config, number)
        found = {"mean": float(made.mean()), "spread": float(made.std(0).mean())}
        return found | (_known(judge, held_back, made, device) if len(held_back) else {})

    def write(path: Path, facts: dict[str, Any]) -> str:
        return write_model(path, maker.averages, model, facts, STYLEGAN.header)

    return Method({"net": maker, "critic": judge}, step, look, write)


def _shown(maker: Part, config: StyleGanTraining, number: int) -> Tensor:
    """Return samples of the averaged generator, always of the same draws, and write their sheet."""
    average = _averaged(maker, config.model)
    rows, columns = SHOWN
    draws = Draws(config.seed, -1, range(rows * columns))
    with torch.inference_mode():
        ws, noises = latents(average, config, draws, torch.device("cpu"), mixing=0.0)
        made: Tensor = average(ws, noises)
    write_sheet(config.out / "samples" / f"{number:06d}.png", list(torch.split(made, columns)))
    return made


def _parts(config: StyleGanTraining, among: Workers) -> tuple[Part, Part]:
    """Return the generator and its discriminator, each with its optimizer."""

    def adam(rate: float, power: float = 1.0) -> Any:
        betas = (BETAS[0] ** power, BETAS[1] ** power)
        return lambda them: torch.optim.Adam(them, lr=rate, betas=betas, eps=1e-8, fused=True)

    net = channels_last(StyleGan(config.model), among.device)
    maker = Part(net, config, among, optimizer=adam(config.rate))
    # Lazy regularisation: one more step in `r1_every`, all of them so much shorter.
    share = config.r1_every / (config.r1_every + 1) if config.r1 else 1.0
    rate = config.rate * share
    judge = Part(
        channels_last(Discriminator(config.critic), among.device),
        config,
        among,
        optimizer=adam(rate, share),
        rate=rate,
        averaged=False,
    )
    return maker, judge


def latents(
    net: Any,
    config: StyleGanTraining,
    draws: Draws,
    device: torch.device,
    mixing: float | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Return the layers' vectors ``(N, layers, w)`` and the noises of a batch.

    A share `mixing` of the images has one latent up to a random layer and another from there on.
    """
    model = config.model
    z = draws.randn(2, model.z).to(device)
    mixed = draws.rand() < (config.mixing if mixing is None else mixing)
    cut = torch.where(mixed, 1 + draws.below(model.layers - 1), model.layers).to(device)
    first, second = net.mapping(z[:, 0]), net.mapping(z[:, 1])
    early = torch.arange(model.layers, device=device) < cut[:, None]
    ws = torch.where(early[:, :, None], first[:, None], second[:, None])
    flat = draws.randn(sum(side * side for side in model.noises)).to(device)
    return ws, split_noise(flat, model.noises)


def _averaged(maker: Part, model: StyleGanConfig) -> StyleGan:
    average = StyleGan(model)
    average.load_state_dict({name: value.cpu() for name, value in maker.averages.items()})
    return average.eval()


def _known(judge: Part, held_back: Images, made: Tensor, device: torch.device) -> dict[str, float]:
    """Return how the discriminator judges held-out and made images: it knows its own by heart
    where it takes the held-out ones for made."""
    count = min(len(held_back), len(made))
    numbers: Sequence[int] = torch.linspace(0, len(held_back) - 1, count).long().tolist()
    with torch.inference_mode():
        unseen = judge.net(held_back.stacked(numbers).high.to(device))
        own = judge.net(made[:count].to(device))
    return {"held_back_logit": float(unseen.mean()), "made_logit": float(own.mean())}


def card(config: StyleGanTraining, log: list[dict[str, Any]]) -> dict[str, str]:
    """Return what the model card says of the net."""
    model = config.model
    last = last_with(log, "spread")
    return {
        "makes": f"a {model.size}x{model.size} image from a latent vector, by StyleGAN2 (mapping "
        f"of {model.mapping} layers, {model.w} numbers a style; DiffAugment; no path lengths): "
        "PULSE searches in it",
        "parameters": parameters_of(lambda: StyleGan(model)),
        "validation": "none (looked at samples)" if last is None else _told(last),
    }


def _told(entry: dict[str, Any]) -> str:
    judged = ""
    if "held_back_logit" in entry:
        unseen, own = entry["held_back_logit"], entry["made_logit"]
        judged = f"; the discriminator's mean logit of held-out images {unseen:.2f}, own {own:.2f}"
    return f"looked at samples after {entry['step']} steps{judged}"
