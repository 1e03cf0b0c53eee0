"""The trainings of the ablation: each is the first one with what its name says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from benchmarks.ablation import VARIANTS, training
from generators.training.methods.registry import read_training
from replication.stages.configs import write_config

IMAGES = 6400


@pytest.mark.parametrize("name", list(VARIANTS))
def test_each_training_can_be_read_and_sees_as_many_images(name: str, tmp_path: Path) -> None:
    fields = training(name, IMAGES, tmp_path, tmp_path / "out")
    path = write_config(tmp_path / "train.toml", fields)
    assert tomllib.loads(path.read_text()) == fields
    config, _ = read_training(path)
    assert config.steps * config.batch == IMAGES


def test_a_row_changes_what_its_name_says() -> None:
    rows = {name: training(name, IMAGES, Path("data"), Path("out")) for name in VARIANTS}
    base = rows.pop("base")
    for name, fields in rows.items():
        keys = {key for key in base.keys() | fields.keys() if base.get(key) != fields.get(key)}
        steps = {"steps", "cooldown", "warmup"} if name == "batch 64" else set()
        assert keys == set(VARIANTS[name]) | {"name"} | steps
    assert "classes" not in rows["no class"]["model"]
    assert "classes" not in rows["no class"]["model"]["net"]
    assert base["model"]["net"]["classes"] == 24
