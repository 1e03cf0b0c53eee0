"""SR3 and its regression baseline as generators: an image from a smaller one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor

from generators.config import GenerateConfig, refuse_unused
from generators.methods.contract import Facts, Generator, Runtime, Task
from generators.nets.tensors import images_of, to_unit
from generators.pixels import too_large
from generators.resize import Pixels
from generators.sampling.stage import (
    Loaded,
    Stage,
    arithmetic_of,
    labels_of,
    load_stage,
    refuse_rounding,
)

MICRO_BATCH = 4
SAMPLING = ("sampler", "evaluations", "grid", "levels", "guidance")  # keys of a stage


class Sr3Config(GenerateConfig, Stage):
    """Settings of an SR3 or regression run; `then` appends stages (64 -> 256 -> 1024)."""

    generator: Literal["sr3", "regression"]
    inputs: Path
    strict: bool = False
    then: tuple[Stage, ...] = ()

    @model_validator(mode="after")
    def _samples_with_what_it_names(self) -> Self:
        stages: tuple[Stage, ...] = (self, *self.then)
        refuse_rounding(self.strict, stages)
        for stage in stages if self.generator == "regression" else ():
            refuse_unused(
                stage, SAMPLING, "but a regression asks its net once, and samples nothing"
            )
        return self


def load(config: Sr3Config, runtime: Runtime) -> Generator:
    """Return the generator. Raises `ConfigError` for a checkpoint that does not fit."""
    task = ("sr",) if config.generator == "sr3" else ("regression",)
    stages = [
        load_stage(stage, f"stage {number}", task, runtime.device, config.strict)
        for number, stage in enumerate((config, *config.then))
    ]
    alone = config.strict or any(stage.settings.tile for stage in stages)
    count = 1 if alone else runtime.batch or MICRO_BATCH

    def images(tasks: Sequence[Task]) -> list[Pixels]:
        return [out for group in _alike(tasks, count) for out in _upscale(group, stages, config)]

    def refuses(width: int, height: int) -> str:
        return _unfit(stages, width, height)

    facts = _facts(config, stages)
    return Generator(images=images, facts=facts, refuses=refuses, micro_batch=count)


def _unfit(stages: Sequence[Loaded], width: int, height: int) -> str:
    """Return why inputs of this size do not fit the nets, or ``""``."""
    large, high = width, height
    for stage in stages:
        large, high, stride = (
            large * stage.model.factor,
            high * stage.model.factor,
            stage.model.net.stride,
        )
        if large % stride or high % stride:
            step = max(1, stride // (large // width))
            needs = f"this net needs width and height in multiples of {step}"
            return f"is {width}x{height}, {needs}"
    return too_large(large, high)


def _alike(tasks: Sequence[Task], count: int) -> list[list[Task]]:
    # Batches hold images of one size; the order of the tasks is kept.
    groups = [list(same) for _, same in groupby(tasks, key=lambda task: task.input().shape)]
    return [group[k : k + count] for group in groups for k in range(0, len(group), count)]


def _upscale(tasks: list[Task], stages: list[Loaded], config: Sr3Config) -> list[Pixels]:
    low = torch.stack([torch.from_numpy(task.input().copy()) for task in tasks])
    image = to_unit(low.permute(0, 3, 1, 2))
    for stage in stages:
        image = _stage(tasks, image, stage, config)
    return images_of(image)


def _stage(tasks: list[Task], image: Tensor, stage: Loaded, config: Sr3Config) -> Tensor:
    model = stage.model
    height, width = (side * model.factor for side in image.shape[-2:])
    label = labels_of(model, [task.label for task in tasks], config.checkpoint)
    return stage.draw([task.seed for task in tasks], (height, width), low=image, label=label)


def _facts(config: Sr3Config, stages: list[Loaded]) -> Facts:
    paths = [config.checkpoint, *(stage.checkpoint for stage in config.then)]
    regression = config.generator == "regression"
    evaluations = sum(len(stage.settings.levels) or stage.settings.evaluations for stage in stages)
    return Facts(
        checkpoint={p.name: s.digest for p, s in zip(paths, stages, strict=True)},
        sampler=None if regression else config.sampler,
        evaluations=len(stages) if regression else evaluations,
        dtype=stages[0].settings.precision,
        arithmetic=arithmetic_of(stages),
        libraries=("torch", "safetensors"),
        seeded=not regression,
    )
