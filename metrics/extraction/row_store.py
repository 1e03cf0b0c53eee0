"""A cache of rows (features, or per-image values) keyed by what they were computed from.

One folder per *space*: everything that decides a row besides the image's bytes - the decoding, the
extractor, its weights' digest, the preprocessing, the precision. In it two files that only grow:

``rows.bin``    the rows, one after another
``index.bin``   44 bytes a row: the key (32), the row's number (8), the row's checksum (4)

A row counts once its index record is whole, and records are written after their rows. A process
killed at any byte therefore leaves at most rows without a record, which the next one overwrites,
and half a record, which it cuts off.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from generators.files import write_atomically
from generators.pixels import DECODING
from metrics.errors import InputError, NumericError

_RECORD = struct.Struct("<32sQI")


def key_of(digests: Sequence[str]) -> bytes:
    """Return the key of a row made from files with these sha256 digests, in this order."""
    if len(digests) == 1:
        return bytes.fromhex(digests[0])
    return hashlib.sha256("".join(digests).encode()).digest()


class RowStore:
    """Rows of one space, found by key; several processes may append to one folder."""

    def __init__(self, folder: Path, space: Mapping[str, Any], width: int, dtype: str) -> None:
        """Open or create the space's folder below `folder`; rows are ``(width,)`` of `dtype`."""
        described = dict(space) | {"width": width, "dtype": dtype, "decoding": DECODING}
        text = json.dumps(described, sort_keys=True, ensure_ascii=False)
        self.folder = folder / "rows" / hashlib.sha256(text.encode()).hexdigest()[:24]
        self.width, self.dtype = width, np.dtype(dtype)
        self._where: dict[bytes, tuple[int, int]] = {}
        self._read = 0  # bytes of the index taken in so far
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / "space.json").exists():
                write_atomically(self.folder / "space.json", (text + "\n").encode())
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written ({error.strerror})") from None
        self._refresh()

    def __contains__(self, key: bytes) -> bool:
        return key in self._where

    def __len__(self) -> int:
        return len(self._where)

    def append(self, keys: Sequence[bytes], rows: NDArray[Any]) -> None:
        """Add rows ``(N, width)``, durable when this returns; keys already present are skipped.

        Raises `NumericError` for a row that is not a number: nothing wrong is ever cached; and
        `InputError` where the disk takes no more.
        """
        if np.isnan(rows).any():
            raise NumericError(f"{self.folder.name}: a computed row holds NaN; nothing was cached")
        try:
            self._append(keys, rows)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written ({error.strerror})") from None

    def _append(self, keys: Sequence[bytes], rows: NDArray[Any]) -> None:
        with self._locked() as index:
            self._refresh()
            fresh = {
                key: row for key, row in zip(keys, rows, strict=True) if key not in self._where
            }
            if not fresh:
                return
            blocks = [np.ascontiguousarray(row, self.dtype).tobytes() for row in fresh.values()]
            first = self._read // _RECORD.size
            with _opened(self.folder / "rows.bin") as stream:
                stream.seek(first * self._row_bytes)
                _write_through(stream, b"".join(blocks))
            records = [
                _RECORD.pack(key, first + number, zlib.crc32(block))
                for number, (key, block) in enumerate(zip(fresh, blocks, strict=True))
            ]
            index.seek(self._read)
            _write_through(index, b"".join(records))
            self._refresh()

    def rows(self, keys: Sequence[bytes]) -> NDArray[Any]:
        """Return the rows ``(N, width)`` of these keys, in their order, from the mapped file.

        Raises `InputError` when a row's checksum fails, naming the folder to delete.
        """
        found = np.empty((len(keys), self.width), self.dtype)
        if not keys:
            return found
        mapped = self._mapped()
        for number, key in enumerate(keys):
            row, checksum = self._where[key]
            block = mapped[row * self.width : (row + 1) * self.width]
            if zlib.crc32(block.tobytes()) != checksum:
                raise InputError(f"{self.folder}: row {row} is damaged; delete the folder")
            found[number] = block
        return found

    def _mapped(self) -> NDArray[Any]:
        path = self.folder / "rows.bin"
        try:
            whole = path.stat().st_size // self.dtype.itemsize  # a kill may leave half a value
            return np.memmap(path, self.dtype, "r", shape=(whole,))
        except (OSError, ValueError) as error:  # gone or empty
            raise InputError(f"{self.folder}: rows.bin is damaged; delete the folder") from error

    def blocks(self, keys: Sequence[bytes], size: int = 1024) -> Iterator[NDArray[Any]]:
        """Yield the rows of these keys in order, `size` at a time, so that memory stays flat."""
        for start in range(0, len(keys), size):
            yield self.rows(keys[start : start + size])

    @property
    def _row_bytes(self) -> int:
        return self.width * self.dtype.itemsize

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        with _opened(self.folder / "index.bin") as index:
            fcntl.flock(index, fcntl.LOCK_EX)
            yield index

    def _refresh(self) -> None:
        """Take in the whole records written since the last look, by this process or another."""
        path = self.folder / "index.bin"
        if not path.exists():
            return
        with path.open("rb") as stream:
            stream.seek(self._read)
            data = stream.read()
        data = data[: len(data) - len(data) % _RECORD.size]
        for key, row, checksum in _RECORD.iter_unpack(data):
            self._where[key] = (row, checksum)
        self._read += len(data)


def _opened(path: Path) -> BinaryIO:
    """Return the file opened for reading and writing, created if need be, never truncated."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")


def _write_through(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)
    stream.flush()
    os.fsync(stream.fileno())
