"""A stage: one trained net and how it is sampled. SR3 is one or more, CDM a base and SR nets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self

import torch
from pydantic import AfterValidator, Field, field_validator, model_validator
from torch import Tensor

from generators.config import NetFile, refuse_unused
from generators.diffusion.grids import rising
from generators.diffusion.noise import batch_noise, noise_key
from generators.errors import ConfigError, SettingError
from generators.nets.checkpoint import read_model
from generators.nets.device import usable
from generators.nets.model import ModelConfig
from generators.nets.operators import arithmetic
from generators.nets.unet import UNet, channels_last
from generators.sampling.denoiser import Settings, sample

MOST_EVALUATIONS = 10_000


def refuse_endless(evaluations: int) -> int:
    """Return the number of evaluations. Raises `ValueError` for one that nobody would wait for."""
    if evaluations > MOST_EVALUATIONS:
        raise ValueError(
            f"expected at most {MOST_EVALUATIONS} passes of the net for an image; the papers need "
            "at most 4000"
        )
    return evaluations


Evaluations = Annotated[int, AfterValidator(refuse_endless)]


class Stage(NetFile):
    """A checkpoint and its sampling. `strict`: float32, one image and thread at a time."""

    sampler: Literal["sr3", "ddim", "dpmpp_2m", "dpmpp_2m_sde", "heun"] = "dpmpp_2m"
    evaluations: Evaluations = Field(default=20, ge=1)
    grid: Literal["log_snr", "training"] = "log_snr"
    levels: tuple[float, ...] = ()  # a searched grid (`schedule search`), in place of the two
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    guidance: float = Field(default=1.0, ge=0)
    tile: int | None = Field(default=None, ge=32)  # output pixels a side, for large images
    overlap: int = Field(default=32, ge=0)

    @field_validator("levels")
    @classmethod
    def _rise(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if levels and not rising(levels):
            raise ValueError("expected rising numbers between 0 and 1")
        return levels

    @model_validator(mode="after")
    def _uses_its_keys(self) -> Self:
        if self.levels:
            refuse_unused(self, ["grid"], "but `levels` are the grid")
        if self.levels and self.evaluations != len(self.levels):
            why = f"but `levels` has {len(self.levels)}, one for each"
            refuse_unused(self, ["evaluations"], why)
        if self.tile is None:
            refuse_unused(self, ["overlap"], "which is of tiles, and `tile` is not set")
        return self

    def settings(self, strict: bool) -> Settings:
        """Return how the net is evaluated."""
        return Settings(
            sampler=self.sampler,
            evaluations=self.evaluations,
            grid=self.grid,
            levels=self.levels,
            guidance=self.guidance,
            precision="float32" if strict else self.precision,
            tile=self.tile,
            overlap=self.overlap,
        )


def refuse_rounding(strict: bool, stages: Iterable[NetFile]) -> None:
    """Raise `ValueError` for a stage that is to round to bfloat16 where `strict` says float32."""
    for stage in stages:
        if strict and getattr(stage, "precision", "float32") != "float32":
            refuse_unused(stage, ["precision"], "but strict = true computes in float32")


@dataclass(frozen=True)
class Loaded:
    """A stage with its net in memory."""

    net: UNet
    model: ModelConfig
    digest: str
    settings: Settings
    name: str
    device: torch.device
    strict: bool = False

    @property
    def arithmetic(self) -> str:
        """The name of what computes its net."""
        half = self.settings.precision == "bfloat16"
        return arithmetic(self.device, torch.bfloat16 if half else torch.float32)

    @property
    def _rounds_one_apart(self) -> bool:
        return not self.strict and self.settings.precision == "bfloat16" and not self.settings.tile

    def draw(
        self,
        seeds: Sequence[int],
        size: tuple[int, int],
        *,
        low: Tensor | None = None,
        label: Tensor | None = None,
        level: Tensor | None = None,
        stop: float | None = None,
    ) -> Tensor:
        """Return images ``(N, 3, H, W)`` in -1..1 for items with these seeds, on the CPU.

        `stop` ends the reverse process at that γ and returns z_s (truncated augmentation).
        """
        if len(seeds) == 1 and self._rounds_one_apart:
            low, label, level = (twice(value) for value in (low, label, level))
            two = self.draw([*seeds] * 2, size, low=low, label=label, level=level, stop=stop)
            return two[:1]
        keys = [noise_key(seed, self.digest, self.name) for seed in seeds]
        shape = (3, *size)

        def place(value: Tensor | None) -> Tensor | None:
            return None if value is None else value.to(self.device)

        with one_thread() if self.strict else contextlib.nullcontext():
            return sample(
                self.net,
                self.model,
                batch_noise(keys, -1, shape).to(self.device),
                replace(self.settings, stop=stop),
                low=place(low),
                label=place(label),
                level=place(level),
                noise=lambda step: batch_noise(keys, step, shape).to(self.device),
            ).cpu()


def twice(value: Tensor | None) -> Tensor | None:
    """Return a batch of one as a batch of two alike.

    torch rounds the bfloat16 products of a batch of one otherwise than those of larger batches,
    which all round alike: one image is drawn as two, so that it is the same in any batch.
    """
    return None if value is None else torch.cat([value, value])


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread for a while."""
    # How a sum is split among threads decides its last bits.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load_stage(
    stage: Stage, name: str, tasks: tuple[str, ...], device: str, strict: bool
) -> Loaded:
    """Return the stage ready to run. Raises `ConfigError` if its net is not for one of `tasks`."""
    net, model, digest = read_model(stage.checkpoint, stage.sha256)
    if model.task not in tasks:
        raise ConfigError(
            f"{stage.checkpoint}: its task is {model.task!r}, {name} needs {' or '.join(tasks)}"
        )
    _refuse_settings(stage, model)
    place = usable(device)
    net = channels_last(net, place)
    if not strict and stage.precision == "bfloat16":
        net = net.to(torch.bfloat16)
    return Loaded(net, model, digest, stage.settings(strict), name, place, strict)


