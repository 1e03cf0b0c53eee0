"""Anybody's outputs as a run: a folder of images or an ``.npz`` of the kind ADM and CDM publish."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.lib import format as npy
from pydantic import model_validator

from generators.config import GenerateConfig
from generators.errors import ImageError, RunError
from generators.files import file_sha256
from generators.manifest import Run, open_run, refuse_unusable
from generators.methods.contract import Facts, Generator, Pixels, Runtime, Task
from generators.pixels import read_image


class ImportedConfig(GenerateConfig):
    """Settings of an imported run."""

    generator: Literal["imported"]
    source: Path  # a folder of images, or an .npz
    made_by: str = ""  # what made the images, in words, for the report
    ids_from: Path | None = None  # a run with the same ids; it also gives the class labels

    @model_validator(mode="after")
    def _no_inputs(self) -> ImportedConfig:
        if self.inputs is not None:
            raise ValueError("an imported run takes no `inputs`; name the images as `source`")
        return self


@dataclass(frozen=True)
class Outputs:
    """Somebody's images: item id -> a function that reads the pixels, and the class labels."""

    read: dict[str, Callable[[], Pixels]]
    labels: dict[str, str]
    digest: str


def open_outputs(config: ImportedConfig) -> Outputs:
    """Return the images of the source by item id. Raises `RunError` where the ids do not fit."""
    reference = open_run(config.ids_from) if config.ids_from else None
    if config.source.suffix.lower() == ".npz":
        outputs = _open_npz(config.source, reference)
    else:
        outputs = _open_folder(config.source)
    if reference is not None:
        _refuse_other_ids(config.source, set(outputs.read), set(reference.files))
        return Outputs(outputs.read, outputs.labels | reference.labels(), outputs.digest)
    return outputs


def items(config: ImportedConfig) -> list[tuple[str, str | None]]:
    """Return (item id, class label) of every imported image."""
    outputs = open_outputs(config)
    return [(item, outputs.labels.get(item)) for item in outputs.read]


def load(config: ImportedConfig, runtime: Runtime) -> Generator:  # noqa: ARG001
    """Return the generator that hands the source's images over, unchanged."""
    outputs = open_outputs(config)

    def images(tasks: Sequence[Task]) -> list[Pixels]:
        return [outputs.read[task.id]() for task in tasks]

    facts = Facts(inputs={"source": outputs.digest}, seeded=False)
    return Generator(images=images, facts=facts)


def _open_folder(source: Path) -> Outputs:
    run = open_run(source)
    refuse_unusable(run)
    read = {item: _reader(path) for item, path in run.files.items()}
    return Outputs(read=read, labels=run.labels(), digest=run.digest())


def _reader(path: Path) -> Callable[[], Pixels]:
    return lambda: read_image(path)


def _open_npz(source: Path, reference: Run | None) -> Outputs:
    try:
        with np.load(source, allow_pickle=False) as archive:
            names = list(archive.files)
            ids = [str(item) for item in archive["ids"]] if "ids" in names else None
            labels = archive["labels"] if "labels" in names else None
        stack = NpzStack(source, "images" if "images" in names else "arr_0")
    except FileNotFoundError:
        raise RunError(f"{source}: no such file, expected an .npz of images") from None
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{source}: not an .npz of images ({error})") from None
    if ids is None:
        # The file has no names, only an order; `ids_from` says in so many words whose it is.
        ids = list(reference.files) if reference else [f"{n:06d}" for n in range(stack.count)]
    if len(ids) != stack.count or len(set(ids)) != len(ids):
        raise RunError(f"{source}: {stack.count} images, but {len(set(ids))} different ids")
    if labels is not None and len(labels) != stack.count:
        raise RunError(f"{source}: {stack.count} images, but {len(labels)} labels")
    named = {} if labels is None else {i: str(label) for i, label in zip(ids, labels, strict=True)}
    read = {item: stack.reader(number) for number, item in enumerate(ids)}
    return Outputs(read=read, labels=named, digest=file_sha256(source))


class NpzStack:
    """One ``(N, H, W, 3)`` uint8 array of an .npz, read an image at a time.

    ADM's 50,000 samples are 9.8 GB as an array: they are streamed, not loaded.
    """

    def __init__(self, source: Path, member: str) -> None:
        self._source, self._member = source, f"{member}.npy"
        with zipfile.ZipFile(source) as archive, archive.open(self._member) as stream:
            shape, dtype = self._header(stream)
            self._start = stream.tell()
        if dtype != np.uint8 or len(shape) != 4 or shape[3] != 3:
            raise ImageError(f"{source}: {member} is {dtype} {shape}, expected uint8 (N, H, W, 3)")
        self.count, self._shape = shape[0], shape[1:]
        self._stream: IO[bytes] | None = None

    def _header(self, stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
        major, _minor = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
        shape, fortran, dtype = read(stream)
        if fortran:
            raise ImageError(f"{self._source}: {self._member} is in Fortran order, expected C")
        return shape, dtype

    def reader(self, number: int) -> Callable[[], Pixels]:
        """Return a function that reads image `number`."""
        return lambda: self._read(number)

    def _read(self, number: int) -> Pixels:
        if self._stream is None:
            # Kept open, so that a compressed member is not inflated from its start for each image.
            self._stream = zipfile.ZipFile(self._source).open(self._member)  # noqa: SIM115
        length = int(np.prod(self._shape))
        self._stream.seek(self._start + number * length)
        data = self._stream.read(length)
        if len(data) != length:
            raise ImageError(f"{self._source}: ends inside image {number} of {self.count}")
        return np.frombuffer(data, np.uint8).reshape(self._shape)


def _refuse_other_ids(source: Path, found: set[str], wanted: set[str]) -> None:
    for what, ids in (("lacks", wanted - found), ("has unknown", found - wanted)):
        if ids:
            few = ", ".join(sorted(ids)[:5])
            raise RunError(f"{source}: {what} {len(ids)} item ids of `ids_from`: {few}")
