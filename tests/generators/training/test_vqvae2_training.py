"""Training VQ-VAE-2: both stages to the bit, their files, and what they make together."""

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

from generators.codes.autoencoder import VQVAE, VqVae
from generators.codes.prior import PRIOR
from generators.codes.quantiser import usage
from generators.errors import ConfigError
from generators.generate.run import generate
from generators.manifest import open_run
from generators.methods.contract import Runtime
from generators.nets.adm import CLASSIFIER, ClassifierModel, NoisyClassifier
from generators.nets.checkpoint import read_net, write_model
from generators.nets.tensors import to_unit
from generators.nets.unet import UNetConfig
from generators.training.loop import train
from generators.training.methods.registry import read_training
from generators.training.publish import publish

COMMON = """
name = "{name}"
out = "{out}"
steps = {steps}
batch = 4
rate = 1e-2
warmup = 0
ema = 0.5
precision = "{precision}"
[data]
folder = "{data}"
labels = "{labels}"
size = {size}
validation = ["5"]
"""
AUTOENCODER = 'method = "vqvae2"\n' + COMMON + "[model]\nsize = 16\nhidden = 16\nresidual = 4\n"
AUTOENCODER += "layers = 1\ncodes = 8\ndimensions = 3\n"
PRIORS = 'method = "code_prior"\nautoencoder = "{autoencoder}"\n' + COMMON
PRIORS += '[model]\nlevel = "{level}"\nside = {side}\ncodes = {codes}\nchannels = 8\nlayers = 2\n'
PRIORS += 'known = 1\nclasses = ["cat", "dog"]\n'


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Six images of each of two classes, in pairs alike, and a function that writes a TOML."""
    draws = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        patterns = draws.integers(0, 256, (3, 2, 2, 3), dtype=np.uint8)
        for number in range(6):
            image = Image.fromarray(patterns[number % 3]).resize((16, 16), Image.Resampling.BICUBIC)
            image.save(tmp_path / "data" / name / f"{number}.png")

    def write(name: str, steps: int, level: str = "", **changed: Any) -> Path:
        path = tmp_path / f"{name}.toml"
        values = {"precision": "float32", "size": 16, "labels": "folder", "codes": 8}
        values |= {"side": 4 if level == "bottom" else 2, "level": level}
        values |= {"autoencoder": tmp_path / "codes" / "model.safetensors"} | changed
        values |= {"name": name, "out": tmp_path / name, "data": tmp_path / "data"}
        path.write_text((PRIORS if level else AUTOENCODER).format(**values, steps=steps))
        return path

    return write


@pytest.mark.slow
@pytest.mark.parametrize("level", ["", "bottom"])
def test_training_resumes_to_the_bit(tmp_path, write, level):
    if level:
        train(write("codes", 1))
    train(write("whole", 3, level, precision="bfloat16"))
    train(write("parts", 1, level, precision="bfloat16"))
    train(write("parts", 3, level, precision="bfloat16"))
    for file in ("state.safetensors", "model.safetensors"):
        whole = (tmp_path / "whole" / file).read_bytes()
        # The two differ in their names only.
        assert whole.replace(b"whole", b"parts") == (tmp_path / "parts" / file).read_bytes()


@pytest.mark.slow
def test_the_autoencoder_learns_and_says_what_its_codes_do(tmp_path, write):
    train(write("codes", 1))
    path = write("codes", 60)
    train(path)
    lines = (tmp_path / "codes" / "log.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    step = next(entry for entry in entries if "error" in entry)
    assert {"commitment", "top_perplexity", "bottom_perplexity"} <= step.keys()
    first, noted = (entry for entry in entries if "psnr" in entry)
    assert noted["psnr"] > first["psnr"] + 2
    assert 1 <= noted["top_used"] <= 8
    assert 1 <= noted["bottom_perplexity"] <= noted["bottom_used"] <= 8
    with Image.open(tmp_path / "codes" / "samples" / "000060.png") as sheet:
        assert sheet.size == (2 * 16, 2 * 16)
    with safe_open(tmp_path / "codes" / "model.safetensors", "pt") as stream:
        kinds = {name: stream.get_tensor(name).dtype for name in stream.keys()}  # noqa: SIM118
    assert kinds["top.codes"] == torch.float32
    assert kinds["to_top.weight"] == torch.float16
    card = publish(path, tmp_path / "shipped").with_suffix(".md").read_text()
    assert "VQ-VAE-2's autoencoder (2x2 and 4x4 of 8 codes; batch norm before each" in card
    assert f"reconstructions of held-out images {noted['psnr']:.2f} dB (PSNR)" in card


@pytest.fixture
def trained(tmp_path, write):
    """An autoencoder and its two priors, briefly trained."""
    train(write("codes", 10))
    train(write("top", 10, "top"))
    train(write("bottom", 10, "bottom"))
    return tmp_path


@pytest.mark.slow
def test_priors_learn_the_autoencoders_codes(trained, write):
    _, model, digest = read_net(trained / "codes" / "model.safetensors", VQVAE)
    assert model.codes == 8
    for level, side in (("top", 2), ("bottom", 4)):
        _, prior, _ = read_net(trained / level / "model.safetensors", PRIOR)
        assert (prior.level, prior.side, prior.autoencoder) == (level, side, digest)
        lines = (trained / level / "log.jsonl").read_text().splitlines()
        assert 0 < json.loads(lines[-1])["held_back_bits"] < 6
        card = publish(trained / f"{level}.toml", trained / "shipped").with_suffix(".md")
        assert f"{side}x{side} {level} codes of a class" in card.read_text()
        assert "bits a code on held-out images after 10 steps (3 without a prior)" in (
            card.read_text()
        )
    train(write("codes", 11))
    with pytest.raises(ConfigError, match="was trained with autoencoder '"):
        train(write("top", 12, "top"))


def run(folder: Path, name: str, more: str = "", batch: int = 1) -> dict[str, str]:
    """Return the digests of the images of a run."""
    path = folder / f"run-{name}.toml"
    parts = (("autoencoder", "codes"), ("top", "top"), ("bottom", "bottom"))
    lines = [f'{key}.checkpoint = "{folder / place / "model.safetensors"}"' for key, place in parts]
    lines += ['generator = "vqvae2"', f'out = "{folder / name}"', "per_class = 3", more]
    path.write_text("\n".join(lines))
    generate(path, Runtime(batch=batch))
    files = open_run(folder / name).files
    return {item: hashlib.sha256(path.read_bytes()).hexdigest() for item, path in files.items()}


@pytest.mark.slow
def test_the_same_bytes_for_any_batch_and_after_an_interruption(trained, monkeypatch):
    one = run(trained, "one")
    assert sorted(one) == [f"{name}-0000{k}" for name in ("cat", "dog") for k in range(3)]
    assert one == run(trained, "five", batch=5)
    calls, net = iter(range(4)), VqVae
    images = net.images

    def failing(*args):
        if next(calls, None) is None:
            raise RuntimeError("killed")
        return images(*args)

    with monkeypatch.context() as patch:
        patch.setattr(net, "images", failing)
        with pytest.raises(RuntimeError, match="killed"):
            run(trained, "killed")
    assert one == run(trained, "killed", batch=2)
    dogs = run(trained, "dogs", 'classes = ["dog"]')
    assert dogs == {item: one[item] for item in one if item.startswith("dog")}
    assert one != run(trained, "cold", "temperature = 0.1")
    made = open_run(trained / "one").manifest
    assert sorted(made.checkpoint) == [
        f"{name}/model.safetensors" for name in ("bottom", "codes", "top")
    ]


def classifier(folder: Path, size: int = 16) -> Path:
    """Write a classifier with random weights."""
    net = UNetConfig(
        channels=8, multipliers=(1, 2), resblocks=1, head_channels=4, gamma_scale=1.0, in_channels=3
    )
    model = ClassifierModel(size=size, steps=40, net=net, classes=("cat", "dog"))
    torch.manual_seed(1)
    weights = NoisyClassifier(model).state_dict()
    noisy = {name: value + 0.2 * torch.randn_like(value) for name, value in weights.items()}
    path = folder / "classifier.safetensors"
    write_model(path, noisy, model, {"name": "classifier"}, CLASSIFIER.header)
    return path


def belief(folder: Path, path: Path) -> float:
    """Return the mean log probability that a classifier gives to the items' classes."""
    net, model, _ = read_net(path, CLASSIFIER)
    values = []
    for item, file in open_run(folder).files.items():
        pixels = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)
        with torch.inference_mode():
            logits = net(to_unit(pixels)[None], torch.zeros(1)).log_softmax(1)
        values.append(float(logits[0, model.classes.index(item.partition("-")[0])]))
    return sum(values) / len(values)


