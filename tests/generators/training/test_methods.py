"""Training methods: what the loop promises to each, shown with a GAN of two nets and two phases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import nn

from generators.errors import ConfigError
from generators.training.config import TrainingConfig, identity
from generators.training.loop import train
from generators.training.methods import registry
from generators.training.methods.contract import Kind, Method
from generators.training.methods.registry import read_training
from generators.training.part import Part

ALONE = 2  # steps of the first phase, in which only the generator learns


class GanTraining(TrainingConfig):
    """A GAN that first learns the mean image, then against its discriminator."""

    method: Literal["nano_gan"]


def begin(config, start):
    """Return the method: all kinds of state that a net can carry from step to step."""
    make = nn.Sequential(nn.Linear(4, 48), nn.BatchNorm1d(48), nn.Linear(48, 48))
    judge = nn.Sequential(
        nn.Flatten(), nn.utils.spectral_norm(nn.Linear(48, 8)), nn.Dropout(0.2), nn.Linear(8, 1)
    )
    maker = Part(make, config, start.among)
    critic = Part(
        judge,
        config,
        start.among,
        rate=3e-3,
        averaged=False,
        optimizer=lambda them: torch.optim.RMSprop(them, momentum=0.5),
    )

    def step(at):
        at.seed_torch("dropout")
        real, made = at.batch.high, maker.parallel(at.draws.randn(4)).reshape(-1, 3, 4, 4)
        if at.number < ALONE:
            return {"loss": maker.update((made - real).square().mean(), at)}
        wrong = critic.parallel(made.detach()).mean() - critic.parallel(real).mean()
        judged = critic.update(wrong, at)
        return {"loss": maker.update(-critic.parallel(made).mean(), at), "judge": judged}

    def write(path, facts):
        assert set(facts) >= {"name", "steps", "images", "licence", "computed_by"}
        torch.save(maker.averages, path)

    return Method(
        parts={"net": maker, "critic": critic},
        step=step,
        preview=lambda _, number: {"seen": float(number)},
        write=write,
        stands_on={"landmarks": config.licence},
    )


@pytest.fixture
def gan(tmp_path, monkeypatch):
    """Register the GAN, and return a function that writes its configuration."""
    kind = Kind(GanTraining, lambda *_: None, begin, lambda *_: {})
    monkeypatch.setitem(registry.METHODS, "nano_gan", lambda: kind)
    draws = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for number in range(6):
        pixels = draws.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / f"{number}.png")

    def write(name: str, steps: int, licence: str = "a") -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(
            f'method = "nano_gan"\nname = "gan"\nout = "{tmp_path / name}"\nsteps = {steps}\n'
            f'batch = 4\nrate = 1e-2\nprecision = "float32"\nlicence = "{licence}"\n'
            f'[data]\nfolder = "{tmp_path / "data"}"\nsize = 4\n'
        )
        return path

    return write


def state(folder: Path) -> bytes:
    """Return the saved state of a training."""
    return (folder / "state.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, ALONE, 4])
def test_two_nets_in_two_phases_resume_to_the_bit(tmp_path, gan, stop):
    train(gan("whole", 6))
    train(gan("parts", stop))
    train(gan("parts", 6))
    assert state(tmp_path / "whole") == state(tmp_path / "parts")
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts")]
    assert models[0] == models[1]


def test_the_state_holds_each_part_and_its_own_optimizer(tmp_path, gan):
    train(gan("run", 4))
    with safe_open(tmp_path / "run" / "state.safetensors", "pt") as stream:
        names = set(stream.keys())
    assert {"net.0.weight", "ema.1.running_mean", "exp_avg.2.bias"} <= names
    assert {"critic/net.1.weight_u", "critic/square_avg.3.weight"} <= names
    assert {"critic/momentum_buffer.3.weight"} <= names
    assert not [name for name in names if name.startswith(("critic/ema", "critic/exp_avg"))]


def test_every_loss_is_logged(tmp_path, gan):
    train(gan("run", 4))
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    last = [json.loads(line) for line in lines][-2:]
    assert set(last[0]) == {"step", "loss", "judge", "images_per_second"}
    assert last[1] == {"step": 4, "seen": 4.0}


def test_a_training_does_not_go_on_upon_something_else(tmp_path, gan):
    train(gan("run", 2, licence="a"))
    with pytest.raises(ConfigError, match="was trained with landmarks 'a', this machine would"):
        train(gan("run", 4, licence="b"))


def test_the_update_of_one_part_leaves_the_other_alone(tmp_path, gan):
    train(gan("run", ALONE))
    first = state(tmp_path / "run")
    assert b"critic/square_avg" not in first
    train(gan("run", ALONE + 1))
    assert b"critic/square_avg" in state(tmp_path / "run")


# Digests of the shipped trainings by the version before there were methods (0.2.0): their states
# must still be resumed.
BEFORE = {
    "train-cdm-base": "579b4f5329dd2099293ed51d1eccbff5440c007380af9cabbf1e8ab1d3253832",
    "train-cdm-sr": "f23be81266052f2d09be2a32f7f05e1f8f63b720829715fe6dac33564df51128",
    "train-faces-regression": "86911b39f7e7ddce0b8e21676ff5ba311e25fc46c963ca1b78b45be128efc464",
    "train-photos-sr3": "5e1894eb783060f3e0ade39d0a9cc26f2e0fb00a1c52dabb09f943ac8b0f55c1",
    "paper/sr3-64-512": "202a6d85451e892bbd9fdbeed69894f7af14b340c26b4fdeb44a53b3c41faca3",
}


@pytest.mark.parametrize("name", BEFORE)
def test_trainings_of_before_keep_their_identity(name):
    config, _ = read_training(Path("runs") / f"{name}.toml")
    assert identity(config) == BEFORE[name]


def test_naming_the_implied_method_changes_nothing_and_a_wrong_one_is_refused(tmp_path):
    text = Path("runs/train-faces-regression.toml").read_text()
    path = tmp_path / "a.toml"
    path.write_text('method = "regression"\n' + text)
    assert identity(read_training(path)[0]) == BEFORE["train-faces-regression"]
    path.write_text('method = "diffusion"\n' + text)
    with pytest.raises(ConfigError, match=r"model\.task 'regression' needs 'regression'"):
        read_training(path)
    for wrong, hint in (('"difusion"', "did you mean 'diffusion'"), ("3", "expected one of")):
        path.write_text(f"method = {wrong}\n" + text)
        with pytest.raises(ConfigError, match=rf"a\.toml: method is .*{hint}"):
            read_training(path)