def _refuse_settings(stage: Stage, model: ModelConfig) -> None:
    """Raise `SettingError` for what this net cannot be asked for."""
    if stage.guidance != 1 and not model.net.classes:
        raise SettingError(
            f"guidance is {stage.guidance:g}, {stage.checkpoint} needs to be a net of classes"
        )
    if stage.tile is not None and (stage.tile % model.net.stride or stage.overlap >= stage.tile):
        raise SettingError(
            f"tile {stage.tile} with overlap {stage.overlap}: expected a multiple of "
            f"{model.net.stride}, larger than the overlap"
        )
    steps = (stage.evaluations + 1) // 2 if stage.sampler == "heun" else stage.evaluations
    if stage.grid == "training" and not stage.levels and steps > model.schedule.steps:
        raise SettingError(
            f"evaluations is {stage.evaluations} on the grid 'training', {stage.checkpoint} was "
            f"trained with {model.schedule.steps} levels"
        )


def arithmetic_of(stages: Sequence[Loaded]) -> str:
    """Return the names of what computes the stages' nets, each once."""
    return " and ".join(sorted({stage.arithmetic for stage in stages}))


class OfClasses(Protocol):
    """What is known of a model here: the classes that it makes, in the order of their numbers."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names."""


def labels_of(model: OfClasses, names: Sequence[str | None], path: Path) -> Tensor | None:
    """Return class numbers for class names. Raises `ConfigError` for one the net does not know."""
    if not model.classes:
        return None
    unknown = next((name for name in names if name not in model.classes), None)
    if unknown is not None or None in names:
        raise ConfigError(
            f"{path}: class {unknown!r} is not one of its {len(model.classes)} classes "
            f"({', '.join(model.classes[:4])}, …)"
        )
    return torch.tensor([model.classes.index(str(name)) for name in names])
