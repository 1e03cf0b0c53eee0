"""Images of benchmarks: as many as are asked for, and no two alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.support import images
from benchmarks.support.images import crops, write_runs


def test_no_two_images_are_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = crops(3, 16)
    monkeypatch.setattr(images, "each_crop", lambda *_: (one.copy() for one in once * 4))
    made: list[int] = []
    fake, real = write_runs(tmp_path, 12, 16, made.append)
    assert made == [1] * 12
    for folder in (fake, real):
        files = [path.read_bytes() for path in folder.iterdir()]
        assert len(set(files)) == len(files) == 12
