"""PULSE as a generator: a face whose reduction is the input, searched for in a StyleGAN.

Menon et al. 2020. `starts`, `steps`, `rate` and `tolerance` (their ε) are the search's; it is in
`generators.gan.pulse`. A search that ends above the tolerance gives its image with what it lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from pydantic import Field, field_validator
from torch import Tensor

from generators.config import GenerateConfig, NetFile
from generators.diffusion.noise import batch_noise, noise_key
from generators.errors import SettingError
from generators.gan.published import read_published
from generators.gan.pulse import Found, Moments, Search, moments, search
from generators.gan.stylegan import STYLEGAN, StyleGan, StyleGanConfig
from generators.methods.contract import Facts, Generator, Made, Runtime, Task, one_by_one
from generators.nets.checkpoint import check_digest, read_net
from generators.nets.device import usable
from generators.nets.operators import arithmetic
from generators.nets.tensors import to_pixels, to_unit
from generators.resize import area, resize_float
from generators.sampling.stage import one_thread

MOST_STEPS = 10_000


class PulseConfig(GenerateConfig, NetFile):
    """Settings of a PULSE run: a checkpoint of `train` with method "stylegan", and the search.

    `published`: the checkpoint is a state dict of that project's generator instead.
    `starts` searches are begun for each item and the best kept. `size`: the images' side, by
    default the net's; a larger net's are reduced to it by area.
    """

    generator: Literal["pulse"]
    inputs: Path
    published: Literal["stylegan2-ada"] | None = None
    size: int | None = Field(default=None, ge=4)
    steps: int = Field(default=100, ge=1)
    rate: float = Field(default=0.4, gt=0, le=1000)
    tolerance: float = Field(default=1e-3, gt=0)  # ε: mean squared error of 0..1 pixels
    noises: int = Field(default=5, ge=0)  # noise inputs that are searched, too, from the first
    starts: int = Field(default=1, ge=1, le=64)

    @field_validator("steps")
    @classmethod
    def _ends(cls, steps: int) -> int:
        if steps > MOST_STEPS:
            raise ValueError(f"expected at most {MOST_STEPS} steps of a search, the paper has 100")
        return steps


def load(config: PulseConfig, runtime: Runtime) -> Generator:
    """Return the generator. Raises `ConfigError` for a checkpoint that does not fit."""
    opened = _opened(config)
    model = opened.model
    size = config.size or model.size
    if size > model.size or model.size % size:
        raise SettingError(f"size is {size}, expected {model.size}, the net's, or a part of it")
    device = usable(runtime.device)
    with one_thread():
        known = moments(opened.net, model)
    opened.net.to(device).requires_grad_(requires_grad=False)
    known = Moments(known.mean.to(device), known.deviation.to(device))

    def image(task: Task) -> Made:
        # By itself and in one thread: the same bytes for every batch and machine of a kind.
        with one_thread():
            found = _searched(task, config, opened, known, device)
        square = to_pixels(found.image.cpu()[None])[0].permute(1, 2, 0).numpy()
        return Made(area(square, size), shortfall(found, config.tolerance))

    return Generator(
        images=one_by_one(image),
        facts=_facts(config, opened.digest, arithmetic(device, torch.float32)),
        refuses=lambda width, height: _unfit(width, height, size),
        micro_batch=1,
    )


class _Opened(NamedTuple):
    net: StyleGan
    model: StyleGanConfig
    digest: str


def _opened(config: PulseConfig) -> _Opened:
    if config.published is None:
        return _Opened(*read_net(config.checkpoint, STYLEGAN, config.sha256))
    opened = _Opened(*read_published(config.checkpoint))
    check_digest(config.checkpoint, opened.digest, config.sha256)
    return opened


def _facts(config: PulseConfig, digest: str, computes: str) -> Facts:
    return Facts(
        checkpoint={config.checkpoint.name: digest},
        evaluations=config.steps * config.starts,
        dtype="float32",
        arithmetic=computes,
        libraries=("torch", "safetensors"),
    )


def _unfit(width: int, height: int, size: int) -> str:
    """Return why an input of this size cannot be searched for, or ``""``."""
    if width == height and width < size and size % width == 0:
        return ""
    return f"is {width}x{height}, expected a square whose side is a part of {size}"


def _searched(
    task: Task,
    config: PulseConfig,
    opened: _Opened,
    known: Moments,
    device: torch.device,
) -> Found:
    model = opened.model
    starts = range(config.starts)

    def drawn(stage: str, *shape: int) -> Tensor:
        keys = [noise_key(task.seed, opened.digest, stage, start) for start in starts]
        return batch_noise(keys, -1, shape).to(device)

    vectors = drawn("latent", model.layers, model.w)
    noises = [drawn(f"noise {k}", 1, side, side) for k, side in enumerate(model.noises)]
    low = torch.from_numpy(task.input().copy()).permute(2, 0, 1)
    how = Search(config.steps, config.rate, config.tolerance, config.noises)
    smaller = reduction(model.size, low.shape[-1], device)
    wanted = to_unit(low).to(device)
    return search(opened.net, known, wanted, (vectors, noises), how=how, smaller=smaller)


def reduction(
    size: int, side: int, device: torch.device | None = None
) -> Callable[[Tensor], Tensor]:
    """Return what reduces images ``(N, 3, size, size)`` to `side`, with gradients.

    It is the kernel of `generators.resize.downsample`, without its rounding.
    """
    identity = np.eye(size, dtype=np.uint8)[:, :, None]
    rows = resize_float(identity, (size, side), Image.Resampling.BICUBIC)[:, :, 0]
    weights = torch.from_numpy(rows.copy()).to(device or "cpu")
    return lambda images: weights @ images @ weights.T


def shortfall(found: Found, tolerance: float) -> str | None:
    """Return what an image falls short of; None for one whose reduction is the input."""
    if found.error <= tolerance:
        return None
    # Three digits, and more where rounding would hide that the error is the larger one.
    texts = (f"{found.error:.{digits}g}" for digits in range(3, 18))
    error = next(text for text in texts if float(text) > tolerance)
    return f"search did not converge: mean squared error {error}, sought {tolerance:g}"
