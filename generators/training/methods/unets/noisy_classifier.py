"""The noisy classifier that guides ADM: it learns the class of images at every level of noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from generators.diffusion.discrete import at as table_at
from generators.diffusion.noise import Draws
from generators.diffusion.process import diffuse
from generators.errors import ConfigError
from generators.nets.adm import CLASSIFIER, ClassifierModel, NoisyClassifier
from generators.nets.checkpoint import write_model
from generators.training.config import TrainingConfig
from generators.training.data import Images
from generators.training.methods.contract import Method, Start, last_with, parameters_of
from generators.training.methods.unets.adm import check_images, drawn_steps
from generators.training.part import Part, Step

QUARTERS = 4  # of the process, of which the accuracy is told
BATCH = 32  # images of validation at once


class ClassifierTraining(TrainingConfig):
    """A training of a noisy classifier. `shift` moves each image by up to that many pixels.

    The published ones cut random crops from larger images; these images are the size itself, so
    they are moved and filled at the border with their own edge.
    """

    method: Literal["noisy_classifier"]
    weight_decay: float = Field(default=0.05, ge=0)
    shift: int = Field(default=0, ge=0)
    model: ClassifierModel

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the data must have."""
        return self.model.classes


def check(path: Path, config: ClassifierTraining) -> None:
    """Raise `ConfigError` if the parts of the configuration do not fit each other."""
    check_images(path, config, config.model.size)
    if config.data.factor != 1 or config.data.patch:
        raise ConfigError(f"{path}: a classifier trains on whole images, without factor or patch")
    if config.shift >= config.model.size // 2:
        raise ConfigError(f"{path}: shift is {config.shift}, expected less than half of model.size")


def begin(config: ClassifierTraining, start: Start) -> Method:
    """Return the training by AdamW on the cross-entropy at steps drawn uniformly."""
    model, device = config.model, start.among.device
    gamma = model.process().gamma

    def adamw(parameters: Any) -> torch.optim.Optimizer:
        decay = config.weight_decay
        return torch.optim.AdamW(parameters, lr=config.rate, weight_decay=decay, fused=True)

    net = NoisyClassifier(model).to(device)
    part = Part(net, config, start.among, optimizer=adamw)

    def step(at: Step) -> dict[str, Tensor]:
        t, noise = drawn_steps(at, model.steps), at.draws.randn(3, model.size, model.size)
        x0 = shifted(at.batch.high, config.shift, at.draws)
        if model.net.dropout:
            at.seed_torch("dropout")
        y = diffuse(x0, noise, table_at(gamma, t)).to(device)
        labels = at.batch.labels.to(device)
        with at.autocast():
            logits = part.parallel(y, t.to(device))
        loss = F.cross_entropy(logits.float(), labels)
        right = (logits.argmax(1) == labels).float().mean()
        return {"loss": part.update(loss, at), "accuracy": right.detach()}

    def look(held_back: Images, number: int) -> dict[str, float]:  # noqa: ARG001
        average = NoisyClassifier(model).to(device)
        average.load_state_dict(part.averages)
        return accuracies(average.eval(), config, held_back, gamma) if len(held_back) else {}

    def write(path: Path, facts: dict[str, Any]) -> str:
        return write_model(path, part.averages, model, facts, CLASSIFIER.header)

    return Method(parts={"net": part}, step=step, preview=look, write=write)


def shifted(images: Tensor, most: int, draws: Draws) -> Tensor:
    """Return each image ``(N, 3, S, S)`` moved by up to `most` pixels, its edge repeated."""
    if not most:
        return images
    size, places = images.shape[-1], draws.below(2 * most + 1, 2).tolist()
    padded = F.pad(images, (most,) * 4, mode="replicate")
    return torch.stack(
        [one[:, y : y + size, x : x + size] for one, (y, x) in zip(padded, places, strict=True)]
    )


def accuracies(
    net: NoisyClassifier, config: ClassifierTraining, images: Images, gamma: Tensor
) -> dict[str, float]:
    """Return the accuracy on held-out images without noise, and in each quarter of the process."""
    steps = config.model.steps
    draws = Draws(config.seed, -1, range(len(images)))
    noise, share = draws.randn(3, config.model.size, config.model.size), draws.rand(QUARTERS)
    found = {"accuracy_clean": _accuracy(net, images, None, noise, gamma)}
    for quarter in range(QUARTERS):
        t = ((quarter + share[:, quarter].double()) / QUARTERS * steps).long().clamp(max=steps - 1)
        found[f"accuracy_{quarter + 1}"] = _accuracy(net, images, t, noise, gamma)
    return found


def _accuracy(
    net: NoisyClassifier, images: Images, t: Tensor | None, noise: Tensor, gamma: Tensor
) -> float:
    device, right = next(net.parameters()).device, 0
    for first in range(0, len(images), BATCH):
        picks = list(range(first, min(first + BATCH, len(images))))
        batch = images.stacked(picks)
        steps = torch.zeros(len(picks), dtype=torch.long) if t is None else t[picks]
        y = batch.high if t is None else diffuse(batch.high, noise[picks], table_at(gamma, steps))
        with torch.inference_mode():
            logits = net(y.to(device), steps.to(device)).cpu()
        right += int((logits.argmax(1) == batch.labels).sum())
    return right / len(images)


def card(config: ClassifierTraining, log: list[dict[str, Any]]) -> dict[str, str]:
    """Return what the model card says of the net."""
    last = last_with(log, "accuracy_clean")
    return {
        "makes": f"no image: the class, of {len(config.classes)}, of a noisy "
        f"{config.model.size}x{config.model.size} image, to guide ADM",
        "parameters": parameters_of(lambda: NoisyClassifier(config.model)),
        "validation": "none" if last is None else _told(last),
    }


def _told(entry: dict[str, Any]) -> str:
    quarters = ", ".join(f"{100 * entry[f'accuracy_{q + 1}']:.0f} %" for q in range(QUARTERS))
    return (
        f"top-1 on held-out images {100 * entry['accuracy_clean']:.1f} % without noise, {quarters} "
        f"in the four quarters of the process, after {entry['step']} steps"
    )
