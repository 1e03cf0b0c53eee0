"""Training images, decoded when they are drawn, and the batches drawn from them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from generators.config import Strict
from generators.diffusion.noise import Draws
from generators.errors import SettingError
from generators.images import listing
from generators.images.item_names import class_labels
from generators.nets.tensors import to_unit
from generators.pixels import image_size, read_image
from generators.resize import Pixels, area, bicubic, central_square, downsample

KEPT = 1 << 30  # bytes of decoded images that a machine's processes keep together
THREADS = 4  # that decode
LOOKED_AT = 64  # files, of which the beginnings tell a set from another
BEGINNING = 1 << 16  # bytes


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
class Listed:
    """The files of a training: which are drawn from, which held back, how many were left out."""

    train: tuple[Path, ...]
    held_back: tuple[Path, ...]
    classes: tuple[str, ...]
    small: int
    notes: tuple[str, ...] = ()  # what else was left out, and why
    labels: Mapping[Path, str] = field(default_factory=dict)  # the class of each file


@dataclass(frozen=True, eq=False)
class Images:
    """Images of one size: the first `kept` stay decoded in memory, the others are read when drawn.

    An item is a pair of uint8 images, ``(3, S, S)`` and ``(3, S/f, S/f)``.
    """

    config: DataConfig
    files: Sequence[Path]
    classes: tuple[str, ...] = ()
    kept: int = 0
    labels: Mapping[Path, str] = field(default_factory=dict)
    _decoded: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        if number in self._decoded:
            return self._decoded[number]
        square = _square(self.files[number], self.config)
        pair = _tensor(square), _tensor(downsample(square, self.config.factor))
        if number < self.kept:
            self._decoded[number] = pair
        return pair

    def label(self, number: int) -> int:
        """Return the number of an image's class; 0 without classes."""
        return self.classes.index(self.labels[self.files[number]]) if self.classes else 0

    def stacked(self, numbers: Sequence[int]) -> Batch:
        """Return these images, whole, as a batch."""
        high, low = (
            torch.stack(side) for side in zip(*map(self.__getitem__, numbers), strict=True)
        )
        labels = torch.tensor([self.label(number) for number in numbers])
        return Batch(to_unit(high), to_unit(low), labels)


@dataclass(frozen=True)
class Batch:
    """One training batch, images in -1..1."""

    high: Tensor  # (N, 3, P, P)
    low: Tensor  # (N, 3, P/f, P/f)
    labels: Tensor  # (N,)
    items: tuple[str, ...] = ()  # the images' names, without what follows the last dot
    flips: tuple[bool, ...] = ()  # which are mirrored


def list_images(config: DataConfig) -> Listed:
    """Return the files to train on, by their sizes. Raises `SettingError`, `ImageError`."""
    if not config.folder.is_dir():
        raise SettingError(f"data.folder {config.folder}: no such folder of training images")
    found = listing.list_images(config.folder)
    files = sorted(found.files.values())
    for pattern in config.validation:
        if files and not any(fnmatch(p.stem, pattern) for p in files):
            raise SettingError(
                f"data.folder {config.folder}: validation {pattern!r} holds back none of "
                f"{len(files)} images"
            )
    held = {p for p in files if any(fnmatch(p.stem, pattern) for pattern in config.validation)}
    labels = _labels(found.files, config)
    with ThreadPoolExecutor(THREADS) as pool:
        large = [min(size) >= config.size for size in pool.map(image_size, files)]
    whole = [path for path, fits in zip(files, large, strict=True) if fits]
    train = tuple(p for p in whole if p not in held)
    if not train:
        about = f" (of {len(files)}, {len(held)} are held back)" if files else ""
        raise SettingError(
            f"data.folder {config.folder}: no images of {config.size} pixels or more{about}"
        )
    back = tuple(p for p in whole if p in held)
    classes = tuple(sorted({labels[path] for path in train if path in labels}))
    return Listed(train, back, classes, len(files) - len(whole), found.notes, labels)


def _labels(files: Mapping[str, Path], config: DataConfig) -> dict[Path, str]:
    """Return the class of each file by the rule of all commands. Raises `SettingError`."""
    if config.labels == "none":
        return {}
    places = [PurePosixPath(name) for name in files]
    labels = class_labels(places)
    for place, label in zip(places, labels, strict=True):
        if label is None:
            raise SettingError(
                f"data.folder {config.folder}: {place} lies in no sub-folder, expected one for "
                "each class"
            )
    return {path: str(label) for path, label in zip(files.values(), labels, strict=True)}


