"""ADM as a generator: a class to an image, guided by a noisy classifier or not, then upsampled.

Dhariwal and Nichol 2021: a base without the rest is their ADM, with `guide` ADM-G (section 4), with
`upsampler` ADM-U. An item's noise comes from its own seed in both stages, so an image is the same
in any batch.

An example: `runs/adm-64-guided.toml`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import model_validator

from generators.config import ClassesConfig
from generators.errors import ConfigError
from generators.methods.contract import Facts, Generator, Runtime, Task, by_name
from generators.nets.tensors import images_of
from generators.resize import Pixels
from generators.sampling.adm import (
    AdmStage,
    Classifier,
    Guide,
    LoadedAdm,
    load_adm,
    load_guide,
    model_of,
)
from generators.sampling.stage import labels_of, refuse_rounding

MICRO_BATCH = 16


class AdmConfig(ClassesConfig):
    """Settings of an ADM run: `per_class` images of each of `classes` (if empty, of all).

    `guide` makes it ADM-G, `upsampler` ADM-U; only the base is guided.
    """

    generator: Literal["adm"]
    base: AdmStage
    guide: Guide | None = None
    upsampler: AdmStage | None = None
    strict: bool = False

    @model_validator(mode="after")
    def _rounds_as_it_says(self) -> Self:
        refuse_rounding(self.strict, [self.base, *([self.upsampler] if self.upsampler else [])])
        return self


def items(config: AdmConfig) -> list[tuple[str, str | None]]:
    """Return the (item id, class) list of a run; of a net without classes, `per_class` images."""
    model = model_of(config.base)
    if not model.classes and config.classes:
        raise ConfigError(f"{config.base.checkpoint}: classes are given, the net has none")
    if not model.classes:
        config.refuse_too_many()
        return [(f"image-{k:05d}", None) for k in range(config.per_class)]
    labels_of(model, config.classes, config.base.checkpoint)
    return config.items_of(model.classes)


def load(config: AdmConfig, runtime: Runtime) -> Generator:
    """Return the generator. Raises `ConfigError` for parts that do not fit each other."""
    base = load_adm(config.base, runtime.device, config.strict)
    if base.model.factor != 1:
        raise ConfigError(f"{config.base.checkpoint}: an upsampler, expected a base")
    guide = load_guide(config.guide, base) if config.guide else None
    upper = _upper(config, base, runtime)
    count = 1 if config.strict else runtime.batch or MICRO_BATCH

    def images(tasks: Sequence[Task]) -> list[Pixels]:
        groups = [tasks[k : k + count] for k in range(0, len(tasks), count)]
        return [out for group in groups for out in _drawn(group, config, base, guide, upper)]

    return Generator(images=images, facts=_facts(config, base, guide, upper), micro_batch=count)


def _upper(config: AdmConfig, base: LoadedAdm, runtime: Runtime) -> LoadedAdm | None:
    if config.upsampler is None:
        return None
    upper = load_adm(config.upsampler, runtime.device, config.strict)
    takes = upper.model.size // upper.model.factor
    if upper.model.factor == 1 or takes != base.model.size:
        found = "is no upsampler" if upper.model.factor == 1 else f"takes {takes} pixels"
        raise ConfigError(
            f"{config.upsampler.checkpoint}: {found}, the base gives {base.model.size}"
        )
    names = config.classes or base.model.classes or (None,)
    labels_of(upper.model, names, config.upsampler.checkpoint)
    return upper


def _drawn(
    tasks: Sequence[Task],
    config: AdmConfig,
    base: LoadedAdm,
    guide: Classifier | None,
    upper: LoadedAdm | None,
) -> list[Pixels]:
    seeds, names = [task.seed for task in tasks], [task.label for task in tasks]
    label = labels_of(base.model, names, config.base.checkpoint)
    image = base.draw(seeds, name="base", label=label, guide=guide)
    if upper is not None and config.upsampler is not None:
        label = labels_of(upper.model, names, config.upsampler.checkpoint)
        image = upper.draw(seeds, name="upsampler", label=label, low=image)
    return images_of(image)


def _facts(
    config: AdmConfig, base: LoadedAdm, guide: Classifier | None, upper: LoadedAdm | None
) -> Facts:
    files = [(config.base.checkpoint, base.digest)]
    if guide is not None and config.guide is not None:
        files.append((config.guide.checkpoint, guide.digest))
    if upper is not None and config.upsampler is not None:
        files.append((config.upsampler.checkpoint, upper.digest))
    nets = [base] if upper is None else [base, upper]
    return Facts(
        checkpoint=by_name(files),
        sampler=config.base.sampler,
        evaluations=sum(len(net.process.steps) for net in nets),
        dtype=base.precision,
        arithmetic=" and ".join(sorted({net.arithmetic for net in nets})),
        libraries=("torch", "safetensors"),
    )
