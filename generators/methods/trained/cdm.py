"""CDM as a generator: a class to a small image, then super-resolution stages (a cascade).

Conditioning augmentation when sampling (CDM, section 4): `truncated` stops the lower stage's
reverse process at γ_s and hands over z_s; `non_truncated` samples it to the end and then noises it
to z_s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import torch
from pydantic import Field, ValidationInfo, field_validator, model_validator
from torch import Tensor

from generators.config import ClassesConfig
from generators.diffusion.augmentation import corrupt, level_gamma
from generators.diffusion.noise import batch_noise, noise_key
from generators.diffusion.schedule import gammas
from generators.errors import ConfigError
from generators.methods.contract import Facts, Generator, Runtime, Task
from generators.nets.tensors import images_of
from generators.resize import Pixels
from generators.sampling.stage import (
    Loaded,
    Stage,
    arithmetic_of,
    labels_of,
    load_stage,
    refuse_rounding,
)

MICRO_BATCH = 16


class SrStage(Stage):
    """A super-resolution stage and the augmentation level s of its input, 0..1."""

    augmentation: Literal["none", "truncated", "non_truncated"] = "none"
    level: float = Field(default=0.0, ge=0, le=1)

    @field_validator("level")
    @classmethod
    def _is_used(cls, level: float, about: ValidationInfo) -> float:
        if level > 0 and about.data.get("augmentation") == "none":
            raise ValueError("expected 0 where augmentation is none")
        return level


class CdmConfig(ClassesConfig):
    """Settings of a CDM run: `per_class` images of each of `classes` (if empty, of all)."""

    generator: Literal["cdm"]
    base: Stage
    stages: tuple[SrStage, ...] = ()
    strict: bool = False

    @model_validator(mode="after")
    def _rounds_as_it_says(self) -> Self:
        refuse_rounding(self.strict, [self.base, *self.stages])
        return self


def items(config: CdmConfig) -> list[tuple[str, str | None]]:
    """Return the (item id, class) list of a run."""
    from generators.nets.checkpoint import read_config

    model, _ = read_config(config.base.checkpoint)
    labels_of(model, config.classes, config.base.checkpoint)
    return config.items_of(model.classes)


def load(config: CdmConfig, runtime: Runtime) -> Generator:
    """Return the generator. Raises `ConfigError` for stages that do not fit each other."""
    base = load_stage(config.base, "base", ("image",), runtime.device, config.strict)
    upper = [
        load_stage(stage, f"stage {number}", ("sr",), runtime.device, config.strict)
        for number, stage in enumerate(config.stages, 1)
    ]
    _check(config, base, upper)
    count = 1 if config.strict else runtime.batch or MICRO_BATCH

    def images(tasks: Sequence[Task]) -> list[Pixels]:
        groups = [tasks[k : k + count] for k in range(0, len(tasks), count)]
        return [out for group in groups for out in _cascade(group, config, base, upper)]

    return Generator(images=images, facts=_facts(config, [base, *upper]), micro_batch=count)


def _check(config: CdmConfig, base: Loaded, upper: list[Loaded]) -> None:
    size = base.model.size
    for stage, loaded in zip(config.stages, upper, strict=True):
        expected = loaded.model.size // loaded.model.factor
        if expected != size:
            raise ConfigError(
                f"{stage.checkpoint}: takes {expected} pixels, the stage below gives {size}"
            )
        labels_of(loaded.model, config.classes or base.model.classes, stage.checkpoint)
        if (stage.augmentation != "none") != loaded.model.net.level_embedding:
            raise ConfigError(
                f"{stage.checkpoint}: augmentation is {stage.augmentation!r}, the net was trained "
                f"{'with' if loaded.model.net.level_embedding else 'without'} levels"
            )
        size = loaded.model.size


def _cascade(
    tasks: Sequence[Task], config: CdmConfig, base: Loaded, upper: list[Loaded]
) -> list[Pixels]:
    seeds, names = [task.seed for task in tasks], [task.label for task in tasks]
    stages, below = list(zip(config.stages, upper, strict=True)), base
    image: Tensor | None = None
    for number in range(len(stages) + 1):
        following = stages[number] if number < len(stages) else None
        level = _level(following, len(tasks))
        stop = None
        if following and level is not None and following[0].augmentation == "truncated":
            stop = float(level[0])
        incoming = None if number == 0 else _level(stages[number - 1], len(tasks))
        label = labels_of(below.model, names, config.base.checkpoint)
        size = (below.model.size, below.model.size)
        image = below.draw(seeds, size, low=image, label=label, level=incoming, stop=stop)
        if following:
            if level is not None and stop is None:
                keys = [noise_key(s, following[1].digest, "augmentation") for s in seeds]
                image = corrupt(image, batch_noise(keys, -1, (3, *size)), level)
            below = following[1]
    return images_of(torch.as_tensor(image))


def _level(stage: tuple[SrStage, Loaded] | None, count: int) -> Tensor | None:
    if stage is None or stage[0].augmentation == "none":
        return None
    table = gammas(stage[1].model.schedule)
    return level_gamma(table, torch.full((count,), stage[0].level))


def _facts(config: CdmConfig, loaded: list[Loaded]) -> Facts:
    paths: list[Path] = [config.base.checkpoint, *(s.checkpoint for s in config.stages)]
    return Facts(
        checkpoint={p.name: s.digest for p, s in zip(paths, loaded, strict=True)},
        sampler=config.base.sampler,
        evaluations=sum(len(s.settings.levels) or s.settings.evaluations for s in loaded),
        dtype=loaded[0].settings.precision,
        arithmetic=arithmetic_of(loaded),
        libraries=("torch", "safetensors"),
    )
