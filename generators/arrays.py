"""Arrays of an ``.npz``: their headers are compared with the file before memory is taken."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from generators.errors import RunError

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class ArrayHeader:
    """What a member says of itself: `start` is the offset of its first value, in bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int
    fortran: bool = False  # whether the first axis is the one whose values lie side by side


@contextmanager
def open_npz(path: Path) -> Iterator[zipfile.ZipFile]:
    """Give an ``.npz`` opened for reading. Raises `RunError`, also for damage met while inside."""
    if not path.exists():
        raise RunError(f"{path}: no such file, expected an .npz")
    if not path.is_file():
        raise RunError(f"{path}: no regular file, expected an .npz")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGE as error:
        reason = str(error).strip() or type(error).__name__
        raise RunError(f"{path}: not a whole .npz ({reason})") from None


def array_names(archive: zipfile.ZipFile) -> list[str]:
    """Return the names of the arrays."""
    return [name.removesuffix(".npy") for name in archive.namelist()]


def array_header(archive: zipfile.ZipFile, name: str, *, any_order: bool = False) -> ArrayHeader:
    """Return an array's header. Raises `ValueError` where it does not fit the member's size.

    200 bytes can claim 10^12 images; believed, they would take all memory there is. Fortran order
    is refused unless `any_order` is taken.
    """
    with archive.open(f"{name}.npy") as stream:
        try:
            shape, fortran, dtype = _read_header(stream)
        except (ValueError, TypeError, SyntaxError, TokenError, RecursionError, MemoryError):
            raise ValueError(f"the header of {name} cannot be read") from None
        start = stream.tell()
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, expected numbers or text")
    fortran = fortran and len(shape) > 1
    if fortran and not any_order:
        raise ValueError(f"{name} is in Fortran order, expected C")
    claimed = start + math.prod(shape) * dtype.itemsize
    found = archive.getinfo(f"{name}.npy").file_size
    if min(shape, default=0) < 0 or claimed != found:
        raise ValueError(f"{name} claims {dtype} {shape}, {claimed} bytes, and has {found}")
    return ArrayHeader(shape, dtype, start, fortran)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    major, _minor = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    return tuple(int(length) for length in shape), bool(fortran), dtype


def read_array(archive: zipfile.ZipFile, name: str, most: int = 1 << 30) -> NDArray[Any]:
    """Return an array of at most `most` bytes. Raises `ValueError` for a larger one."""
    header = array_header(archive, name, any_order=True)
    size = math.prod(header.shape) * header.dtype.itemsize
    if size > most:
        raise ValueError(f"{name} has {size} bytes, expected at most {most}")
    with archive.open(f"{name}.npy") as stream:
        stream.seek(header.start)
        data = stream.read(size)
    if len(data) != size:
        raise ValueError(f"{name} ends after {len(data)} of {size} bytes")
    order: Literal["F", "C"] = "F" if header.fortran else "C"
    return np.frombuffer(data, header.dtype).reshape(header.shape, order=order)
