"""Training BigGAN-deep: to the bit after a stop, what its files say and make, what does not fit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from generators.errors import ConfigError
from generators.gan.biggan import BIGGAN, standing_at, truncated
from generators.generate.run import generate
from generators.manifest import open_run
from generators.methods.contract import Runtime
from generators.nets.checkpoint import read_net
from generators.training.loop import train
from generators.training.publish import publish

TOML = """
method = "biggan_deep"
name = "{name}"
out = "{out}"
steps = {steps}
batch = 4
rate = 1e-2
critic_rate = 1e-2
critic_steps = {critic_steps}
warmup = 0
ema = 0.5
clip = 1000
standing = 2
precision = "{precision}"
[critic]
channels = 4
multipliers = {multipliers}
attention = 4
[model]
size = {size}
patch = 2
z = 3
embedding = 2
channels = 4
multipliers = [4, 2]
attention = 4
entries = 3
classes = {classes}
[data]
folder = "{data}"
labels = "{labels}"
size = 16
validation = ["5"]
"""


@pytest.fixture
def write(tmp_path):
    """Six images of each of two classes, and a function that writes a configuration."""
    draws = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(6):
            pixels = draws.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")

    def write(name: str, steps: int, **changed) -> Path:
        path = tmp_path / f"{name}.toml"
        values = {"precision": "float32", "critic_steps": 2, "multipliers": "[2, 4]", "size": 16}
        values |= {"classes": '["cat", "dog"]', "labels": "folder"} | changed
        values |= {"name": name, "out": tmp_path / name, "data": tmp_path / "data"}
        path.write_text(TOML.format(**values, steps=steps))
        return path

    return write


@pytest.mark.slow
def test_training_resumes_to_the_bit(tmp_path, write):
    train(write("whole", 3, precision="bfloat16"))
    train(write("parts", 1, precision="bfloat16"))
    train(write("parts", 3, precision="bfloat16"))
    for file in ("state.safetensors", "model.safetensors"):
        whole = (tmp_path / "whole" / file).read_bytes()
        # The two differ in their names only.
        assert whole.replace(b"whole", b"parts") == (tmp_path / "parts" / file).read_bytes()


@pytest.mark.slow
def test_what_it_writes(tmp_path, write):
    path = write("pets", 3)
    train(path)
    file = tmp_path / "pets" / "model.safetensors"
    net: Any
    net, shape, _ = read_net(file, BIGGAN)
    assert shape.classes == ("cat", "dog")
    with safe_open(file, "pt") as stream:
        kinds = {name: stream.get_tensor(name).dtype for name in stream.keys()}  # noqa: SIM118
    assert kinds["norm.variances"] == torch.float32
    assert kinds["last.weight"] == torch.float16
    # Weights are divided by their norms already, and no discriminator is among them.
    assert torch.linalg.matrix_norm(net.last.weight.detach().flatten(1), 2).item() == pytest.approx(
        1, abs=2e-3
    )
    assert not [name for name in kinds if "parametrizations" in name or "critic" in name]
    assert (net.norm.means[1:] != 0).all()
    entries = [json.loads(line) for line in (tmp_path / "pets/log.jsonl").read_text().splitlines()]
    assert any({"loss", "critic", "real", "rows"} <= entry.keys() for entry in entries)
    assert {"held_back_score", "made_score", "spread"} <= entries[-1].keys()
    with Image.open(tmp_path / "pets" / "samples" / "000003.png") as sheet:
        assert sheet.size == (8 * 16, 2 * 16)
    card = publish(path, tmp_path / "shipped").with_suffix(".md").read_text()
    assert "by BigGAN-deep (4 channels where the paper has 128, trunk of 8 pixels; Diff" in card
    assert "the discriminator's mean score of held-out images" in card


@pytest.mark.slow
def test_standing_statistics_make_a_batch_of_their_truncation_normal(tmp_path, write):
    train(write("pets", 2))
    net: Any
    net, shape, _ = read_net(tmp_path / "pets" / "model.safetensors", BIGGAN)
    z = torch.stack([truncated(seed, shape.z, 1.0) for seed in range(400)])
    label, seen = torch.arange(400) % 2, []
    net.norm.register_forward_hook(lambda _, __, out: seen.append(out))
    with torch.inference_mode():
        for place in (standing_at(shape, 1.0), standing_at(shape, 0.0)):
            net(z, label, place)
    variances = [float(out.var((0, 2, 3)).mean()) for out in seen]
    # Of batches of four each statistic is of few latents; those of no spread at all fit worse.
    assert abs(variances[0] - 1) < abs(variances[1] - 1)


def digests(folder):
    """Return a run's file digests by item."""
    files = open_run(folder).files
    return {item: hashlib.sha256(path.read_bytes()).hexdigest() for item, path in files.items()}


@pytest.mark.slow
def test_the_same_bytes_for_any_batch_and_after_an_interruption(tmp_path, write, monkeypatch):
    train(write("pets", 1))

    def run(name: str, batch: int, more: str = "") -> dict[str, str]:
        path = tmp_path / f"run-{name}.toml"
        path.write_text(
            f'generator = "biggan_deep"\nout = "{tmp_path / name}"\nper_class = 3\n'
            f'checkpoint = "{tmp_path / "pets" / "model.safetensors"}"\n{more}\n'
        )
        generate(path, Runtime(batch=batch))
        return digests(tmp_path / name)

    one = run("one", 1)
    assert sorted(one) == [f"{name}-0000{k}" for name in ("cat", "dog") for k in range(3)]
    assert len(set(one.values())) == 6
    assert one == run("five", 5)
    net: Any = BIGGAN.net
    calls = iter(range(4))
    with monkeypatch.context() as patch:
        forward = net.forward

        def failing(*args, **more):
            if next(calls, None) is None:
                raise RuntimeError("killed")
            return forward(*args, **more)

        patch.setattr(net, "forward", failing)
        with pytest.raises(RuntimeError, match="killed"):
            run("killed", 1)
    assert not (tmp_path / "killed" / "manifest.json").exists()
    assert one == run("killed", 2)
    dogs = run("dogs", 2, 'classes = ["dog"]')
    assert dogs == {item: one[item] for item in one if item.startswith("dog")}
    assert not set(one.values()) & set(run("less", 2, "truncation = 0.5").values())
    with pytest.raises(ConfigError, match=r"\.toml: truncation is 2\.5, .* statistics for 0 to 2"):
        run("most", 1, "truncation = 2.5")
    with pytest.raises(ConfigError, match="class 'owl' is not one of its 2 classes"):
        run("owls", 1, 'classes = ["owl"]')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": "none"}, "labels 'none'; expected whole images of model.size 16 and labels"),
        ({"multipliers": "[4, 2]"}, "expected rising multipliers of at least 1 for sides 4 to 4"),
        ({"critic_steps": 3}, "batch 4 is no multiple of critic_steps 3"),
        ({"classes": '["cat", "owl"]'}, "'owl' has no image to train on"),
        ({"size": 32}, "2 resolutions from 4 pixels to 8, times patch 2; size is 32"),
    ],
)
def test_parts_that_do_not_fit_are_refused(write, change, said):
    with pytest.raises(ConfigError, match=said):
        train(write("a", 1, **change))
