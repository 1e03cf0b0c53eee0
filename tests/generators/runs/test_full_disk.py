"""A disk that fills up: one line, nothing half written, and the same command goes on afterwards.

A limit on the size of a file stands for the full disk: the write fails in the same place, after a
part of the bytes.
"""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import manage


@pytest.fixture(autouse=True)
def _same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@contextmanager
def files_of(limit: int) -> Iterator[None]:
    """Let this process write no file larger than `limit` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run(*arguments: object) -> int:
    """Run a command line and return its status."""
    return manage.run(list(map(str, arguments)))


def photos(folder: Path, side: int) -> Path:
    folder.mkdir()
    draws = np.random.default_rng(1)
    for number in range(9):
        pixels = draws.integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"p{number}.png")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run_config(folder: Path, name: str) -> Path:
    keys = {"generator": "nearest", "inputs": str(folder / "lr"), "out": str(folder / name)}
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    path = folder / f"{name}.toml"
    path.write_text("\n".join([*lines, "factor = 2"]))
    return path


# Sizes at which, of this run, an image, the journal and the manifest are the first to fail.
@pytest.mark.parametrize(
    ("side", "limit", "file"),
    [(64, 2300, "p0.png"), (4, 1200, ".progress.jsonl"), (4, 2300, "manifest.json")],
)
def test_generate(capsys, tmp_path: Path, side: int, limit: int, file: str) -> None:
    photos(tmp_path / "lr", side)
    config = run_config(tmp_path, "run")
    with files_of(limit):
        assert run("generate", config, "--batch", 1) == 1
    where = tmp_path / "run" / file
    assert capsys.readouterr().err == f"error: {where}: cannot be written (File too large)\n"
    assert not list((tmp_path / "run").glob(".*part"))
    assert run("generate", config) == 0
    assert run("generate", run_config(tmp_path, "whole")) == 0
    assert content(tmp_path / "run") == content(tmp_path / "whole")


TRAINING = """
name = "t"
out = "{out}"
steps = 2
batch = 2
[model]
task = "sr"
size = 8
factor = 2
[model.net]
channels = 8
multipliers = [1, 2]
resblocks = 1
[data]
folder = "{data}"
size = 8
factor = 2
validation = ["p8*"]
"""


@pytest.mark.parametrize(
    ("limit", "file"),
    [(60_000, "state.safetensors"), (10, "log.jsonl"), (400, "samples/000002.png")],
)
@pytest.mark.slow
def test_train(capsys, tmp_path: Path, limit: int, file: str) -> None:
    photos(tmp_path / "data", 8)
    path = tmp_path / "t.toml"
    path.write_text(TRAINING.format(out=tmp_path / "out", data=tmp_path / "data"))
    with files_of(limit):
        assert run("train", path) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"error: {tmp_path / 'out' / file}: cannot be written (File too large)"
    assert not list((tmp_path / "out").rglob(".*part"))
    assert not (tmp_path / "out" / "model.safetensors").exists()
    assert run("train", path) == 0
