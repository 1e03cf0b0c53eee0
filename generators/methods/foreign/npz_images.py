"""Images in an ``.npz``, as ADM and CDM publish their samples, with their ids and labels."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from generators.arrays import array_header, array_names, open_npz, read_array
from generators.errors import ImageError, RunError, cause
from generators.images.header import LIMIT_VARIABLE, pixel_limit
from generators.images.listing import few
from generators.resize import Pixels

_NAME_BYTES = 1024  # of an id or a label; more is not a name


@dataclass(frozen=True)
class NpzImages:
    """The images of an ``.npz`` in their order; `ids` and `labels` are None where it has none."""

    stack: NpzStack
    ids: list[str] | None
    labels: list[str] | None
    notes: tuple[str, ...]


def read_npz(source: Path) -> NpzImages:
    """Return the images of ``images`` or ``arr_0``, and ``ids`` and ``labels`` (or ``arr_1``).

    Raises `RunError` for a file that is not one, `ImageError` for an array that holds no images.
    """
    with open_npz(source) as archive:
        names = array_names(archive)
        member = "images" if "images" in names else "arr_0"
        if member not in names:
            found = few(names) or "nothing"
            raise RunError(f"{source}: has {found}, expected images or arr_0")
        stack = NpzStack(source, archive, member)
        ids = _texts(source, archive, "ids", stack.count) if "ids" in names else None
        labelled = next((name for name in ("labels", "arr_1") if name in names), None)
        if labelled == "arr_1" and not _are_labels(archive, stack.count):
            labelled = None
        labels = _texts(source, archive, labelled, stack.count) if labelled else None
    unread = sorted(set(names) - {member, "ids", labelled})
    notes = (f"{source}: not read: {few(unread)}",) if unread else ()
    return NpzImages(stack, ids, labels, notes)


def _are_labels(archive: zipfile.ZipFile, count: int) -> bool:
    # The second array of a class-conditional sample is its labels; of anything else, who knows.
    header = array_header(archive, "arr_1")
    return header.shape == (count,) and header.dtype.kind in "iuUS"


def _texts(source: Path, archive: zipfile.ZipFile, name: str, count: int) -> list[str]:
    header = array_header(archive, name)
    if header.shape != (count,):
        raise RunError(f"{source}: {count} images, but {name} has the shape {header.shape}")
    if header.dtype.kind not in "iuUS" or header.dtype.itemsize > 4 * _NAME_BYTES:
        raise RunError(f"{source}: {name} is {header.dtype}, expected whole numbers or text")
    values = read_array(archive, name, most=4 * _NAME_BYTES * count).tolist()
    return [_text(one) if isinstance(one, bytes) else str(one) for one in values]


def _text(name: bytes) -> str:
    # As file names are read: what is not UTF-8 is Latin-1.
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


class NpzStack:
    """One ``(N, H, W, 3)`` uint8 array of an .npz, read an image at a time.

    ADM's 50,000 samples are 9.8 GB as an array: they are streamed, not loaded.
    """

    def __init__(self, source: Path, archive: zipfile.ZipFile, member: str) -> None:
        header = array_header(archive, member)
        shape, self._start = header.shape, header.start
        if header.dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or 0 in shape:
            found = f"{header.dtype} {shape}"
            raise ImageError(f"{source}: {member} is {found}, expected uint8 (N, H, W, 3)")
        if shape[1] * shape[2] > pixel_limit():
            found, most = f"{shape[2]}x{shape[1]}", f"{pixel_limit() / 1e6:g} megapixels"
            raise ImageError(
                f"{source}: its images are {found}, expected at most {most} ({LIMIT_VARIABLE})"
            )
        self._source, self._member = source, f"{member}.npy"
        self.count, self._shape = shape[0], shape[1:]
        self._stream: IO[bytes] | None = None

    def reader(self, number: int) -> Callable[[], Pixels]:
        """Return a function that reads image `number`."""
        return lambda: self._read(number)

    def _read(self, number: int) -> Pixels:
        if self._stream is None:
            # Kept open, so that a compressed member is not inflated from its start for each image.
            self._stream = zipfile.ZipFile(self._source).open(self._member)  # noqa: SIM115
        length = int(np.prod(self._shape))
        try:
            self._stream.seek(self._start + number * length)
            data = self._stream.read(length)
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise ImageError(
                f"{self._source}: image {number} cannot be read ({cause(error)})"
            ) from None
        if len(data) != length:
            raise ImageError(f"{self._source}: ends inside image {number} of {self.count}")
        return np.frombuffer(data, np.uint8).reshape(self._shape)
