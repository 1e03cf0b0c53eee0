"""The cache of rows: nothing half written, nothing twice, nothing wrong."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from metrics.errors import InputError, NumericError
from metrics.extraction import row_store
from metrics.extraction.row_store import RowStore

SPACE = {"extractor": "test", "weights": "a"}


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def opened(folder: Path, space: dict[str, str] = SPACE) -> RowStore:
    return RowStore(folder, space, 3, "<f4")


def rows(*numbers: int) -> np.ndarray:
    return np.array([[n, n + 0.5, -n] for n in numbers], np.float32)


def test_rows_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    opened(tmp_path).append([key(1), key(2), key(3)], rows(1, 2, 3))
    again = opened(tmp_path)
    assert np.array_equal(again.rows([key(3), key(1), key(3)]), rows(3, 1, 3))
    assert [len(block) for block in again.blocks([key(1), key(2), key(3)], 2)] == [2, 1]


@pytest.mark.parametrize("lost", range(1, 44))
def test_a_record_cut_anywhere_costs_one_row(tmp_path: Path, lost: int) -> None:
    store = opened(tmp_path)
    store.append([key(1), key(2)], rows(1, 2))
    index = store.folder / "index.bin"
    index.write_bytes(index.read_bytes()[:-lost])
    again = opened(tmp_path)
    assert key(1) in again
    assert key(2) not in again
    again.append([key(2), key(3)], rows(2, 3))
    assert np.array_equal(opened(tmp_path).rows([key(1), key(2), key(3)]), rows(1, 2, 3))


def test_rows_without_a_record_are_overwritten(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append([key(1)], rows(1))
    with (store.folder / "rows.bin").open("ab") as stream:
        stream.write(b"half a row")
    opened(tmp_path).append([key(2)], rows(2))
    assert np.array_equal(opened(tmp_path).rows([key(1), key(2)]), rows(1, 2))


def test_half_a_value_without_a_record_is_left_alone(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append([key(1)], rows(1))
    with (store.folder / "rows.bin").open("ab") as stream:
        stream.write(b"ab")
    assert np.array_equal(opened(tmp_path).rows([key(1)]), rows(1))


@pytest.mark.parametrize("kept", [0, 5, None])
def test_rows_that_are_gone_are_one_line(tmp_path: Path, kept: int | None) -> None:
    store = opened(tmp_path)
    store.append([key(1)], rows(1))
    path = store.folder / "rows.bin"
    data = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(data[:kept])
    with pytest.raises(InputError, match="damaged; delete the folder"):
        opened(tmp_path).rows([key(1)])


def test_two_processes_may_append(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    first.append([key(1), key(2)], rows(1, 2))
    second.append([key(2), key(3)], rows(2, 3))
    first.append([key(3), key(4)], rows(3, 4))
    assert len(opened(tmp_path)) == 4
    assert np.array_equal(first.rows([key(n) for n in (1, 2, 3, 4)]), rows(1, 2, 3, 4))


def test_other_weights_have_other_rows(tmp_path: Path) -> None:
    opened(tmp_path).append([key(1)], rows(1))
    assert key(1) not in opened(tmp_path, SPACE | {"weights": "b"})


def test_another_way_of_decoding_has_other_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(tmp_path).append([key(1)], rows(1))
    monkeypatch.setattr(row_store, "DECODING", row_store.DECODING + 1)
    assert key(1) not in opened(tmp_path)


def test_a_damaged_row_is_refused(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append([key(1)], rows(1))
    path = store.folder / "rows.bin"
    path.write_bytes(b"\x01" + path.read_bytes()[1:])
    with pytest.raises(InputError, match="row 0 is damaged"):
        opened(tmp_path).rows([key(1)])


def test_nan_is_never_cached(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(NumericError, match="NaN"):
        store.append([key(1)], rows(1) * np.nan)
    assert len(opened(tmp_path)) == 0


@pytest.mark.parametrize("kept", [0, 1])
def test_a_full_disk_is_one_line_that_names_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """The disk is full before rows are written, or between them and their records."""
    room, written = kept, row_store._write_through

    def limited(stream: BinaryIO, data: bytes) -> None:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room -= 1
        written(stream, data)

    store = opened(tmp_path)
    store.append([key(0)], rows(0))
    monkeypatch.setattr(row_store, "_write_through", limited)
    with pytest.raises(
        InputError, match=r"rows/\w+: cannot be written \(No space left on device\)"
    ):
        store.append([key(1)], rows(1))
    monkeypatch.setattr(row_store, "_write_through", written)
    again = opened(tmp_path)
    assert key(1) not in again
    again.append([key(1)], rows(1))
    assert again.rows([key(0), key(1)]).tolist() == rows(0, 1).tolist()
