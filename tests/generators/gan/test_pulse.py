"""PULSE: its cost on known angles, its steps, its search; a search that fails says so."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import manage
from generators.config import load_config
from generators.errors import ConfigError
from generators.gan.pulse import (
    Found,
    Moments,
    Search,
    Sphere,
    geocross,
    moments,
    rate_factor,
    search,
)
from generators.gan.stylegan import GAIN, STYLEGAN, StyleGan, StyleGanConfig
from generators.generate.run import generate
from generators.manifest import open_run, read_manifest, verify_run
from generators.methods.contract import Made, Runtime, Task
from generators.methods.trained.pulse import PulseConfig, load, reduction, shortfall
from generators.nets.checkpoint import write_model
from generators.resize import downsample, resize_float

SHAPE = StyleGanConfig(size=16, z=8, w=8, mapping=2, channels=(12, 10, 8), colours=1)


def small_net() -> StyleGan:
    """Return a net whose images differ: random weights, the last colours made louder."""
    torch.manual_seed(2)
    net = StyleGan(SHAPE)
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith("noise_strength"):
                weight.fill_(0.05)
            if name.endswith("torgb.weight"):
                weight.mul_(0.3)
    return net.eval().requires_grad_(False)


def test_geocross_of_known_angles():
    # Two vectors of one length at 60 degrees: 2 of the 4 pairs have θ = π/3.
    pair = torch.zeros(1, 2, 16)
    pair[0, 0, 0], pair[0, 1, 0], pair[0, 1, 1] = 1.0, 0.5, math.sqrt(3) / 2
    assert geocross(pair * 7).item() == pytest.approx((math.pi / 3) ** 2 / 2 * 16 / 8, rel=1e-4)
    # One three times as long: the diagonals are √7 and √13.
    pair[0, 0] *= 3
    theta = 2 * math.atan(math.sqrt(7 / 13))
    assert geocross(pair).item() == pytest.approx(theta**2 / 2 * 16 / 8, rel=1e-4)
    # Three at right angles: 6 of 9 pairs; opposite ones: θ = π; the same: nothing.
    assert geocross(torch.eye(3)[None]).item() == pytest.approx(
        (math.pi / 2) ** 2 * 6 / 9 * 3 / 8, rel=1e-4
    )
    opposite = torch.stack([torch.ones(4), -torch.ones(4)])[None]
    assert geocross(opposite).item() == pytest.approx(math.pi**2 / 2 * 4 / 8, rel=1e-3)
    assert geocross(torch.ones(1, 5, 4)).item() < 1e-6


def test_the_rate_rises_falls_and_drops():
    expected = {0: 0.1, 45: 1.0, 18: 0.46, 72: 0.46, 90: 0.1, 95: 0.0505, 100: 0.001}
    for step, factor in expected.items():
        assert rate_factor(step, 100) == pytest.approx(factor)


def test_vectors_and_noises_keep_their_lengths():
    torch.manual_seed(0)
    start = [torch.randn(2, 5, 8), torch.randn(2, 1, 4, 4)]
    sphere = Sphere(start)
    with torch.no_grad():
        for tensor in sphere.tensors:
            tensor.add_(torch.randn_like(tensor))
    sphere.project()
    vectors, noise = (tensor.detach() for tensor in sphere.tensors)
    assert torch.allclose(vectors.norm(dim=2), start[0].norm(dim=2), rtol=1e-5)
    assert torch.allclose(noise.norm(dim=(2, 3)), start[1].norm(dim=(2, 3)), rtol=1e-5)
    assert not torch.allclose(vectors, start[0])


def test_moments_are_those_before_the_last_activation():
    net = StyleGan(SHAPE.model_copy(update={"mapping": 1}))
    layer: Any = net.mapping.get_submodule("fc0")
    with torch.no_grad():
        layer.bias.copy_(torch.linspace(-100, 100, 8))
    known = moments(net, SHAPE, samples=40_000)
    # z comes normalised, with a mean square of 1: the output's variance is the row's square.
    expected = layer.weight.norm(dim=1) * 0.01 / math.sqrt(8)
    assert torch.allclose(known.mean, layer.bias * 0.01, atol=0.02)
    assert torch.allclose(known.deviation, expected, rtol=0.02)
    styles = Moments(torch.tensor([0.0]), torch.tensor([2.0])).styles(torch.tensor([1.0, -1.0]))
    assert styles.tolist() == pytest.approx([2.0, -0.4])


def test_reduction_is_the_kernel_of_inputs():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    made = reduction(16, 4)(image)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(
        made, resize_float(pixels, (4, 4), Image.Resampling.BICUBIC), atol=1e-3
    )
    assert np.abs(made.clip(0, 255) - downsample(pixels, 4)).max() <= 0.501


@pytest.mark.slow
def test_an_image_of_the_net_is_found_and_the_best_step_returned():
    net, smaller = small_net(), reduction(16, 4)
    known = moments(net, SHAPE, samples=10_000)
    torch.manual_seed(5)

    def drawn(count: int):
        vectors = torch.randn(count, SHAPE.layers, SHAPE.w)
        return vectors, [torch.randn(count, 1, side, side) for side in SHAPE.noises]

    vectors, noises = drawn(1)
    with torch.inference_mode():
        low = smaller(net(known.styles(vectors) * GAIN, noises))[0]
    start = drawn(3)
    begun = search(net, known, low.clone(), start, how=Search(steps=1), smaller=smaller)
    found = search(net, known, low.clone(), start, how=Search(), smaller=smaller)
    assert found.error <= Search().tolerance < 0.5 * begun.error
    closer = search(net, known, low.clone(), start, how=Search(tolerance=1e-6), smaller=smaller)
    assert closer.error < 0.5 * found.error
    again = ((smaller(found.image[None]) - low) / 2).square().mean()
    assert found.error == pytest.approx(again.item(), rel=1e-4)


def test_an_image_beyond_white_has_not_reached_its_input():
    known, smaller = Moments(torch.zeros(2), torch.ones(2)), reduction(16, 4)
    start = torch.randn(1, 3, 2), [torch.randn(1, 1, 4, 4), torch.randn(1, 1, 8, 8)]

    def glaring(styles, _noises):
        # Grey on average, of pixels at -3 and 3: only a clipped image of -1 and 1 can be shown.
        pattern = torch.ones(1, 3, 16, 16)
        pattern[..., ::2] = -1
        return 3 * pattern + 0.9 + 0 * styles.sum()

    low = torch.full((3, 4, 4), 0.9)
    found = search(glaring, known, low, start, how=Search(steps=2), smaller=smaller)
    assert found.image.abs().max() == 1
    # Clipped, the columns are -1 and 1: 0 instead of .9, which is .45 of 0..1.
    assert found.error == pytest.approx(0.45**2, rel=0.05)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A checkpoint, inputs of 4x4 pixels, a configuration."""
    facts = {"name": "small", "images": 0}
    write_model(
        tmp_path / "net.safetensors", small_net().state_dict(), SHAPE, facts, STYLEGAN.header
    )
    (tmp_path / "lr").mkdir()
    draws = np.random.default_rng(3)
    for k in range(3):
        pixels = draws.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "lr" / f"{k}.png")
    path = tmp_path / "pulse.toml"
    path.write_text(
        f'generator = "pulse"\ninputs = "{tmp_path / "lr"}"\nout = "{tmp_path / "out"}"\n'
        f'checkpoint = "{tmp_path / "net.safetensors"}"\nsteps = 4\n'
    )
    return path


