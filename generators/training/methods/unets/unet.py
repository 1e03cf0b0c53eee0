"""What diffusion and regression share: a U-Net's configuration, its part, its file and card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from torch import Tensor

from generators.diffusion.augmentation import AugmentationConfig
from generators.diffusion.process import loss
from generators.errors import ConfigError
from generators.nets.checkpoint import write_model
from generators.nets.model import ModelConfig, evaluate
from generators.nets.unet import UNet, channels_last, parameter_count
from generators.training.config import TrainingConfig
from generators.training.data import Images
from generators.training.methods.contract import Method, Start
from generators.training.methods.unets.examples import Examples
from generators.training.methods.unets.warm_start import begin as begin_from
from generators.training.methods.validation import preview
from generators.training.part import Part, Step

USES = {
    "sr": "an image {factor} times larger than its input",
    "regression": "an image {factor} times larger than its input, by one evaluation of a net "
    "trained on the mean squared error",
    "image": "a {size}x{size} image of one of {classes} classes",
}


class UNetTraining(TrainingConfig):
    """A training of a U-Net by diffusion or regression; `model.task` says which if `method` not."""

    method: Literal["diffusion", "regression"] | None = None
    power: Literal[1, 2] = 2  # L1 or L2
    weighting: Literal["none", "v"] = "none"  # `v`: the error of x0 weighed by 1 / (1-γ)
    drop_label: float = Field(default=0.0, ge=0, lt=1)  # for classifier-free guidance
    start_from: Path | None = None  # a checkpoint to begin with, in place of random weights
    model: ModelConfig
    augmentation: AugmentationConfig = AugmentationConfig()

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the data must have."""
        return self.model.classes


def check(path: Path, config: UNetTraining) -> None:
    """Raise `ConfigError` if the parts of the configuration do not fit each other."""
    model, data = config.model, config.data
    implied = "regression" if model.task == "regression" else "diffusion"
    if config.method not in (None, implied):
        raise ConfigError(
            f"{path}: method is {config.method!r}, model.task {model.task!r} needs {implied!r}"
        )
    if model.factor != data.factor:
        raise ConfigError(f"{path}: data.factor is {data.factor}, model.factor is {model.factor}")
    if model.size != data.size:
        raise ConfigError(f"{path}: data.size is {data.size}, model.size is {model.size}")
    if (data.patch or data.size) % model.net.stride:
        raise ConfigError(f"{path}: the training size must be a multiple of {model.net.stride}")
    if config.weighting == "v" and model.prediction != "x0":
        raise ConfigError(f"{path}: weighting 'v' is for prediction 'x0', not {model.prediction!r}")
    if model.net.level_embedding != config.augmentation.noise:
        raise ConfigError(f"{path}: model.net.level_embedding and augmentation.noise must agree")
    if model.net.classes != len(model.classes):
        raise ConfigError(
            f"{path}: model.net.classes is {model.net.classes}, "
            f"model.classes lists {len(model.classes)}"
        )


def unet_method(
    config: UNetTraining,
    start: Start,
    examples: Callable[[Step], Examples],
    weight: Callable[[Tensor], Tensor | None] = lambda _: None,
) -> Method:
    """Return the training of one U-Net on the error of its prediction.

    `examples` makes a step's; `weight` says how much each γ's error counts.
    """
    device = start.among.device
    net = channels_last(UNet(config.model.net), device)
    part = Part(net, config, start.among)
    origin: dict[str, Any] = {}
    if config.start_from is not None:
        origin = begin_from(net, part.averages, start.path, config.start_from)

    def step(at: Step) -> dict[str, Tensor]:
        mine = examples(at).to(device)
        if config.model.net.dropout:
            at.seed_torch("dropout")
        with at.autocast():
            output = evaluate(part.parallel, mine.y, mine.gamma, mine.condition)
        return {
            "loss": part.update(loss(output, mine.wanted, config.power, weight(mine.gamma)), at)
        }

    def look(held_back: Images, number: int) -> dict[str, float]:
        average = channels_last(UNet(config.model.net), device)
        average.load_state_dict(part.averages)
        return preview(
            average.eval(),
            config.model,
            config.out,
            held_back,
            step=number,
            lpips=start.lpips,
        )

    def write(path: Path, facts: dict[str, Any]) -> str:
        return write_model(path, part.averages, config.model, facts)

    return Method(parts={"net": part}, step=step, preview=look, write=write, facts=origin)


def card(config: UNetTraining, log: list[dict[str, Any]]) -> dict[str, str]:
    """Return what the model card says of the net."""
    model = config.model
    return {
        "makes": USES[model.task].format(
            factor=model.factor, size=model.size, classes=len(model.classes)
        ),
        "parameters": f"{parameter_count(model.net) / 1e6:.2f} million",
        "validation": _validation(log),
    }


def _validation(log: list[dict[str, Any]]) -> str:
    found = [entry for entry in log if "psnr" in entry]
    if not found:
        return "none (looked at samples)"
    last = found[-1]
    return (
        f"PSNR {last['psnr']:.2f} dB on eight held-out images after {last['step']} steps "
        f"(bicubic {last['bicubic_psnr']:.2f} dB)"
    )
