"""VQ-VAE-2 as a generator: a class to the top's codes, to the bottom's, to an image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from generators.codes.autoencoder import VQVAE, VqVae
from generators.codes.prior import PRIOR, Prior, PriorConfig, draw
from generators.config import ClassesConfig, NetFile
from generators.diffusion.noise import noise_key
from generators.errors import ConfigError, SettingError
from generators.methods.contract import Facts, Generator, Runtime, Task, by_name, one_by_one
from generators.nets.adm import CLASSIFIER, NoisyClassifier
from generators.nets.checkpoint import read_header, read_net
from generators.nets.device import usable
from generators.nets.operators import arithmetic
from generators.nets.tensors import finite, images_of
from generators.resize import Pixels
from generators.sampling.stage import labels_of, one_thread

MOST = 64  # images of an item, of which one is kept


class VqVaeRun(ClassesConfig):
    """Settings of a VQ-VAE-2 run: `per_class` images of each of `classes` (if empty, of all).

    `temperature` divides both priors' logits. `keep` below 1 is rejection by a classifier: of 1 /
    `keep` images of an item the one is kept whose class `classifier` believes most. It is a file
    that "noisy_classifier" trained, asked without noise.
    """

    generator: Literal["vqvae2"]
    autoencoder: NetFile
    top: NetFile
    bottom: NetFile
    temperature: float = Field(default=1.0, gt=0)
    keep: float = Field(default=1.0, ge=1 / MOST, le=1)
    classifier: NetFile | None = None

    @field_validator("keep")
    @classmethod
    def _is_one_of_a_number(cls, keep: float) -> float:
        if abs(1 / keep - round(1 / keep)) > 0.01:
            low, high = 1 / math.ceil(1 / keep), 1 / math.floor(1 / keep)
            raise ValueError(f"of 1 / keep images one is kept, expected {low:g} or {high:g}")
        return keep

    @property
    def candidates(self) -> int:
        """How many images are made of an item, of which one is kept."""
        return round(1 / self.keep)


@dataclass(frozen=True)
class Loaded:
    """The nets, on a device; `digests` are by file name."""

    autoencoder: VqVae
    top: Prior
    bottom: Prior
    classifier: NoisyClassifier | None
    digests: dict[str, str]
    device: torch.device


def items(config: VqVaeRun) -> list[tuple[str, str | None]]:
    """Return the (item id, class) list of a run."""
    model, _ = read_header(config.top.checkpoint, PRIOR)
    labels_of(model, config.classes, config.top.checkpoint)
    return config.items_of(model.classes)


def load(config: VqVaeRun, runtime: Runtime) -> Generator:
    """Return the generator. Raises `ConfigError` for parts that do not fit each other."""
    nets = _loaded(config, usable(runtime.device))
    key = " ".join(nets.digests.values())

    def image(task: Task) -> Pixels:
        # By itself and in one thread: the same bytes for every batch and machine of a kind.
        with one_thread(), torch.inference_mode():
            label = labels_of(nets.top.config, [task.label], config.top.checkpoint)
            assert label is not None  # a prior has classes
            made = _candidates(nets, config, task.seed, key, label.to(nets.device))
            return images_of(_best(nets, made, label.to(nets.device)).cpu())[0]

    codes = nets.top.config.side**2 + nets.bottom.config.side**2
    facts = Facts(
        checkpoint=nets.digests,
        evaluations=codes * config.candidates,
        dtype="float32",
        arithmetic=arithmetic(nets.device, torch.float32),
        libraries=("torch", "safetensors"),
    )
    return Generator(images=one_by_one(image), facts=facts, micro_batch=1)


def _loaded(config: VqVaeRun, device: torch.device) -> Loaded:
    where = config.autoencoder.checkpoint
    autoencoder, shape, digest = read_net(where, VQVAE, config.autoencoder.sha256)
    files, priors = [(where, digest)], []
    for level, file in (("top", config.top), ("bottom", config.bottom)):
        path = file.checkpoint
        prior, model, found = read_net(path, PRIOR, file.sha256)
        if model.level != level:
            raise ConfigError(f"{path}: is the {model.level}'s prior, expected the {level}'s")
        if model.autoencoder != digest:
            raise ConfigError(
                f"{path}: is of the codes of the autoencoder {model.autoencoder[:12]}…, "
                f"{where} is {digest[:12]}…"
            )
        priors.append(prior.to(device))
        files.append((path, found))
    top, bottom = priors
    if top.config.classes != bottom.config.classes:
        raise ConfigError(
            f"{config.bottom.checkpoint}: its classes are not those of {config.top.checkpoint}"
        )
    if (config.classifier is None) != (config.candidates == 1):
        named = config.classifier and config.classifier.checkpoint
        raise SettingError(
            f"keep is {config.keep:g} and classifier {named}: expected a keep of .5 or "
            "less with a classifier, or neither"
        )
    classifier = None
    if config.classifier is not None:
        classifier, found = _classifier(config.classifier, top.config, shape.size)
        classifier = classifier.to(device)
        files.append((config.classifier.checkpoint, found))
    return Loaded(autoencoder.to(device), top, bottom, classifier, by_name(files), device)


def _classifier(file: NetFile, prior: PriorConfig, size: int) -> tuple[NoisyClassifier, str]:
    """Return the classifier that rejects, and its digest."""
    net, known, digest = read_net(file.checkpoint, CLASSIFIER, file.sha256)
    if known.classes != prior.classes or known.size != size:
        raise ConfigError(
            f"{file.checkpoint}: knows {len(known.classes)} classes of {known.size} pixels, "
            f"not the {len(prior.classes)} of {size} pixels of the priors"
        )
    return net, digest


def _candidates(nets: Loaded, config: VqVaeRun, seed: int, key: str, label: Tensor) -> Tensor:
    """Return the images of an item ``(candidates, 3, S, S)``."""
    draws = range(config.candidates)
    labels = label.expand(config.candidates)

    def gumbel(prior: Prior) -> Tensor:
        shape = prior.config
        keys = [noise_key(seed, key, shape.level, number) for number in draws]
        each = [_gumbel(one, (shape.side, shape.side, shape.codes)) for one in keys]
        return torch.stack(each).to(nets.device)

    top = draw(nets.top, labels, gumbel(nets.top), temperature=config.temperature)
    noise = gumbel(nets.bottom)
    bottom = draw(nets.bottom, labels, noise, top, temperature=config.temperature)
    return nets.autoencoder.images(top, bottom)


def _gumbel(key: str, shape: tuple[int, ...]) -> Tensor:
    seed = int.from_bytes(bytes.fromhex(key)[:7], "big")
    draws = torch.Generator().manual_seed(seed)
    return -torch.empty(shape).exponential_(generator=draws).log()


def _best(nets: Loaded, images: Tensor, label: Tensor) -> Tensor:
    """Return the image ``(1, 3, S, S)`` whose class the classifier believes most."""
    if nets.classifier is None:
        return images
    steps = torch.zeros(len(images), device=images.device)
    belief = nets.classifier(images, steps).log_softmax(1)[:, int(label)]
    best = int(finite(belief, "the classifier").argmax())
    return images[best : best + 1]
