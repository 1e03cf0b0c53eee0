"""`imported`: other people's folders and .npz files become runs, and wrong ones are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generators.errors import ConfigError, ImageError, RunError
from generators.generate.run import generate
from generators.manifest import open_run, verify_run
from generators.pixels import read_image


def stack(count: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 5, 3), dtype=np.uint8)


def folder(path: Path, images: np.ndarray, ids: str = "abcd") -> Path:
    path.mkdir()
    for name, pixels in zip(ids, images, strict=True):
        Image.fromarray(pixels).save(path / f"{name}.png")
    return path


def run(tmp_path: Path, source: Path, **more: object) -> Path:
    fields = {"generator": "imported", "source": str(source), "out": str(tmp_path / "out")} | more
    text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in fields.items())
    (tmp_path / "run.toml").write_text(text)
    generate(tmp_path / "run.toml")
    return tmp_path / "out"


def pixels_of(folder: Path) -> dict[str, np.ndarray]:
    return {item: read_image(path) for item, path in open_run(folder).files.items()}


def test_a_folder_comes_through_unchanged(tmp_path: Path) -> None:
    images = stack()
    out = run(tmp_path, folder(tmp_path / "in", images), made_by="PULSE, authors' code")
    assert verify_run(out) == []
    for item, expected in zip("abcd", images, strict=True):
        assert (pixels_of(out)[item] == expected).all()
    manifest = open_run(out).manifest
    assert manifest is not None
    assert manifest.config["made_by"] == "PULSE, authors' code"
    assert manifest.inputs == {"source": open_run(tmp_path / "in").digest()}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_as_adm_publishes_it(tmp_path: Path, save) -> None:
    images = stack(12)
    save(tmp_path / "samples.npz", images, np.arange(12))
    out = run(tmp_path, tmp_path / "samples.npz")
    found = pixels_of(out)
    assert list(found) == [f"{number:06d}" for number in range(12)]
    assert all((found[f"{n:06d}"] == images[n]).all() for n in range(12))


def test_ids_and_labels_inside_an_npz(tmp_path: Path) -> None:
    images = stack()
    np.savez(tmp_path / "a.npz", images=images, ids=list("dcba"), labels=[3, 2, 1, 0])
    out = run(tmp_path, tmp_path / "a.npz")
    assert open_run(out).labels() == {"a": "0", "b": "1", "c": "2", "d": "3"}
    assert (pixels_of(out)["d"] == images[0]).all()


def test_ids_from_a_reference_run(tmp_path: Path) -> None:
    reference = folder(tmp_path / "real", stack(seed=1))
    np.savez(tmp_path / "a.npz", stack())
    out = run(tmp_path, tmp_path / "a.npz", ids_from=str(reference))
    assert (pixels_of(out)["c"] == stack()[2]).all()


def test_ids_that_do_not_fit_the_reference_are_listed(tmp_path: Path) -> None:
    reference = folder(tmp_path / "real", stack())
    with pytest.raises(RunError, match=r"lacks 1 item ids of `ids_from`: d"):
        run(tmp_path, folder(tmp_path / "in", stack(), "abcx"), ids_from=str(reference))
    np.savez(tmp_path / "a.npz", stack(3))
    with pytest.raises(RunError, match="has 3 images for 4 ids"):
        run(tmp_path, tmp_path / "a.npz", ids_from=str(reference))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 6, 5, 3), np.float32), "arr_0 is float32"),
        (np.zeros((2, 3, 6, 5), np.uint8), r"\(2, 3, 6, 5\), expected uint8 \(N, H, W, 3\)"),
        (np.asfortranarray(np.zeros((2, 6, 5, 3), np.uint8)), "Fortran order"),
    ],
)
def test_arrays_that_are_no_images(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.savez(tmp_path / "a.npz", array)
    with pytest.raises((ImageError, RunError), match=message):
        run(tmp_path, tmp_path / "a.npz")
    assert not (tmp_path / "out").exists()


def test_sources_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("x")
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    np.savez(tmp_path / "pickled.npz", np.array([{}], dtype=object))
    for name in ("text", "other", "pickled"):
        with pytest.raises((RunError, ImageError), match=f"{name}.npz: "):
            run(tmp_path, tmp_path / f"{name}.npz")
    with pytest.raises(RunError, match="no such file"):
        run(tmp_path, tmp_path / "missing.npz")
    with pytest.raises(RunError, match="no such folder"):
        run(tmp_path, tmp_path / "missing")
    with pytest.raises(ConfigError, match="an imported run takes no `inputs`"):
        run(tmp_path, tmp_path, inputs="x")


def test_an_unfit_image_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", stack())
    Image.new("RGBA", (5, 6)).save(source / "b.png")
    with pytest.raises(ImageError, match=r"b.png: has an alpha channel"):
        run(tmp_path, source)
    assert not (tmp_path / "out").exists()