@pytest.mark.slow
def test_rejection_keeps_what_the_classifier_believes(trained):
    path = classifier(trained)
    plain = run(trained, "plain")
    kept = run(trained, "kept", f'keep = 0.25\nclassifier.checkpoint = "{path}"')
    assert kept == run(trained, "again", f'keep = 0.25\nclassifier.checkpoint = "{path}"', batch=4)
    assert plain != kept
    assert belief(trained / "kept", path) > belief(trained / "plain", path)
    with pytest.raises(ConfigError, match=r"a\.toml: keep is 0\.25 and classifier None"):
        run(trained, "a", "keep = 0.25")
    with pytest.raises(ConfigError, match=r"expected a keep of \.5 or less with a classifier"):
        run(trained, "b", f'classifier.checkpoint = "{path}"')
    for keep, said in (("0.4", r"expected 0\.333333 or 0\.5"), ("1e-9", "greater than or equal")):
        with pytest.raises(ConfigError, match=said):
            run(trained, "d", f'keep = {keep}\nclassifier.checkpoint = "{path}"')
    other = classifier(trained, size=8)
    with pytest.raises(ConfigError, match="knows 2 classes of 8 pixels, not the 2 of 16 pixels of"):
        run(trained, "c", f'keep = 0.25\nclassifier.checkpoint = "{other}"')


