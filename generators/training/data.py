"""Training images held in memory, and the batches drawn from them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from generators.config import Strict
from generators.errors import ConfigError
from generators.images.listing import SUFFIXES
from generators.nets.tensors import to_unit
from generators.pixels import read_image
from generators.resize import Pixels, area, bicubic, central_square, downsample


class DataConfig(Strict):
    """Which images a net is trained on.

    Images smaller than `size` are dropped; larger ones give their largest central square, resized
    (by area in SR3). The low-resolution side is made by `generators.resize.downsample`, as the
    inputs are that the net gets when it is used. `validation` patterns hold files back by stem.
    """

    folder: Path
    size: int = Field(ge=4)
    factor: int = Field(default=1, ge=1)  # 1: no low-resolution input
    patch: int | None = Field(default=None, ge=4)  # train on crops of this many pixels
    resize: Literal["area", "bicubic"] = "area"
    flip: bool = True
    labels: Literal["none", "folder"] = "none"  # `folder`: the class is the sub-folder's name
    validation: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _divides(self) -> DataConfig:
        for name, value in (("size", self.size), ("patch", self.patch or self.factor)):
            if value % self.factor:
                raise ValueError(f"{name} {value} is not a multiple of factor {self.factor}")
        if self.patch and self.patch > self.size:
            raise ValueError(f"patch {self.patch} is larger than size {self.size}")
        return self


@dataclass(frozen=True)
class Images:
    """Images in memory: `high` ``(N, 3, S, S)`` and `low` ``(N, 3, S/f, S/f)`` uint8."""

    high: Tensor
    low: Tensor
    labels: Tensor  # (N,) int64, zeros without labels
    classes: tuple[str, ...] = ()
    small: int = 0  # images that were left out

    def __len__(self) -> int:
        return len(self.high)


@dataclass(frozen=True)
class Batch:
    """One training batch, images in -1..1."""

    high: Tensor  # (N, 3, P, P)
    low: Tensor  # (N, 3, P/f, P/f)
    labels: Tensor  # (N,)


def load_images(config: DataConfig) -> tuple[Images, Images]:
    """Return the training and the validation images. Raises `ConfigError`, `ImageError`."""
    if not config.folder.is_dir():
        raise ConfigError(f"{config.folder}: no such folder of training images")
    files = sorted(p for p in config.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    for pattern in config.validation:
        if files and not any(fnmatch(p.stem, pattern) for p in files):
            raise ConfigError(
                f"{config.folder}: validation {pattern!r} holds back none of {len(files)} images"
            )
    held = {p for p in files if any(fnmatch(p.stem, pattern) for pattern in config.validation)}
    classes = sorted({p.parent.name for p in files}) if config.labels == "folder" else []
    train = _load(config, [p for p in files if p not in held], classes)
    if not len(train):
        about = f" (of {len(files)}, {len(held)} are held back)" if files else ""
        raise ConfigError(f"{config.folder}: no images of {config.size} pixels or more{about}")
    return train, _load(config, [p for p in files if p in held], classes)


def draw_batch(images: Images, config: DataConfig, count: int, generator: torch.Generator) -> Batch:
    """Return `count` random crops and flips; the same generator state gives the same batch."""
    picks = torch.randint(len(images), (count,), generator=generator)
    size = config.patch or config.size
    places = torch.randint(
        (config.size - size) // config.factor + 1, (count, 2), generator=generator
    )
    flips = torch.rand(count, generator=generator) < (0.5 if config.flip else 0.0)
    pairs = [
        _crop(images, int(i), place.tolist(), size=size, factor=config.factor, flip=bool(flip))
        for i, place, flip in zip(picks, places, flips, strict=True)
    ]
    high, low = (torch.stack(side) for side in zip(*pairs, strict=True))
    return Batch(to_unit(high), to_unit(low), images.labels[picks])


def _crop(
    images: Images, pick: int, place: list[int], *, size: int, factor: int, flip: bool
) -> tuple[Tensor, Tensor]:
    y, x, small = place[0], place[1], size // factor
    high = images.high[pick, :, y * factor :, x * factor :][:, :size, :size]
    low = images.low[pick, :, y:, x:][:, :small, :small]
    return (high.flip(-1), low.flip(-1)) if flip else (high, low)


def _load(config: DataConfig, files: list[Path], classes: list[str]) -> Images:
    with ThreadPoolExecutor(4) as pool:
        squares = list(pool.map(lambda path: _square(path, config), files))
    kept = [
        (path, square) for path, square in zip(files, squares, strict=True) if square is not None
    ]
    numbers = {name: number for number, name in enumerate(classes)}
    return Images(
        high=_stack([square for _, square in kept], config.size),
        low=_stack(
            [downsample(square, config.factor) for _, square in kept], config.size // config.factor
        ),
        labels=torch.tensor(
            [numbers.get(path.parent.name, 0) for path, _ in kept], dtype=torch.long
        ),
        classes=tuple(classes),
        small=len(files) - len(kept),
    )


def _square(path: Path, config: DataConfig) -> Pixels | None:
    square = central_square(read_image(path))
    if len(square) < config.size:
        return None
    if config.resize == "area":
        return area(square, config.size)
    return bicubic(square, (config.size, config.size))


def _stack(squares: list[Pixels], size: int) -> Tensor:
    if not squares:
        return torch.zeros(0, 3, size, size, dtype=torch.uint8)
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).contiguous()
