"""BigGAN-deep as a generator: a class and a latent to an image, at a truncation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field

from generators.config import ClassesConfig, NetFile
from generators.diffusion.noise import noise_key
from generators.errors import SettingError
from generators.gan.biggan import BIGGAN, BigGan, BigGanConfig, Standing, latent, standing_at
from generators.gan.biggan_published import NUMBERED, read_published
from generators.methods.contract import Facts, Generator, Runtime, Task, one_by_one
from generators.nets.checkpoint import check_digest, read_header, read_net
from generators.nets.device import usable
from generators.nets.operators import arithmetic
from generators.nets.tensors import images_of
from generators.nets.unet import channels_last
from generators.resize import Pixels
from generators.sampling.stage import OfClasses, labels_of, one_thread

LEAST = 0.01  # truncation; below, the drawing of latents takes too long


class BigGanRun(ClassesConfig, NetFile):
    """Settings of a BigGAN-deep run: `per_class` images of each of `classes` (if empty, of all).

    `truncation` is the threshold beyond which a latent's numbers are drawn again (published nets:
    what scales them), by default the largest that the net has statistics for. `published`: the
    checkpoint is a file of that project. `statistics`: `port` mixes the standing statistics between
    two truncations as that project does, the wrong way round, to make its images again.
    """

    generator: Literal["biggan_deep"]
    published: Literal["pytorch-pretrained-biggan"] | None = None
    truncation: float | None = Field(default=None, ge=0)
    statistics: Literal["interpolated", "port"] = "interpolated"


@dataclass(frozen=True)
class Numbered:
    """The classes of published nets."""

    classes: tuple[str, ...] = NUMBERED


def items(config: BigGanRun) -> list[tuple[str, str | None]]:
    """Return the (item id, class) list of a run."""
    known: OfClasses = Numbered()
    if config.published is None:
        if config.statistics == "port":
            raise SettingError(
                "statistics = 'port' needs published = 'pytorch-pretrained-biggan', whose files it "
                "is for"
            )
        known, _ = read_header(config.checkpoint, BIGGAN)
    labels_of(known, config.classes, config.checkpoint)
    return config.items_of(known.classes)


def load(config: BigGanRun, runtime: Runtime) -> Generator:
    """Return the generator. Raises `ConfigError` for a checkpoint that does not fit."""
    net, model, digest = _opened(config)
    truncation = model.most if config.truncation is None else config.truncation
    if 0 < truncation < LEAST:
        raise SettingError(
            f"truncation is {truncation:g}, expected 0 or {LEAST:g} and more: latents are drawn "
            "until all their numbers lie within it"
        )
    if truncation > model.most:
        raise SettingError(
            f"truncation is {truncation:g}, {config.checkpoint} has statistics for 0 to "
            f"{model.most:g}"
        )
    which = standing_at(model, truncation, port=config.statistics == "port")
    device = usable(runtime.device)
    net = channels_last(net, device)

    def image(task: Task) -> Pixels:
        # By itself and in one thread: the same bytes for every batch and machine of a kind.
        with one_thread(), torch.inference_mode():
            return _made(task, config, (net, model, digest), (truncation, which), device)

    facts = Facts(
        checkpoint={config.checkpoint.name: digest},
        evaluations=1,
        dtype="float32",
        arithmetic=arithmetic(device, torch.float32),
        libraries=("torch", "safetensors"),
    )
    return Generator(images=one_by_one(image), facts=facts, micro_batch=1)


def _opened(config: BigGanRun) -> tuple[BigGan, BigGanConfig, str]:
    if config.published is None:
        return read_net(config.checkpoint, BIGGAN, config.sha256)
    net, model, digest = read_published(config.checkpoint)
    check_digest(config.checkpoint, digest, config.sha256)
    return net, model, digest


def _made(
    task: Task,
    config: BigGanRun,
    loaded: tuple[BigGan, BigGanConfig, str],
    at: tuple[float, Standing],
    device: torch.device,
) -> Pixels:
    net, model, digest = loaded
    truncation, which = at
    label = labels_of(model, [task.label], config.checkpoint)
    assert label is not None  # a model has classes
    key = noise_key(task.seed, digest, "latent")
    z = latent(int.from_bytes(bytes.fromhex(key)[:7], "big"), model, truncation)
    return images_of(net(z[None].to(device), label.to(device), which).cpu())[0]