def names_digest(listed: Listed) -> str:
    """Return what tells the training images of two sets apart: their number, names and classes."""
    named = [f"{listed.labels.get(path, '')}/{path.name}" for path in listed.train]
    digest = hashlib.sha256("\0".join(named).encode(errors="surrogateescape")).hexdigest()
    return f"{len(named)} ({digest[:12]})"


def bytes_digest(listed: Listed) -> str:
    """Return what tells other images of the same names apart, without reading all of them.

    It stands for the size of each file, and the beginnings of files that are spread over the set.
    """
    sizes = [path.stat().st_size for path in listed.train]
    digest = hashlib.sha256(repr(sizes).encode())
    for path in listed.train[:: math.ceil(len(listed.train) / LOOKED_AT)]:
        with path.open("rb") as stream:
            digest.update(stream.read(BEGINNING))
    return digest.hexdigest()[:12]


def open_images(config: DataConfig, listed: Listed, memory: int = KEPT) -> tuple[Images, Images]:
    """Return the training and the validation images; as many are decoded as fit into `memory`.

    Those are read here, so that a damaged file among them shows before the long work. `memory` is
    in bytes. Raises `ImageError`.
    """
    room = memory // _bytes_of_one(config)
    named = listed.classes, listed.labels
    back = _images(config, listed.held_back, min(room, len(listed.held_back)), named)
    train = _images(config, listed.train, min(room - back.kept, len(listed.train)), named)
    with ThreadPoolExecutor(THREADS) as pool:
        for images in (back, train):
            for _ in pool.map(images.__getitem__, range(images.kept)):
                pass
    return train, back


def _images(
    config: DataConfig,
    files: Sequence[Path],
    kept: int,
    named: tuple[tuple[str, ...], Mapping[Path, str]],
) -> Images:
    return Images(config, files, classes=named[0], kept=kept, labels=named[1])


def _bytes_of_one(config: DataConfig) -> int:
    return 3 * (config.size**2 + (config.size // config.factor) ** 2)


def draw_batch(images: Images, config: DataConfig, draws: Draws) -> Batch:
    """Return a random crop, perhaps flipped, for each of the draws' examples."""
    picks = draws.below(len(images)).tolist()
    size = config.patch or config.size
    places = draws.below((config.size - size) // config.factor + 1, 2).tolist()
    flips = (draws.rand() < (0.5 if config.flip else 0.0)).tolist()
    pairs = [
        _crop(images[pick], place, size=size, factor=config.factor, flip=flip)
        for pick, place, flip in zip(picks, places, flips, strict=True)
    ]
    high, low = (torch.stack(side) for side in zip(*pairs, strict=True))
    labels = torch.tensor([images.label(pick) for pick in picks])
    items = tuple(images.files[pick].stem for pick in picks)
    return Batch(to_unit(high), to_unit(low), labels, items, tuple(flips))


class Ahead:
    """The batches of a training, of which the next is drawn while a step computes."""

    def __init__(self, images: Images, config: DataConfig, seed: int, examples: range) -> None:
        self.images, self.config, self.seed, self.examples = images, config, seed, examples
        self._pool = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[tuple[Batch, Draws]]] | None = None

    def batch(self, step: int) -> tuple[Batch, Draws]:
        """Return the batch of a step and its draws, for whatever else the examples need."""
        ready = self._next
        found = ready[1] if ready and ready[0] == step else self._pool.submit(self._draw, step)
        made = found.result()
        self._next = (step + 1, self._pool.submit(self._draw, step + 1))
        return made

    def _draw(self, step: int) -> tuple[Batch, Draws]:
        draws = Draws(self.seed, step, self.examples)
        return draw_batch(self.images, self.config, draws), draws

    def close(self) -> None:
        """Let the thread end."""
        self._pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def ahead(images: Images, config: DataConfig, seed: int, examples: range) -> Iterator[Ahead]:
    """Give the batches of a training; `examples` are this process's of each."""
    batches = Ahead(images, config, seed, examples)
    try:
        yield batches
    finally:
        batches.close()


def _crop(
    pair: tuple[Tensor, Tensor], place: list[int], *, size: int, factor: int, flip: bool
) -> tuple[Tensor, Tensor]:
    (y, x), small = place, size // factor
    high = pair[0][:, y * factor :, x * factor :][:, :size, :size]
    low = pair[1][:, y:, x:][:, :small, :small]
    return (high.flip(-1), low.flip(-1)) if flip else (high, low)


def _square(path: Path, config: DataConfig) -> Pixels:
    square = central_square(read_image(path))
    if config.resize == "area":
        return area(square, config.size)
    return bicubic(square, (config.size, config.size))


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous()
