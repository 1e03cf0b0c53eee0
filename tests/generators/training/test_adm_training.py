"""ADM's training and its noisy classifier's: resumed to the bit, learning, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from generators.diffusion.noise import Draws
from generators.errors import ConfigError
from generators.nets.adm import ADM, CLASSIFIER
from generators.nets.checkpoint import read_header, read_model, read_net
from generators.training.loop import train
from generators.training.methods.unets.noisy_classifier import shifted
from generators.training.publish import publish

TOML = """
method = "{method}"
name = "nano"
out = "{out}"
steps = {steps}
batch = 8
rate = 3e-3
warmup = 2
precision = "float32"
sample_every = 1000
{more}
[model]
size = 8
steps = 50
classes = ["blue", "red"]
[model.net]
channels = 8
multipliers = [1, 2]
resblocks = 1
in_channels = 3
attention = [1]
head_channels = 4
gamma_scale = 1.0
dropout = 0.1
{net}
[data]
folder = "{data}"
labels = "folder"
size = 8
validation = ["v*"]
"""


@pytest.fixture
def write(tmp_path):
    """Write red and blue images, and return a function that writes a training on them."""
    draws = np.random.default_rng(0)
    for number in range(24):
        folder = tmp_path / "data" / ("blue", "red")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = draws.integers(0, 90, (8, 8, 3), dtype=np.uint8)
        pixels[..., 2 if number % 2 == 0 else 0] += 150
        Image.fromarray(pixels).save(folder / f"{'v' if number > 19 else 't'}{number}.png")

    def toml(name, method, steps, more="", change=("", "")):
        net = "out_channels = 6\nclasses = 2" if method == "adm" else ""
        path = tmp_path / f"{name}.toml"
        text = TOML.format(
            method=method,
            out=tmp_path / name,
            steps=steps,
            data=tmp_path / "data",
            net=net,
            more=more,
        )
        path.write_text(text.replace(*change) if change[0] else text)
        return path

    return toml


@pytest.mark.slow
@pytest.mark.parametrize("method", ["adm", "noisy_classifier"])
def test_resuming_is_bit_exact(tmp_path, write, method):
    more = "shift = 2" if method == "noisy_classifier" else ""
    for name, steps in (("whole", 4), ("parts", 2), ("parts", 4)):
        train(write(name, method, steps, more))
    for file in ("state.safetensors", "model.safetensors"):
        whole, parts = ((tmp_path / name / file).read_bytes() for name in ("whole", "parts"))
        assert whole == parts


@pytest.mark.slow
def test_the_classifier_learns_and_is_told_by_noise_level(tmp_path, write):
    saved = train(write("run", "noisy_classifier", 40, "shift = 1\nema = 0.8"))
    last = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert last["accuracy_clean"] == 1.0
    assert 0 <= last["accuracy_4"] <= 1
    net, model, _ = read_net(saved, CLASSIFIER)
    assert model.classes == ("blue", "red")
    red = torch.zeros(1, 3, 8, 8)
    red[:, 0] = 0.8
    assert int(net(red, torch.zeros(1)).argmax()) == 1
    card = publish(tmp_path / "run.toml", tmp_path / "out").with_suffix(".md").read_text()
    assert "top-1 on held-out images 100.0 % without noise" in card


@pytest.mark.slow
def test_adm_learns_the_mean_and_says_what_it_is(tmp_path, write):
    saved = train(write("run", "adm", 60, "ema = 0.8"))
    lines = [json.loads(x) for x in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert lines[-2]["simple"] + lines[-2]["bound"] == pytest.approx(lines[-2]["loss"], rel=1e-5)
    assert lines[-2]["simple"] < 0.75  # of noise whose square is 1
    assert 0 <= lines[-1]["offset"] < 60
    model, facts = read_header(saved, ADM)
    assert (model.net.out_channels, facts["images"]) == (6, 480)
    with Image.open(tmp_path / "run" / "samples" / "000060.png") as sheet:
        assert sheet.size == (64, 8)
    with pytest.raises(ConfigError, match="header keys are foolrate-adm-1, expected 'foolrate-mo"):
        read_model(saved)


@pytest.mark.parametrize(
    ("method", "change", "message"),
    [
        ("adm", ("gamma_scale = 1.0", ""), "net.gamma_scale is 1000.0: the net is asked at t"),
        ("adm", ("out_channels = 6", ""), r"net channels in and out are \(3, 3\), expected \(3, 6"),
        ("adm", ("classes = 2", "classes = 3"), "net.classes is 3, classes lists 2"),
        ("adm", ("size = 8\nvalid", "size = 16\nvalid"), "data.size is 16, model.size is 8"),
        ("adm", ('labels = "folder"', ""), "model.classes needs data.labels = 'folder'"),
        ("adm", ("batch = 8", "batch = 8\npower = 1"), "unknown key 'power'"),
        ("adm", ("out = ", 'out = "" # '), "out is '': .*expected a path"),
        ("noisy_classifier", ("batch = 8", "batch = 8\nshift = 4"), "shift is 4, expected less"),
        ("noisy_classifier", ('["blue", "red"]', '["blue"]'), "classes: expected at least two"),
        ("noisy_classifier", ('"red"]', '"green"]'), "'green' has no image to train on"),
    ],
)
def test_a_wrong_configuration_is_one_line(tmp_path, write, method, change, message):
    with pytest.raises(ConfigError, match=message) as refused:
        train(write("run", method, 1, change=change))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_shift_moves_whole_pixels_and_repeats_the_edge():
    image = torch.arange(64.0).reshape(1, 1, 8, 8).expand(200, 3, 8, 8)
    moved = shifted(image, 2, Draws(0, 0, range(200)))
    corners = moved[:, 0, 0, 0].unique().tolist()
    # Up to two pixels out of the image, where its edge repeats, or two inside.
    assert corners == [0.0, 1.0, 2.0, 8.0, 9.0, 10.0, 16.0, 17.0, 18.0]
    assert (moved[:, 0] == moved[:, 2]).all()


def test_a_training_that_diverges_is_stopped_and_keeps_what_it_had(tmp_path, write):
    train(write("run", "noisy_classifier", 4, "checkpoint_every = 2"))
    kept = {p.name: p.read_bytes() for p in (tmp_path / "run").glob("*.safetensors")}
    assert len(kept) == 2
    diverging = write("run", "noisy_classifier", 40, change=("rate = 3e-3", "rate = 1e30"))
    with pytest.raises(ConfigError, match=r"nano: step \d+: .* has diverged.* step 4 left is kept"):
        train(diverging)
    assert kept == {p.name: p.read_bytes() for p in (tmp_path / "run").glob("*.safetensors")}


def test_weights_that_no_file_can_hold_have_diverged(tmp_path, write):
    """They are published in float16: beyond 65,504 a file would say infinity."""
    with pytest.raises(ConfigError, match=r"nano: step 1: weight .* is beyond 65504: .* diverged"):
        train(write("run", "noisy_classifier", 1, change=("rate = 3e-3", "rate = 1e10")))
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_fewer_steps_than_were_trained_are_refused(tmp_path, write):
    train(write("run", "noisy_classifier", 3))
    with pytest.raises(ConfigError, match=r"steps is 2, but .*run has been trained for 3"):
        train(write("run", "noisy_classifier", 2))


def test_a_class_whose_images_are_all_held_back_is_refused(tmp_path, write):
    for path in (tmp_path / "data" / "red").glob("t*.png"):
        path.rename(path.with_name(f"v{path.name}"))
    with pytest.raises(ConfigError, match=r"1 sub-folders with .*: 'red' has no image to train on"):
        train(write("run", "noisy_classifier", 2))
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_training_does_not_go_on_with_other_images(tmp_path, write):
    train(write("run", "noisy_classifier", 2))
    next((tmp_path / "data" / "red").glob("t*.png")).unlink()
    with pytest.raises(ConfigError, match=r"was trained with images '20 \(.* with '19 \("):
        train(write("run", "noisy_classifier", 4))
