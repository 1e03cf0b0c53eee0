"""Training a StyleGAN: to the bit after a stop, what its files say, what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from generators.diffusion.noise import Draws
from generators.errors import ConfigError
from generators.gan.stylegan import STYLEGAN, StyleGan
from generators.nets.checkpoint import read_net
from generators.training.loop import train
from generators.training.methods.adversarial.stylegan import StyleGanTraining, latents
from generators.training.methods.registry import read_training
from generators.training.publish import publish

TOML = """
method = "stylegan"
name = "{name}"
out = "{out}"
steps = {steps}
batch = 4
rate = 1e-2
warmup = 0
ema = 0.5
precision = "{precision}"
critic = {critic}
r1 = 0.1
r1_every = 2
[model]
size = 16
z = 4
w = 4
mapping = 2
channels = [4, 4, 4]
[data]
folder = "{data}"
size = {size}
validation = ["5"]
"""


@pytest.fixture
def write(tmp_path):
    """Six images, and a function that writes a configuration."""
    (tmp_path / "data").mkdir()
    draws = np.random.default_rng(0)
    for number in range(6):
        pixels = draws.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / f"{number}.png")

    def write(name: str, steps: int, **changed) -> Path:
        path = tmp_path / f"{name}.toml"
        values = {"precision": "float32", "critic": "[4, 4, 4]", "size": 16} | changed
        values |= {"name": name, "out": tmp_path / name, "data": tmp_path / "data"}
        path.write_text(TOML.format(**values, steps=steps))
        return path

    return write


# In the middle of the lazy regularisation's rhythm, and at its beat.
@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, 2])
def test_training_resumes_to_the_bit(tmp_path, write, stop):
    train(write("whole", 4, precision="bfloat16"))
    train(write("parts", stop, precision="bfloat16"))
    train(write("parts", 4, precision="bfloat16"))
    for file in ("state.safetensors", "model.safetensors"):
        whole = (tmp_path / "whole" / file).read_bytes()
        # The two differ in their names only.
        assert whole.replace(b"whole", b"parts") == (tmp_path / "parts" / file).read_bytes()


@pytest.mark.slow
def test_what_it_writes(tmp_path, write):
    path = write("faces", 3)
    train(path)
    net, shape, _ = read_net(tmp_path / "faces" / "model.safetensors", STYLEGAN)
    assert shape.layers == 6
    entries = [json.loads(line) for line in (tmp_path / "faces/log.jsonl").read_text().splitlines()]
    noted = next(entry for entry in entries if "spread" in entry)
    assert {"held_back_logit", "made_logit"} <= noted.keys()
    assert any({"loss", "critic", "real"} <= entry.keys() for entry in entries)
    with Image.open(tmp_path / "faces" / "samples" / "000003.png") as sheet:
        assert sheet.size == (8 * 16, 4 * 16)
    target = publish(path, tmp_path / "shipped")
    card = target.with_suffix(".md").read_text()
    assert "by StyleGAN2 (mapping of 2 layers, 4 numbers a style; DiffAugment" in card
    assert "the discriminator's mean logit of held-out images" in card
    assert sum(weight.numel() for weight in net.parameters()) < 5000


def test_some_images_have_two_latents(write):
    config, _ = read_training(write("a", 1))
    assert isinstance(config, StyleGanTraining)
    net = StyleGan(config.model)
    ws, noises = latents(net, config, Draws(0, 0, range(200)), torch.device("cpu"))
    assert ws.shape == (200, 6, 4)
    assert [tuple(noise.shape[1:]) for noise in noises] == [(1, s, s) for s in (4, 8, 8, 16, 16)]
    changes = (ws[:, 1:] != ws[:, :-1]).any(2).sum(1)
    assert changes.max() == 1  # from one latent to another, once
    assert (changes == 1).float().mean().item() == pytest.approx(config.mixing, abs=0.06)
    plain, _ = latents(net, config, Draws(0, 0, range(8)), torch.device("cpu"), mixing=0.0)
    assert (plain[:, 1:] == plain[:, :-1]).all()


def test_parts_that_do_not_fit_are_refused(write):
    with pytest.raises(ConfigError, match="data gives images of 8 pixels, factor 1, patch None"):
        train(write("a", 1, size=8))
    with pytest.raises(ConfigError, match="critic has 2 numbers, expected the channels at 3"):
        train(write("a", 1, critic="[4, 4]"))