@pytest.mark.slow
def test_parts_of_different_trainings_are_refused(trained, write):
    files = {name: trained / name / "model.safetensors" for name in ("codes", "top", "bottom")}
    top = files["top"].read_bytes()
    files["top"].write_bytes(files["bottom"].read_bytes())
    with pytest.raises(ConfigError, match="is the bottom's prior, expected the top's"):
        run(trained, "a")
    files["top"].write_bytes(top)
    with pytest.raises(ConfigError, match=r"sha256 is [0-9a-f]{64}, the configuration expects 00"):
        run(trained, "c", f'bottom.sha256 = "{"0" * 64}"')
    train(write("codes", 12))
    with pytest.raises(ConfigError, match=r"is of the codes of the autoencoder [0-9a-f]{12}…, "):
        run(trained, "b")


@pytest.mark.parametrize(
    ("level", "change", "said"),
    [
        ("", {"size": 32}, "data gives images of 32 pixels, .* expected whole images of model"),
        ("top", {"side": 4}, r"model\.side is 4, .* top codes need 2"),
        ("bottom", {"codes": 9}, r"model\.codes is 9, .* bottom codes need 8"),
        ("top", {"labels": "none"}, "labels 'none'; expected whole images and labels 'folder'"),
        ("top", {"autoencoder": "none.safetensors"}, "no such file, expected a checkpoint"),
    ],
)
def test_parts_that_do_not_fit_are_refused(write, level, change, said):
    train(write("codes", 1))
    with pytest.raises(ConfigError, match=said):
        train(write("a", 1, level, **change))


def test_restarts_keep_a_codebook_in_use(write, tmp_path):
    """Six codes in a corner that no vector comes near are put to use within a hundred steps."""
    net: Any = read_net(train(write("codes", 1)), VQVAE)[0]
    net.bottom.codes[:6] = 50.0
    net.bottom.sums[:6] = 50.0
    vectors = torch.randn(4, 3, 4, 4)
    net.train()
    for _ in range(100):
        found = net.bottom(vectors)
        net.bottom.learn(found)
        net.bottom.restart(found)
    assert usage(net.bottom(vectors).codes, 8)[0] >= 7


def test_the_priors_are_trained_on_the_codes_of_the_autoencoder_that_is_trained_first():
    names = ("vqvae2", "vqvae2-top", "vqvae2-bottom")
    trained: list[Any] = [read_training(Path(f"runs/train-{name}.toml"))[0] for name in names]
    first, *priors = trained
    for prior in priors:
        assert prior.autoencoder == first.out / "model.safetensors"
