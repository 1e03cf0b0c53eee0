"""ADM's nets as stages: loaded, respaced, guided by a noisy classifier, drawn item by item."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from generators.config import NetFile, refuse_unused
from generators.diffusion.discrete import Discrete, ddim_strided, respaced, strided
from generators.diffusion.noise import batch_noise, noise_key
from generators.diffusion.respaced import SAMPLERS, Ask
from generators.errors import ConfigError
from generators.nets.adm import ADM, CLASSIFIER, AdmModel, ClassifierModel, NoisyClassifier
from generators.nets.checkpoint import check_digest, read_header, read_net
from generators.nets.device import usable
from generators.nets.guided_diffusion import (
    PUBLISHED,
    PUBLISHED_CLASSIFIERS,
    Published,
    read_adm,
    read_classifier,
)
from generators.nets.model import Condition, evaluate
from generators.nets.operators import arithmetic
from generators.nets.unet import UNet, channels_last
from generators.sampling.stage import Evaluations, one_thread, twice


class AdmFile(NetFile):
    """A file of weights: ours, or guided-diffusion's of a `published` shape."""

    published: Published | None = None


class AdmStage(AdmFile):
    """An ADM net and its sampling.

    `evaluations` steps are spread evenly over the training's, or `sections` of them by a stride
    each; `ddim` takes a whole stride. The published tables use 250 ancestral or 25 DDIM steps.
    """

    sampler: Literal["ancestral", "ddim"] = "ancestral"
    evaluations: Evaluations = Field(default=250, ge=1)
    sections: tuple[int, ...] = ()
    precision: Literal["bfloat16", "float32"] = "bfloat16"

    @model_validator(mode="after")
    def _counts_once(self) -> Self:
        if self.sections and self.evaluations != sum(self.sections):
            why = f"but `sections` are {sum(self.sections)} together"
            refuse_unused(self, ["evaluations"], why)
        return self


class Guide(AdmFile):
    """A noisy classifier, and how strongly it guides (s of the paper)."""

    scale: float = Field(default=1.0, gt=0)


@dataclass(frozen=True)
class Classifier:
    """A noisy classifier in memory."""

    net: NoisyClassifier
    model: ClassifierModel
    digest: str
    scale: float


@dataclass(frozen=True)
class LoadedAdm:
    """An ADM net in memory, with the process that it visits."""

    net: UNet
    model: AdmModel
    digest: str
    stage: AdmStage
    process: Discrete
    device: torch.device
    strict: bool

    @property
    def precision(self) -> str:
        """What the nets compute in."""
        return "float32" if self.strict else self.stage.precision

    @property
    def arithmetic(self) -> str:
        """The name of what computes its net."""
        half = self.precision == "bfloat16"
        return arithmetic(self.device, torch.bfloat16 if half else torch.float32)

    def draw(
        self,
        seeds: Sequence[int],
        *,
        name: str,
        label: Tensor | None = None,
        low: Tensor | None = None,
        guide: Classifier | None = None,
    ) -> Tensor:
        """Return images ``(N, 3, S, S)`` in -1..1 for items with these seeds, on the CPU."""
        if len(seeds) == 1 and self.precision == "bfloat16":
            label, low = twice(label), twice(low)
            return self.draw([*seeds, *seeds], name=name, label=label, low=low, guide=guide)[:1]
        keys = [noise_key(seed, self.digest, name) for seed in seeds]
        shape = (3, self.model.size, self.model.size)
        label = None if label is None else label.to(self.device)

        def noise(step: int) -> Tensor:
            return batch_noise(keys, step, shape).to(self.device)

        with one_thread() if self.strict else contextlib.nullcontext(), torch.no_grad():
            made = SAMPLERS[self.stage.sampler](
                self._ask(label, low),
                noise(-1),
                self.process,
                noise,
                prediction=self.model.prediction,
                guide=None if guide is None or label is None else self._guide(guide, label),
            )
        return made.clamp(-1, 1).cpu()

    def _ask(self, label: Tensor | None, low: Tensor | None) -> Ask:
        side = (self.model.size, self.model.size)
        # As in guided-diffusion: bilinear, without antialiasing.
        up = None if low is None else F.interpolate(low.to(self.device), size=side, mode="bilinear")
        condition = Condition(up, label)

        def ask(y: Tensor, t: int) -> Tensor:
            steps = torch.full((len(y),), t, device=y.device)
            with self._autocast():
                return evaluate(self.net, y, steps, condition).float()

        return ask

    def _guide(self, guide: Classifier, label: Tensor) -> Ask:
        def gradient(y: Tensor, t: int) -> Tensor:
            steps = torch.full((len(y),), t, device=y.device)
            with torch.enable_grad():
                x = y.detach().requires_grad_(True)
                with self._autocast():
                    logits = guide.net(x, steps)
                chosen = F.log_softmax(logits.float(), dim=1).gather(1, label[:, None]).sum()
                return guide.scale * torch.autograd.grad(chosen, x)[0]

        return gradient

    def _autocast(self) -> torch.autocast:
        half = self.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)


def model_of(stage: AdmFile) -> AdmModel:
    """Return what a stage's net is, without its weights. Raises `ConfigError`."""
    if stage.published is not None:
        return PUBLISHED[stage.published].model
    return read_header(stage.checkpoint, ADM)[0]


def load_adm(stage: AdmStage, device: str, strict: bool) -> LoadedAdm:
    """Return the stage ready to run. Raises `ConfigError` for a file that does not fit."""
    if stage.published is not None:
        layout = PUBLISHED[stage.published]
        model, (net, digest) = layout.model, read_adm(stage.checkpoint, layout)
        check_digest(stage.checkpoint, digest, stage.sha256)
    else:
        net, model, digest = read_net(stage.checkpoint, ADM, stage.sha256)
    place = usable(device)
    process = respaced(model.process(), _visited(stage, model.steps))
    return LoadedAdm(channels_last(net, place), model, digest, stage, process, place, strict)


def _visited(stage: AdmStage, steps: int) -> list[int]:
    try:
        if stage.sampler == "ddim" and not stage.sections:
            return ddim_strided(steps, stage.evaluations)
        return strided(steps, stage.sections or (stage.evaluations,))
    except ConfigError as error:
        raise ConfigError(f"{stage.checkpoint}: {error}") from None


def load_guide(guide: Guide, base: LoadedAdm) -> Classifier:
    """Return the classifier. Raises `ConfigError` unless it was trained on the base's process."""
    if guide.published is not None:
        if guide.published not in PUBLISHED_CLASSIFIERS:
            raise ConfigError(f"{guide.checkpoint}: no classifier is published for 64-256")
        layout = PUBLISHED_CLASSIFIERS[guide.published]
        model, (net, digest) = layout.model, read_classifier(guide.checkpoint, layout)
        check_digest(guide.checkpoint, digest, guide.sha256)
    else:
        net, model, digest = read_net(guide.checkpoint, CLASSIFIER, guide.sha256)
    for key in ("size", "steps", "schedule", "classes"):
        found, wanted = getattr(model, key), getattr(base.model, key)
        if found != wanted:
            told = (len(found), len(wanted)) if key == "classes" else (found, wanted)
            raise ConfigError(
                f"{guide.checkpoint}: its {key} are {told[0]}, those of the net that it is to "
                f"guide are {told[1]}"
            )
    return Classifier(net.to(base.device).requires_grad_(False), model, digest, guide.scale)
