"""The run folder: sealed, self-checking, and safe to open."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generators.errors import RunError
from generators.files import file_sha256
from generators.manifest import (
    MANIFEST,
    Item,
    Manifest,
    open_run,
    read_manifest,
    verify_run,
    write_manifest,
)


def small_run(folder: Path, ids: tuple[str, ...] = ("a", "b")) -> Path:
    folder.mkdir(parents=True)
    items = []
    for number, name in enumerate(ids):
        path = folder / f"{name}.png"
        pixels = np.full((3, 4, 3), 40 * number, np.uint8)
        Image.fromarray(pixels).save(path)
        items.append(Item(id=name, file=path.name, sha256=file_sha256(path), width=4, height=3))
    times: dict[str, Any] = {"created_at": "2026-11-22T10:00:00Z", "wall_seconds": 12.25}
    write_manifest(folder, Manifest(generator="real", items=tuple(items), **times))
    return folder


def test_a_whole_run_verifies(tmp_path: Path) -> None:
    assert verify_run(small_run(tmp_path / "run")) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.png", MANIFEST])
def test_deleting_any_byte_is_found_and_names_the_file(tmp_path: Path, name: str) -> None:
    path = small_run(tmp_path / "run") / name
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + whole[place + 1 :])
        problems = verify_run(path.parent)
        assert problems, f"byte {place} of {name} ({whole[place]:#x}) is not covered"
        assert name in problems[0]


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("sealed") / "run")


@settings(max_examples=30)
@given(st.data())
def test_changing_any_byte_of_the_manifest_is_found(sealed: Path, data: st.DataObject) -> None:
    path = sealed / MANIFEST
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
    try:
        path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
        assert verify_run(sealed)
        path.write_bytes(whole[:place] + bytes([value]) + whole[place:])
        assert verify_run(sealed)
    finally:
        path.write_bytes(whole)


def test_missing_and_extra_images_are_named(tmp_path: Path) -> None:
    folder = small_run(tmp_path / "run")
    shutil.copy(folder / "a.png", folder / "c.png")
    (folder / "b.png").unlink()
    missing, extra = verify_run(folder)
    assert "b.png: missing" in missing
    assert "c.png: not in the manifest" in extra


def test_a_later_format_is_refused_by_number(tmp_path: Path) -> None:
    folder = small_run(tmp_path / "run")
    fields = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(fields | {"format_version": 99}))
    with pytest.raises(RunError, match="format_version is 99, expected 1"):
        read_manifest(folder)


@pytest.mark.parametrize("file", ["../a.png", "/etc/passwd", "x/../../a.png", "..\\a.png"])
def test_a_manifest_cannot_point_outside_its_folder(file: str) -> None:
    with pytest.raises(ValueError, match="outside the run folder"):
        Item(id="a", file=file, sha256="0" * 64, width=1, height=1)


def test_duplicate_ids_are_refused() -> None:
    items = [Item(id="a", file=f"{n}.png", sha256="0" * 64, width=1, height=1) for n in range(2)]
    with pytest.raises(ValueError, match="share one id: a"):
        Manifest(generator="x", items=tuple(items))


def test_a_plain_folder_is_a_run_whose_ids_are_stems(tmp_path: Path) -> None:
    small_run(tmp_path / "run")
    (tmp_path / "run" / MANIFEST).unlink()
    run = open_run(tmp_path / "run")
    assert list(run.files) == ["a", "b"]
    assert run.manifest is None


def test_plain_files_that_share_a_stem_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for name in ("a.png", "x/a.jpg"):
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    with pytest.raises(RunError, match="share the item id 'a'"):
        open_run(tmp_path)


def test_the_digest_is_of_the_images_alone(tmp_path: Path) -> None:
    folder = small_run(tmp_path / "run")
    before = open_run(folder).digest()
    manifest = read_manifest(folder)
    write_manifest(folder, manifest.model_copy(update={"wall_seconds": 99.0}))
    assert open_run(folder).digest() == before
    (folder / MANIFEST).unlink()
    assert open_run(folder).digest() == before