@pytest.mark.slow
def test_the_same_bytes_whatever_the_batch_and_the_threads(faces: Path, tmp_path: Path):
    made = load(load_config(faces, PulseConfig), Runtime())
    run = open_run(tmp_path / "lr")
    pixels = {item: np.asarray(Image.open(path)) for item, path in run.files.items()}
    tasks = [Task(id=item, seed=int(item), pixels=image) for item, image in pixels.items()]
    together = made.images(tasks)
    before = torch.get_num_threads()
    torch.set_num_threads(2 if before == 1 else 1)
    try:
        alone = [made.images([task])[0] for task in reversed(tasks)]
    finally:
        torch.set_num_threads(before)
    for one, other in zip(together, reversed(alone), strict=True):
        assert isinstance(one, Made)
        assert isinstance(other, Made)
        assert np.array_equal(one.pixels, other.pixels)
        assert one.shortfall == other.shortfall
    first, second = together[:2]
    assert isinstance(first, Made)
    assert isinstance(second, Made)
    assert not np.array_equal(first.pixels, second.pixels)


@pytest.mark.slow
def test_a_search_that_fails_is_told_everywhere(faces: Path, tmp_path: Path):
    done = CliRunner().invoke(manage.main, ["generate", str(faces)], catch_exceptions=False)
    assert done.exit_code == 0
    said = "3 of 3 images fall short (0: search did not converge: mean squared error "
    assert said in done.output
    assert "sought 0.001 and 2 more); the manifest names each" in done.output
    manifest = read_manifest(tmp_path / "out")
    assert all(item.shortfall for item in manifest.items)
    assert manifest.evaluations == 4
    assert verify_run(tmp_path / "out") == []
    assert open_run(tmp_path / "out").notes == (manifest.shortfalls,)
    shown = CliRunner().invoke(manage.main, ["run", "show", str(tmp_path / "out")])
    assert "3 of 3 images fall short" in " ".join(shown.output.split())


@pytest.mark.slow
def test_a_search_that_succeeds_leaves_the_manifest_as_it_was(faces: Path, tmp_path: Path):
    faces.write_text(faces.read_text() + "tolerance = 4.0\n")
    manifest = generate(faces)
    assert manifest.shortfalls == ""
    items = json.loads((tmp_path / "out" / "manifest.json").read_text())["items"]
    assert not [item for item in items if "shortfall" in item]
    assert open_run(tmp_path / "out").notes == ()


@pytest.mark.slow
def test_inputs_and_sizes_that_do_not_fit_are_refused(faces: Path, tmp_path: Path):
    made = load(load_config(faces, PulseConfig), Runtime())
    assert made.refuses is not None
    assert made.refuses(4, 4) == ""
    assert made.refuses(3, 4) == "is 3x4, expected a square whose side is a part of 16"
    assert made.refuses(16, 16)
    text = faces.read_text()
    faces.write_text(text + "size = 12\n")
    with pytest.raises(ConfigError, match=r"\.toml: size is 12, expected 16, the net's, or"):
        generate(faces)
    faces.write_text(text + "size = 8\n")
    assert generate(faces).items[0].width == 8


@pytest.mark.parametrize(
    ("error", "said"), [(1.5e-3, "0.0015"), (1.0004e-3, "0.0010004"), (0.0123456, "0.0123")]
)
def test_a_shortfall_never_reads_as_if_nothing_were_short(error: float, said: str) -> None:
    image = torch.zeros(3, 4, 4)
    line = shortfall(Found(image, error, 0), 1e-3)
    assert line == f"search did not converge: mean squared error {said}, sought 0.001"
    assert shortfall(Found(image, 1e-3, 0), 1e-3) is None
