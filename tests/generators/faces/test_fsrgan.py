"""FSRGAN: its maps, its net, its losses, its training to the bit, its faces."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from generators.config import load_config
from generators.errors import ConfigError
from generators.faces.fsrnet import FSRNET, Estimate, FsrNet, FsrNetConfig, fold
from generators.faces.landmarks import (
    LANDMARKS,
    LEFT,
    MAPS,
    NUMBERS,
    RIGHT,
    prior_maps,
    read_landmarks,
    write_landmarks,
)
from generators.gan.critic import told_apart
from generators.methods.contract import Made, Runtime, Task
from generators.methods.trained.fsrgan import FsrganConfig, load
from generators.nets.checkpoint import read_net
from generators.resize import Pixels
from generators.training.loop import train
from generators.training.methods.adversarial.fsrgan import fsrnet_loss

SHIPPED = Path("generators/faces/olivetti.npz")
TOML = """
method = "fsrgan"
name = "{name}"
out = "{out}"
steps = {steps}
batch = 2
rate = 1e-3
warmup = 0
precision = "float32"
adversarial_from = 2
priors = "{priors}"
[model]
size = 16
factor = 4
channels = 4
prior_channels = 4
maps = {maps}
[data]
folder = "{data}"
size = 16
factor = 4
"""


@pytest.fixture
def faces(tmp_path):
    """Four images with landmarks, and a function that writes a configuration."""
    (tmp_path / "data").mkdir()
    draws = np.random.default_rng(0)
    for number in range(4):
        pixels = draws.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / f"{number}.png")
    some = draws.random((4, len(NUMBERS), 2)).astype(np.float32)
    write_landmarks(tmp_path / "points.npz", {str(k): some[k] for k in range(4)})

    def write(name: str, steps: int, priors: str = "points.npz", maps: int = MAPS) -> Path:
        path = tmp_path / f"{name}.toml"
        priors = priors if priors == "none" else str(tmp_path / priors)
        values = {"name": name, "out": tmp_path / name, "data": tmp_path / "data"}
        path.write_text(TOML.format(**values, steps=steps, priors=priors, maps=maps))
        return path

    return write


def features() -> nn.Module:
    """Stand in for VGG: four fixed filters."""
    torch.manual_seed(5)
    return nn.Conv2d(3, 4, 3).requires_grad_(False)


def test_a_mirrored_face_has_right_and_left_exchanged():
    points = read_landmarks(SHIPPED)["subject01_00"]
    mirror = points.copy()
    mirror[:, 0] = 1 - mirror[:, 0]
    at = {number: k for k, number in enumerate(NUMBERS)}
    made, flipped = prior_maps(mirror, 32), prior_maps(points, 32, flipped=True)
    for right, left in zip(RIGHT, LEFT, strict=True):
        ours, theirs = LANDMARKS.index(left), LANDMARKS.index(right)
        np.testing.assert_allclose(flipped[ours], made[theirs], atol=1e-5)
        # The subject's right lies at the left of the picture.
        assert (points[at[right], 0] < points[at[left], 0]).all()
    nose = len(LANDMARKS) + 5
    assert np.abs(flipped[nose] - made[nose]).mean() < 0.01


def test_maps_peak_at_their_landmarks_and_regions_cover_their_area():
    points = np.zeros((len(NUMBERS), 2), np.float32)
    at = {number: k for k, number in enumerate(NUMBERS)}
    points[at[LANDMARKS[0]]] = (8.5 / 32, 20.5 / 32)
    heat = prior_maps(points, 32)[0]
    assert np.unravel_index(heat.argmax(), heat.shape) == (20, 8)
    assert heat[20, 8] == pytest.approx(1)
    assert heat[20, 10] == pytest.approx(math.exp(-0.5 * (2 / 1.2) ** 2), rel=1e-5)
    square = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.5), (0.25, 0.5)]
    brow = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
    for number, corner in zip(brow, [*square, *[square[3]] * 6], strict=True):
        points[at[number]] = corner
    region = prior_maps(points, 32)[len(LANDMARKS) + 1]
    # An outline's own sub-pixels, an eighth of a pixel wide, count as inside.
    assert region.sum() == pytest.approx(16 * 8 + 24 / 8, abs=0.2)
    assert region[10, 16] == 1
    assert region[20, 16] == 0


@pytest.mark.parametrize(("channels", "prior", "millions"), [(32, 64, 0.90), (64, 128, 3.55)])
def test_parameters_of_the_small_and_of_the_published_shape(channels, prior, millions):
    shape = FsrNetConfig(size=64, factor=4, channels=channels, prior_channels=prior, maps=MAPS)
    with torch.device("meta"):
        count = sum(weight.numel() for weight in FsrNet(shape).parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.01)


@pytest.mark.slow
def test_folding_the_norms_keeps_the_function():
    torch.manual_seed(0)
    shape = FsrNetConfig(size=32, factor=4, channels=8, prior_channels=8, maps=3)
    net = FsrNet(shape)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.2)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    net.eval()
    folded, config = fold(net, shape)
    assert config.folded
    assert not [m for m in folded.modules() if isinstance(m, nn.BatchNorm2d)]
    image = torch.rand(2, 3, 32, 32) * 2 - 1
    for made, wanted in zip(folded(image).maps, net(image).maps, strict=True):
        assert (made - wanted).abs().max() < 1e-4 * wanted.abs().max()
    wanted = net(image).fine
    assert (folded(image).fine - wanted).abs().max() < 1e-4 * wanted.abs().max()


def test_losses_by_hand():
    zero = torch.zeros(1, 3, 2, 2)
    made = Estimate(coarse=zero + 2, fine=zero + 1, maps=(zero + 3, zero + 4))
    # In 0..1 the images are off by 1 and by 1/2: (1 + 1/4 + 9 + 16) / 2.
    assert fsrnet_loss(made, zero, zero).item() == pytest.approx(13.125)
    even = torch.zeros(2, 1, 2, 2)
    assert told_apart(even, even).item() == pytest.approx(2 * math.log(2))
    assert told_apart(even + 3, even - 3).item() == pytest.approx(2 * math.log1p(math.exp(-3)))


@pytest.mark.slow
def test_training_resumes_to_the_bit(tmp_path, faces):
    train(faces("whole", 4), features=features)
    for stop in (1, 2, 3):
        name = f"part{stop}"
        train(faces(name, stop), features=features)
        train(faces(name, 4), features=features)
        for file in ("state.safetensors", "model.safetensors"):
            whole = (tmp_path / "whole" / file).read_bytes()
            # The two differ in their names only.
            assert whole.replace(b"whole", name.encode()) == (tmp_path / name / file).read_bytes()


@pytest.mark.slow
def test_without_priors_it_has_another_name(tmp_path, faces):
    with pytest.raises(ConfigError, match="expected one with 'without-priors'"):
        train(faces("plain", 1, "none", 0), features=features)
    train(faces("without-priors", 1, "none", 0), features=features)
    net, _, _ = read_net(tmp_path / "without-priors" / "model.safetensors", FSRNET)
    assert net(torch.zeros(1, 3, 16, 16)).maps == ()


def test_what_is_missing_is_said_before_the_first_step(tmp_path, faces):
    with pytest.raises(ConfigError, match="needs a perceptual network: no weights"):
        train(faces("a", 1), features=lambda: "no weights")
    with pytest.raises(ConfigError, match=r"other\.npz: no such file, expected landmarks"):
        train(faces("a", 1, "other.npz"), features=features)
    points = read_landmarks(tmp_path / "points.npz")
    write_landmarks(tmp_path / "fewer.npz", {"0": points["0"], "1": points["1"]})
    with pytest.raises(ConfigError, match=r"no landmarks of '2' \(2 of 4 images lack them\)"):
        train(faces("a", 1, "fewer.npz"), features=features)
    (tmp_path / "bad.npz").write_text("no archive")
    with pytest.raises(ConfigError, match=r"bad\.npz: not a file of landmarks"):
        train(faces("a", 1, "bad.npz"), features=features)
    with pytest.raises(ConfigError, match=r"model\.maps is 5, priors .* makes 31"):
        train(faces("a", 1, maps=5), features=features)
    assert not (tmp_path / "a" / "model.safetensors").exists()


@pytest.mark.slow
def test_faces_are_the_same_whatever_the_batch(tmp_path, faces):
    train(faces("run", 2), features=features)
    path = tmp_path / "run.toml"
    path.write_text(
        f'generator = "fsrgan"\ninputs = "{tmp_path}"\nout = "{tmp_path / "out"}"\n'
        f'checkpoint = "{tmp_path / "run" / "model.safetensors"}"\n'
    )
    made = load(load_config(path, FsrganConfig), Runtime())
    draws = np.random.default_rng(1)
    lows = [draws.integers(0, 256, (4, 4, 3), dtype=np.uint8) for _ in range(3)]
    tasks = [Task(id=str(k), seed=0, pixels=low) for k, low in enumerate(lows)]
    together = [pixels_of(image) for image in made.images(tasks)]
    assert [image.shape for image in together] == [(16, 16, 3)] * 3
    for task, image in zip(tasks, together, strict=True):
        assert np.array_equal(pixels_of(made.images([task])[0]), image)
    assert made.refuses is not None
    assert made.refuses(4, 4) == ""
    assert made.refuses(5, 4) == "is 5x4, this net was trained on faces of 4x4"


def pixels_of(image: Pixels | Made) -> Pixels:
    assert not isinstance(image, Made)
    return image
