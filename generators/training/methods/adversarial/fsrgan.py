"""FSRGAN (Chen et al., CVPR 2018): FSRNet with priors, then against a critic.

FSRNet's loss is ½ (‖y - y_c‖² + ‖y - ŷ‖² + ‖p - p̂‖²): of the coarse image, the fine one and the
prior maps of each hourglass, all as means, of images in 0..1. FSRGAN adds 0.1 times the mean
squared error of VGG16's relu5_3 and 0.001 times the critic's loss. The critic sees the enlarged
input, too, and judges patches.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from generators.errors import ConfigError
from generators.faces.fsrnet import FSRNET, Critic, Estimate, FsrNet, FsrNetConfig, fold
from generators.faces.landmarks import MAPS, Points, prior_maps, read_landmarks
from generators.files import file_sha256
from generators.gan.critic import not_saturating, told_apart
from generators.nets.checkpoint import write_model
from generators.nets.model import upsample
from generators.nets.unet import channels_last
from generators.sampling.perceptual import Features
from generators.training.config import TrainingConfig
from generators.training.data import Batch, Images
from generators.training.methods.contract import Method, Start, last_with, parameters_of
from generators.training.methods.validation import compare
from generators.training.part import Part, Step
from generators.training.processes import Workers

PERCEPTUAL, ADVERSARIAL = 0.1, 1e-3  # γ_P and γ_C
UNNAMED = "without-priors"


class FsrganTraining(TrainingConfig):
    """A training of FSRGAN.

    `priors` is the landmarks' file, or "none" (the name then says so). Up to step
    `adversarial_from` FSRNet trains without the perceptual term and the critic.
    """

    method: Literal["fsrgan"]
    priors: str
    adversarial_from: int = Field(default=0, ge=0)
    critic_rate: float = Field(default=1e-4, gt=0)
    model: FsrNetConfig


def check(path: Path, config: FsrganTraining) -> None:
    """Raise `ConfigError` if the parts of the configuration do not fit each other."""
    model, data = config.model, config.data
    for key in ("size", "factor"):
        found, expected = getattr(data, key), getattr(model, key)
        if found != expected:
            raise ConfigError(f"{path}: data.{key} is {found}, model.{key} is {expected}")
    if data.patch:
        raise ConfigError(f"{path}: data.patch is {data.patch}, FSRGAN trains on whole faces")
    expected = 0 if config.priors == "none" else MAPS
    if model.maps != expected or model.folded:
        raise ConfigError(
            f"{path}: model.maps is {model.maps}, priors {config.priors!r} makes {expected}"
        )
    if config.priors == "none" and UNNAMED not in config.name:
        raise ConfigError(
            f"{path}: name is {config.name!r}, expected one with {UNNAMED!r}: FSRGAN has priors"
        )


def begin(config: FsrganTraining, start: Start) -> Method:
    """Return the training of the net and its critic."""
    points, features = _points(config, start), _perceptual(start)
    net, critic = _parts(config, start.among)
    step = _stepping(config, (points, features), net, critic, start.among.device)

    def write(path: Path, facts: dict[str, Any]) -> str:
        folded, shape = fold(_averaged(net, config), config.model)
        return write_model(path, folded.state_dict(), shape, facts, FSRNET.header)

    stands_on = {} if config.priors == "none" else {"priors": file_sha256(Path(config.priors))}
    look = _looking(config, start, net)
    return Method({"net": net, "critic": critic}, step, look, write, stands_on=stands_on)


def _stepping(
    config: FsrganTraining,
    told: tuple[dict[str, Points], Features],
    net: Part,
    critic: Part,
    device: torch.device,
) -> Callable[[Step], dict[str, Tensor]]:
    """Return what one step does: FSRNet's loss, and from `adversarial_from` on the critic too."""
    points, features = told

    def step(at: Step) -> dict[str, Tensor]:
        real = at.batch.high.to(device)
        enlarged = upsample(at.batch.low, config.model.factor).to(device)
        maps = _wanted(at.batch, points, config.model.size // 2).to(device)
        with at.autocast():
            made = net.parallel(enlarged)
        plain = fsrnet_loss(made, real, maps)
        if at.number < config.adversarial_from:
            return {"loss": net.update(plain, at)}
        fine = made.fine.float()
        with at.autocast():
            judged = critic.parallel(enlarged, real), critic.parallel(enlarged, fine.detach())
        told = critic.update(told_apart(*judged), at)
        with at.autocast():
            fooled = critic.net(enlarged, fine)
            looks = F.mse_loss(features(fine).float(), features(real).float())
        total = plain + PERCEPTUAL * looks + ADVERSARIAL * not_saturating(fooled)
        loss = net.update(total, at)
        return {"loss": loss, "critic": told, "perceptual": looks.detach()}

    return step


def _perceptual(start: Start) -> Features:
    """Return the network whose features are compared. Raises `ConfigError` where there is none."""
    features = start.features()
    if isinstance(features, str):
        raise ConfigError(f"{start.path}: FSRGAN needs a perceptual network: {features}")
    return channels_last(features, start.among.device)


def _looking(
    config: FsrganTraining, start: Start, net: Part
) -> Callable[[Images, int], dict[str, float]]:
    """Return the validation: the averaged net on held-back images."""

    def look(held_back: Images, number: int) -> dict[str, float]:
        if not len(held_back):
            return {}
        average = _averaged(net, config)

        def make(real: Batch) -> Tensor:
            with torch.inference_mode():
                enlarged = upsample(real.low, config.model.factor).to(start.among.device)
                made: Tensor = average(enlarged).fine.cpu()
                return made

        return compare(make, config.out, held_back, step=number, lpips=start.lpips)

    return look


def _parts(config: FsrganTraining, among: Workers) -> tuple[Part, Part]:
    """Return the net and its critic, each with its optimizer."""

    def rmsprop(rate: float) -> Any:
        return lambda them: torch.optim.RMSprop(them, rate)

    maker = channels_last(FsrNet(config.model), among.device)
    net = Part(maker, config, among, optimizer=rmsprop(config.rate))
    critic = Part(
        channels_last(Critic(config.model.channels), among.device),
        config,
        among,
        optimizer=rmsprop(config.critic_rate),
        rate=config.critic_rate,
        averaged=False,
    )
    return net, critic


def fsrnet_loss(made: Estimate, real: Tensor, maps: Tensor) -> Tensor:
    """Return FSRNet's loss (eq. 5): both images' and each hourglass's errors, halved."""
    images = F.mse_loss(made.coarse.float(), real) + F.mse_loss(made.fine.float(), real)
    images = images / 4  # from -1..1 to 0..1
    for each in made.maps:
        images = images + F.mse_loss(each.float(), maps)
    return 0.5 * images


def _averaged(net: Part, config: FsrganTraining) -> FsrNet:
    average = FsrNet(config.model)
    average.load_state_dict({name: value.cpu() for name, value in net.averages.items()})
    return average.eval()


def _points(config: FsrganTraining, start: Start) -> dict[str, Points]:
    if config.priors == "none":
        return {}
    path = Path(config.priors)
    points = read_landmarks(path)
    lacking = [file.stem for file in start.files if file.stem not in points]
    if lacking:
        raise ConfigError(
            f"{path}: no landmarks of {lacking[0]!r} ({len(lacking)} of {len(start.files)} images "
            "lack them), expected those of every image: python -m generators.faces.detect"
        )
    return points


def _wanted(batch: Batch, points: dict[str, Points], side: int) -> Tensor:
    if not points:
        return torch.zeros(len(batch.items), 0, side, side)
    maps = [
        prior_maps(points[item], side, flipped=flip)
        for item, flip in zip(batch.items, batch.flips, strict=True)
    ]
    return torch.from_numpy(np.stack(maps))


def card(config: FsrganTraining, log: list[dict[str, Any]]) -> dict[str, str]:
    """Return what the model card says of the net."""
    model = config.model
    priors = "without facial priors" if config.priors == "none" else "priors learned from a "
    priors += "" if config.priors == "none" else "detector's landmarks, as its authors' were"
    last = last_with(log, "psnr")
    return {
        "makes": f"a face {model.factor} times larger than its input, by FSRGAN ({priors}; "
        f"{model.channels} and {model.prior_channels} channels, the paper's has 64 and 128; a "
        "critic of patches that sees the input; the paper makes 128 pixels of 16)",
        "parameters": parameters_of(lambda: FsrNet(model)),
        "validation": _validation(last) if last else "none (looked at samples)",
    }


def _validation(last: dict[str, Any]) -> str:
    lpips = f", LPIPS {last['lpips']:.3f}" if "lpips" in last else ""
    return (
        f"PSNR {last['psnr']:.2f} dB{lpips} on eight held-out images after {last['step']} steps "
        f"(bicubic {last['bicubic_psnr']:.2f} dB)"
    )
