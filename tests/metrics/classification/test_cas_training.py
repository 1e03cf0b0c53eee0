"""CAS: a small training that works, goes on after an interruption, and refuses what is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.support.torchvision_import import define_operators
from generators.errors import WriteError
from generators.files import alone_in
from metrics.classification import cas
from metrics.classification.cas_config import read_config
from metrics.classification.cas_network import build
from metrics.errors import InputError, NumericError
from metrics.scores import Score, ScoredRun, ScoreFile, read_scores, write_scores

COLOURS = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220)}
CONFIG = """
test = "{folder}/test"
{train}
network = "resnet10"
image_size = 16
epochs = {epochs}
batch = 10
learning_rate = 0.4
"""


def write_classes(folder: Path, count: int, seed: int, *, shuffled: bool = False) -> None:
    """Write class folders of noisy colours; shuffled labels carry no information."""
    random = np.random.default_rng(seed)
    names = list(COLOURS)
    for index, (name, colour) in enumerate(COLOURS.items()):
        for number in range(count):
            pixels = np.clip(random.normal(colour, 60, (16, 16, 3)), 0, 255).astype(np.uint8)
            label = names[(index + number) % 3] if shuffled else name
            (folder / label).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / label / f"{name}{number}.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_classes(tmp_path / "real", 20, 1)
    write_classes(tmp_path / "fake", 20, 2, shuffled=True)
    write_classes(tmp_path / "test", 15, 3)
    return tmp_path


def config(folder: Path, name: str = "cas.toml", *, epochs: int = 3, **train: str) -> Path:
    lines = "\n".join(f'{key} = "{folder}/{value}"' for key, value in train.items())
    (folder / name).write_text(CONFIG.format(folder=folder, train=lines, epochs=epochs))
    return folder / name


@pytest.mark.slow
def test_true_labels_reach_the_ceiling_and_shuffled_ones_chance(folder: Path) -> None:
    path = config(folder, epochs=3, generated="fake", real="real")
    generated, real = cas.run_config(path, folder / "out")
    assert real.top1 > 0.9
    assert generated.top1 < 0.7
    low, high = real.top1_interval
    assert low < real.top1 <= high
    assert (real.trained_on, real.tested_on) == (60, 45)
    written = json.loads((folder / "out" / "cas.json").read_text())
    assert [result["name"] for result in written["results"]] == ["generated", "real"]
    scores = read_scores(folder / "out")
    assert (scores.run.name, scores.run.digest) == ("fake", generated.train_digest)
    first = scores.score("cas_top1")
    assert (first.value, (first.low, first.high)) == (generated.top1, generated.top1_interval)
    assert first.n == 45
    assert (first.settings["trained_on"], first.settings["network"]) == (60, "resnet10")
    assert f"{real.top1:.3f}" in first.warnings[0]


def test_scores_of_other_metrics_are_not_lost(folder: Path) -> None:
    other = Score(name="psnr", value=1.0, direction="higher", unit="dB", n=1)
    run = ScoredRun(name="fake", folder="", digest="0")
    write_scores(folder / "out" / "scores.json", ScoreFile(run=run, scores=(other,)))
    with pytest.raises(InputError, match=r"scores\.json: holds psnr, expected none .* another -o"):
        cas.run_config(config(folder, epochs=1, generated="fake"), folder / "out")


def test_scores_that_are_added_before_the_folder_is_held_are_not_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = cas._load

    def add_meanwhile(*arguments: Any) -> cas.Labelled:
        run = ScoredRun(name="fake", folder="", digest="0")
        niqe = Score(name="niqe", value=1.0, direction="lower", unit="", n=1)
        write_scores(folder / "out" / "scores.json", ScoreFile(run=run, scores=(niqe,)))
        return load(*arguments)

    monkeypatch.setattr(cas, "_load", add_meanwhile)
    with pytest.raises(InputError, match=r"scores\.json: holds niqe, expected none"):
        cas.run_config(config(folder, epochs=1, generated="fake"), folder / "out")


@pytest.mark.slow
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = cas.run_config(config(folder, real="real"), folder / "whole")
    save = cas._save
    done: list[int] = []

    def interrupted(*arguments: object) -> None:
        save(*arguments)  # type: ignore[arg-type]
        done.append(1)
        if len(done) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(cas, "_save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cas.run_config(config(folder, real="real"), folder / "halves")
    monkeypatch.setattr(cas, "_save", save)
    assert cas.run_config(config(folder, real="real"), folder / "halves") == whole
    states = [
        torch.load(folder / name / "real.state.pt", weights_only=True)["model"]
        for name in ("whole", "halves")
    ]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.slow
def test_a_state_of_another_training_is_refused(folder: Path) -> None:
    cas.run_config(config(folder, epochs=1, real="real"), folder / "out")
    with pytest.raises(InputError, match="belongs to another configuration"):
        cas.run_config(config(folder, epochs=2, real="real"), folder / "out")


def test_two_processes_do_not_train_into_one_folder(folder: Path) -> None:
    with alone_in(folder / "out"), pytest.raises(WriteError, match="another process is training"):
        cas.run_config(config(folder, epochs=1, real="real"), folder / "out")
    assert not (folder / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), [("red", "blue"), ("red", "crimson")])
def test_a_state_of_other_labels_is_refused(folder: Path, one: str, other: str) -> None:
    # The digest of a set is over its images: with other classes it is the same.
    path = config(folder, epochs=1, real="real")
    cas.run_config(path, folder / "out")
    for part in ("real", "test"):
        (folder / part / one).rename(folder / part / "aside")
        if other in COLOURS:
            (folder / part / other).rename(folder / part / one)
        (folder / part / "aside").rename(folder / part / other)
        if part == "real" and other in COLOURS:
            break
    with pytest.raises(InputError, match="belongs to another configuration"):
        cas.run_config(path, folder / "out")


@pytest.mark.slow
def test_a_damaged_state_is_one_line(folder: Path) -> None:
    path = config(folder, epochs=1, real="real")
    cas.run_config(path, folder / "out")
    state = folder / "out" / "real.state.pt"
    whole = state.read_bytes()
    for keep in (0, 100, 5000):
        state.write_bytes(whole[:keep])
        with pytest.raises(InputError, match=r"real\.state\.pt: no whole state of a training; rem"):
            cas.run_config(path, folder / "out")


@pytest.mark.slow
def test_a_training_that_diverged_has_no_accuracy(folder: Path) -> None:
    path = config(folder, epochs=1, real="real")
    path.write_text(path.read_text().replace("learning_rate = 0.4", "learning_rate = 1e30"))
    with pytest.raises(NumericError, match="the network diverged"):
        cas.run_config(path, folder / "out")


@pytest.mark.slow
def test_a_class_without_training_images_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(folder / "real" / "red")
    cas.run_config(config(folder, epochs=1, real="real"), folder / "out")
    said = capsys.readouterr().err
    assert "1 class of the test set has no images here: red" in said
    assert "top-5 accuracy says nothing about 3 classes" in said


@pytest.mark.slow
def test_classes_and_labels_that_do_not_fit_are_named(folder: Path) -> None:
    (folder / "real" / "red").rename(folder / "real" / "crimson")
    with pytest.raises(InputError, match="classes that the test set lacks: crimson"):
        cas.run_config(config(folder, real="real"), folder / "out")
    with pytest.raises(InputError, match="20 images have no class label"):
        cas.run_config(config(folder, real="real/green"), folder / "out")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('test = "t"\nreal = "r"\nepoch = 3', "unknown key 'epoch', did you mean 'epochs'"),
        ('test = "t"', "neither 'generated' nor 'real'"),
        ('test = "t"\nreal = "r"\nnetwork = "vgg"', "network: .*found 'vgg'"),
        ("test = ", "cannot be read"),
        ('test = ""\nreal = "r"', "test: .*expected a path"),
        ('test = "t"\nreal = "r"\nepochs = true', "epochs: .*valid integer .found True"),
        ('test = "~nobody-is-called-so"\nreal = "r"', "test: .*is no home folder"),
    ],
)
def test_a_wrong_configuration_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "cas.toml").write_text(text)
    with pytest.raises(InputError, match=words) as refused:
        read_config(tmp_path / "cas.toml")
    assert "cas.toml" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_the_networks_give_a_logit_for_each_class() -> None:
    batch = torch.zeros(2, 3, 32, 32)
    for name in ("resnet10", "resnet50"):
        assert build(name, 7).eval()(batch).shape == (2, 7)
    weights = sum(one.numel() for one in build("resnet10", 24).parameters())
    assert weights == pytest.approx(1.2e6, rel=0.05)


@pytest.mark.slow
def test_resnet50_is_torchvisions_from_its_first_values_to_its_gradients() -> None:
    define_operators()
    from torchvision.models import resnet50

    torch.manual_seed(3)
    ours = build("resnet50", 7)
    torch.manual_seed(3)
    theirs = resnet50(weights=None, num_classes=7)
    mine, state = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(state)
    assert all(torch.equal(mine[key], state[key]) for key in state)
    batch = torch.rand(4, 3, 64, 64) * 2 - 1
    for net in (ours, theirs):
        net.train()(batch).square().sum().backward()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
