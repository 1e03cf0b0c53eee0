"""MATLAB's `imresize` against another program's values, and the names of the reductions."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage import data

from generators.cli import dataset
from generators.errors import ImageError
from generators.manifest import read_manifest
from generators.reductions import REDUCTIONS, imresize
from metrics.cli import metrics
from metrics.errors import MetricError
from metrics.scores import ScoreFile, read_scores, refuse_incomparable

# sha256 of skimage's astronaut, resized by github.com/fatheral/matlab_imresize, which equals MATLAB
# R2015b on its own test images, as `imresize` does, to the bit: of doubles, and of 8-bit images.
ASTRONAUT = {
    ((128, 128), False): "77cc684a6923c3c0e7a633cea34b12d5d4930e2d0a8c68167e59be5b81c8ea83",
    ((234, 123), False): "de5f70a804bda11b2401d84edc287535a5e1c71b1717e83cccecaf83d21a7c59",
    ((234, 123), True): "57cad2bf5c023e835aec70d483002b31a6fd9fa70512693c3ba444ea5823ee50",
}


@pytest.mark.parametrize(("size", "between"), ASTRONAUT)
def test_imresize_equals_matlabs(size: tuple[int, int], between: bool) -> None:
    found = imresize(data.astronaut(), size, rounds_between=between)
    assert found.shape == (size[1], size[0], 3)
    assert hashlib.sha256(found.tobytes()).hexdigest() == ASTRONAUT[size, between]


def test_imresize_mirrors_edges_and_rounds_where_it_says() -> None:
    # The same program's values.
    rows = [[0, 255, 255, 0, 0, 255, 0, 0], [10, 20, 30, 40, 50, 60, 70, 80]] * 4
    pixels = np.repeat(np.array(rows, np.uint8)[..., None], 3, axis=2)
    once = [[86, 96, 83, 44], [70, 82, 76, 51], [72, 84, 77, 50], [56, 70, 71, 57]]
    twice = [[87, 96, 83, 44], [70, 82, 76, 51], [72, 84, 77, 50], [55, 70, 71, 58]]
    assert imresize(pixels, (4, 4))[..., 1].tolist() == once
    assert imresize(pixels, (4, 4), rounds_between=True)[..., 1].tolist() == twice


def test_inside_an_image_ours_and_matlabs_are_one_kernel() -> None:
    photo = data.chelsea()[:288, :448]
    ours, matlabs = (REDUCTIONS[name].downsample(photo, 4) for name in ("bicubic", "imresize"))
    inside = np.s_[3:-3, 3:-3]
    difference = np.abs(ours.astype(int) - matlabs)
    assert difference[inside].max() <= 1  # halves: rounded to even, and up
    assert (difference[inside] > 0).mean() < 1e-3
    assert difference.max() > 1
    with pytest.raises(ImageError, match="image of 448x288: not a multiple of the factor 5"):
        REDUCTIONS["imresize"].downsample(photo, 5)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for number, photo in enumerate((data.astronaut(), data.coffee())):
        Image.fromarray(photo).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path


def imported(photos: Path, name: str, *options: str) -> Path:
    folders = [str(photos / "photos"), str(photos / f"hr-{name}")]
    arguments = ["import", *folders, "--size", "64", "--lr", str(photos / name), *options]
    ran = CliRunner().invoke(dataset, arguments, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return photos / name


def consistency(photos: Path, lr: Path, *options: str) -> ScoreFile:
    run = next(photos.glob("hr-*"))
    arguments = ["compute", str(run), "--lr", str(lr), "--metrics", "consistency", *options]
    arguments += ["--cache", str(photos / "cache"), "-o", str(photos / "out")]
    ran = CliRunner().invoke(metrics, arguments, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return read_scores(photos / "out")


@pytest.mark.slow
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_photo_is_consistent_with_its_own_input_of_any_reduction(photos: Path, name: str) -> None:
    lr = imported(photos, "lr", "--reduction", name)
    config = read_manifest(lr).config
    assert config.get("reduction", "bicubic") == name
    assert ("reduction" in config) == (name != "bicubic")  # runs of before stay the same
    score = consistency(photos, lr).score("consistency")
    assert score.value == 0
    assert score.resize == REDUCTIONS[name].kernel
    assert score.settings["rounding"] == REDUCTIONS[name].rounding


@pytest.mark.slow
def test_reductions_do_not_meet_and_a_folders_can_be_said(photos: Path) -> None:
    lr = imported(photos, "lr", "--reduction", "imresize")
    (lr / "manifest.json").unlink()  # as the folder of a data set is
    said = consistency(photos, lr, "--reduction", "imresize")
    unsaid = consistency(photos, lr)
    assert said.score("consistency").value == 0
    assert unsaid.score("consistency").value > 0
    with pytest.raises(MetricError, match="resize is 'imresize"):
        refuse_incomparable([said, unsaid])


@pytest.mark.slow
def test_a_manifest_is_not_overruled(photos: Path) -> None:
    lr = imported(photos, "lr", "--reduction", "imresize-8bit")
    with pytest.raises(MetricError, match="made by 'imresize-8bit', the request says 'bicubic'"):
        consistency(photos, lr, "--reduction", "bicubic")
