"""Training images: as many in memory as may be, the others read when drawn, the same batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from generators.diffusion.noise import Draws
from generators.errors import ConfigError, ImageError
from generators.training import data as training_data
from generators.training.data import DataConfig, ahead, draw_batch, list_images, open_images

ONE = 3 * (16 * 16 + 4 * 4)  # bytes of a pair


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(12):
        pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{'v' if number > 9 else 't'}{number}.png")
    return DataConfig(folder=folder, size=16, factor=4, patch=8, validation=("v*",))


def test_no_more_is_kept_than_fits(data):
    listed = list_images(data)
    for memory, kept in (
        (0, (0, 0)),
        (ONE * 3, (1, 2)),
        (ONE * 5 - 1, (2, 2)),
        (ONE * 99, (10, 2)),
    ):
        train, back = open_images(data, listed, memory)
        for images in (train, back):
            for number in range(len(images)):
                images[number]
        assert (len(train._decoded), len(back._decoded)) == kept


def test_what_is_kept_changes_no_batch(data):
    listed = list_images(data)
    few, all_of_them = (open_images(data, listed, memory)[0] for memory in (ONE * 4, ONE * 99))
    for step in range(3):
        one, other = (draw_batch(i, data, Draws(0, step, range(6))) for i in (few, all_of_them))
        assert torch.equal(one.high, other.high)
        assert torch.equal(one.low, other.low)


def test_the_batch_drawn_ahead_is_the_steps_own(data):
    images, _ = open_images(data, list_images(data))
    with ahead(images, data, 5, range(1, 8, 2)) as batches:
        for step in (4, 5, 6, 2):  # the next, and one that was not expected
            batch, draws = batches.batch(step)
            wanted = draw_batch(images, data, Draws(5, step, range(1, 8, 2)))
            assert torch.equal(batch.high, wanted.high)
            assert list(draws.examples) == [1, 3, 5, 7]


def test_a_damaged_file_shows_before_the_work(data):
    broken = data.folder / "t3.png"
    broken.write_bytes(broken.read_bytes()[:-40])
    with pytest.raises(ImageError, match=r"t3\.png: is cut off"):
        list_images(data)


def test_a_file_that_goes_away_is_named_whether_kept_or_drawn(data):
    listed = list_images(data)
    (data.folder / "t3.png").unlink()
    with pytest.raises(ImageError, match=r"t3\.png"):
        open_images(data, listed)
    images, _ = open_images(data, listed, 0)
    with ahead(images, data, 0, range(64)) as batches, pytest.raises(ImageError, match=r"t3\.png"):
        batches.batch(0)


def test_no_image_is_decoded_more_than_once_while_all_fit(data, monkeypatch):
    read = []
    real = training_data.read_image

    def noted(path):
        read.append(path)
        return real(path)

    monkeypatch.setattr(training_data, "read_image", noted)
    images, _ = open_images(data, list_images(data))
    for step in range(5):
        draw_batch(images, data, Draws(0, step, range(16)))
    assert len(read) == 12


def test_training_lists_its_folder_by_the_rule_of_all_commands(data):
    for name in (".t0.png", "__MACOSX/t0.png", "@eaDir/t0.png"):
        (data.folder / name).parent.mkdir(exist_ok=True)
        (data.folder / name).write_bytes(b"no image")
    (data.folder / "scan.tif").write_bytes(b"II*")
    listed = list_images(data)
    assert (len(listed.train), len(listed.held_back)) == (10, 2)
    for name in (".t0.png", "__MACOSX/", "@eaDir/", "scan.tif"):
        assert any(name in note for note in listed.notes)


def test_a_folder_that_only_says_what_is_in_it_is_no_class(data):
    for number, path in enumerate(sorted(data.folder.glob("*.png"))):
        place = data.folder / f"n{number % 3}" / "images" / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)
    listed = list_images(data.model_copy(update={"labels": "folder"}))
    assert listed.classes == ("n0", "n1", "n2")
    train, _ = open_images(data.model_copy(update={"labels": "folder"}), listed)
    for number, path in enumerate(train.files):
        assert train.classes[train.label(number)] == path.parents[1].name


def test_an_image_in_no_sub_folder_has_no_class_and_is_named(data):
    with pytest.raises(ConfigError, match="lies in no sub-folder, expected one for each class"):
        list_images(data.model_copy(update={"labels": "folder"}))
