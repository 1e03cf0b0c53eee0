"""Checkpoints: a header that is not what `write_model` writes is one line, whatever it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from generators.errors import ConfigError
from generators.nets.checkpoint import FORMAT, read_model, write_model
from generators.nets.model import ModelConfig
from generators.nets.unet import UNet

NET = {"channels": 8, "multipliers": [1, 2], "resblocks": 1, "mid_attention": False}
MODEL = {"task": "sr", "size": 16, "factor": 2, "net": NET}
VAST = {"channels": 4096, "multipliers": [64, 64], "resblocks": 2}


def header(net: dict[str, Any]) -> str:
    return json.dumps({"model": MODEL | {"net": NET | net}, "facts": {}})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("not json", "its header is not JSON"),
        ("[" * 100_000, "its header is not JSON"),
        ("[1, 2]", "lacks 'model' or 'facts'"),
        (json.dumps({"facts": {}}), "lacks 'model' or 'facts'"),
        (json.dumps({"model": MODEL, "facts": []}), "lacks 'model' or 'facts'"),
        (json.dumps({"model": {}, "facts": {}}), "its model configuration is wrong"),
        (header({"channels": 10**9}), "net.channels: Input should be less than or equal to 4096"),
        (header({"resblocks": 10**9}), "net.resblocks: Input should be less"),
        (header({"multipliers": [0]}), "net.multipliers.0: Input should be greater"),
        (header({"multipliers": [1] * 99}), "net.multipliers: Tuple should have at most 12"),
        (header(VAST), r"the weights do not fit their net: .* is missing, expected \["),
    ],
)
def test_a_hostile_header_is_one_line(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(save({"x": torch.zeros(1)}, {FORMAT: text}))
    with pytest.raises(ConfigError, match=found) as refused:
        read_model(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_weights_of_another_net_are_named(tmp_path: Path) -> None:
    config = ModelConfig.model_validate(MODEL)
    net = UNet(config.net)
    state = net.state_dict()
    name = sorted(state)[0]
    write_model(tmp_path / "a", state | {name: torch.zeros(3)}, config, {})
    with pytest.raises(ConfigError, match=rf"{name} is \[3\], expected"):
        read_model(tmp_path / "a")
    write_model(tmp_path / "b", state | {"more": torch.zeros(3)}, config, {})
    with pytest.raises(ConfigError, match=r"more is \[3\], expected none of this name"):
        read_model(tmp_path / "b")
    write_model(tmp_path / "c", state, config, {})
    assert read_model(tmp_path / "c")[1] == config


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x")
    for name, found in {
        "text": "not a whole safetensors file",
        "missing": "no such file",
        "": "no regular file",
    }.items():
        with pytest.raises(ConfigError, match=found):
            read_model(tmp_path / name)
