"""ADM's published weights, files of guided-diffusion, as our nets: shapes, names, orders.

Source: Dhariwal and Nichol 2021, tables 11 and 12, and the names of their state dicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal

import torch
from torch import Tensor, nn

from generators.errors import ConfigError
from generators.files import file_sha256
from generators.nets.adm import ADM, CLASSIFIER, AdmModel, ClassifierModel, NoisyClassifier
from generators.nets.checkpoint import C, Kind, N, as_laid_out, read_tensors
from generators.nets.unet import UNet, UNetConfig

CLASSES = tuple(str(number) for number in range(1000))  # ImageNet's, as the files number them
EPS = 1e-5
TIME = {"gamma.layers.0": "time_embed.0", "gamma.layers.2": "time_embed.2"}
BLOCK = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "modulate": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "skip": "skip_connection",
}
ATTENTION = {"norm": "norm", "qkv": "qkv", "out": "proj_out"}


@dataclass(frozen=True)
class Layout(Generic[C]):
    """A published shape. `legacy`: queries, keys and values of a head lie together in the file."""

    model: C
    legacy: bool


def _shape(channels: int, multipliers: tuple[int, ...], resblocks: int, **more: Any) -> UNetConfig:
    # Attention at 32, 16 and 8 pixels: the three lowest resolutions.
    last = len(multipliers)
    return UNetConfig(
        channels=channels,
        multipliers=multipliers,
        resblocks=resblocks,
        attention=(last - 3, last - 2, last - 1),
        norm_eps=EPS,
        gamma_scale=1.0,
        **({"in_channels": 3, "out_channels": 6, "classes": 1000} | more),
    )


def _adm(size: int, net: UNetConfig, **more: Any) -> AdmModel:
    settings = {"schedule": "linear", "classes": CLASSES} | more
    return AdmModel(size=size, net=net, **settings)


DEEP = (1, 1, 2, 2, 4, 4)
Published = Literal["64", "128", "256", "64-256"]
PUBLISHED: dict[str, Layout[AdmModel]] = {
    "64": Layout(_adm(64, _shape(192, (1, 2, 3, 4), 3), schedule="cosine"), legacy=False),
    "128": Layout(_adm(128, _shape(256, (1, 1, 2, 3, 4), 2, heads=4)), legacy=True),
    "256": Layout(_adm(256, _shape(256, DEEP, 2)), legacy=True),
    "64-256": Layout(_adm(256, _shape(192, DEEP, 2, heads=4, in_channels=6), factor=4), True),
}


def _classifier(
    size: int, multipliers: tuple[int, ...], resblocks: int, **more: Any
) -> Layout[ClassifierModel]:
    net = _shape(128, multipliers, resblocks, out_channels=3, classes=0)
    settings = {"schedule": "linear", "classes": CLASSES} | more
    return Layout(ClassifierModel(size=size, net=net, **settings), legacy=True)


PUBLISHED_CLASSIFIERS: dict[str, Layout[ClassifierModel]] = {
    "64": _classifier(64, (1, 2, 3, 4), 4, schedule="cosine"),
    "128": _classifier(128, (1, 1, 2, 3, 4), 2),
    "256": _classifier(256, DEEP, 2),
}


def read_adm(path: Path, layout: Layout[AdmModel]) -> tuple[UNet, str]:
    """Return a published net (float32, evaluation mode) and the file's sha256.

    Raises `ConfigError` for a file that is missing, cut, or not of this layout.
    """
    return _read(path, layout, ADM, _unet_names(layout.model.net))


def read_classifier(path: Path, layout: Layout[ClassifierModel]) -> tuple[NoisyClassifier, str]:
    """Return a published classifier as `read_adm` returns a net."""
    return _read(path, layout, CLASSIFIER, _classifier_names(layout.model.net))


def _read(
    path: Path, layout: Layout[C], kind: Kind[C, N], modules: dict[str, str]
) -> tuple[N, str]:
    theirs = read_tensors(path, "guided-diffusion's weights (.pt)")
    with torch.device("meta"):
        net = kind.net(layout.model)
    wanted = {name: _their_name(name, modules) for name in net.state_dict()}
    differ = sorted(set(wanted.values()) ^ set(theirs))
    if differ:
        there = "is not expected there" if differ[0] in theirs else "is missing"
        raise ConfigError(
            f"{path}: not the published layout asked for: {len(differ)} names differ, "
            f"{differ[0]} {there}"
        )
    state = {}
    for name, value in net.state_dict().items():
        found = theirs[wanted[name]]
        with as_laid_out(path, theirs, "the published layout asked for"):
            made = _converted(name, found, layout.legacy, _heads(net, name))
        if made is None or made.shape != value.shape:
            raise ConfigError(
                f"{path}: {wanted[name]} is {tuple(found.shape)}, which does not fit the "
                f"published layout asked for ({name} is {tuple(value.shape)})"
            )
        state[name] = made.float()
    net = net.to_empty(device="cpu")
    net.load_state_dict(state)
    return net.eval(), file_sha256(path)


def _unet_names(net: UNetConfig) -> dict[str, str]:
    """Return the names of modules: ours to guided-diffusion's."""
    names = TIME | {"first": "input_blocks.0.0", "norm": "out.0", "last": "out.2"}
    names |= {"label": "label_emb"} | _down_names(net) | _middle_names()
    number = place = 0
    for level in reversed(range(len(net.multipliers))):
        for k in range(net.resblocks + 1):
            block = f"output_blocks.{place}"
            attends = level in net.attention
            names |= _inside(f"up.{number}", f"{block}.0", BLOCK)
            if attends:
                names |= _inside(f"up_attention.{number}", f"{block}.1", ATTENTION)
            number += 1
            if level and k == net.resblocks:
                names |= _inside(f"up.{number}", f"{block}.{1 + attends}", BLOCK)
                number += 1
            place += 1
    return names


def _classifier_names(net: UNetConfig) -> dict[str, str]:
    pool = {"qkv": "qkv_proj", "out": "c_proj"}
    names = TIME | {"first": "input_blocks.0.0", "norm": "out.0", "pool": "out.2"}
    return names | _inside("pool", "out.2", pool) | _down_names(net) | _middle_names()


def _down_names(net: UNetConfig) -> dict[str, str]:
    names: dict[str, str] = {}
    for number, level in enumerate(_levels(net)):
        block = f"input_blocks.{number + 1}"
        names |= _inside(f"down.{number}", f"{block}.0", BLOCK)
        if level in net.attention:
            names |= _inside(f"down_attention.{number}", f"{block}.1", ATTENTION)
    return names


def _levels(net: UNetConfig) -> Iterator[int]:
    """Give the level of each downward block; -1 for those that halve the resolution."""
    for level in range(len(net.multipliers)):
        yield from [level] * net.resblocks
        if level + 1 < len(net.multipliers):
            yield -1


def _middle_names() -> dict[str, str]:
    return (
        _inside("middle1", "middle_block.0", BLOCK)
        | _inside("middle_attention", "middle_block.1", ATTENTION)
        | _inside("middle2", "middle_block.2", BLOCK)
    )


def _inside(ours: str, theirs: str, parts: dict[str, str]) -> dict[str, str]:
    return {f"{ours}.{mine}": f"{theirs}.{other}" for mine, other in parts.items()}


def _their_name(name: str, modules: dict[str, str]) -> str:
    module, _, leaf = name.rpartition(".")
    return f"{modules[module]}.{'positional_embedding' if leaf == 'position' else leaf}"


def _heads(net: nn.Module, name: str) -> int:
    return int(getattr(net.get_submodule(name.rsplit(".", 2)[0]), "heads", 1))


def _converted(name: str, value: Tensor, legacy: bool, heads: int) -> Tensor | None:
    """Return a tensor of the file as ours; None where its shape does not allow it."""
    module = name.rsplit(".", 2)[-2]
    if name == "gamma.layers.0.weight" and value.dim() == 2:
        # They embed t as cosines, then sines; we the other way round.
        half = value.shape[1] // 2
        return torch.cat([value[:, half:], value[:, :half]], dim=1)
    if name == "label.weight" and value.dim() == 2:
        return torch.cat([value, torch.zeros_like(value[:1])])  # "no class"
    if module == "qkv" and legacy and not name.startswith("pool."):
        if value.shape[0] % (3 * heads):
            return None
        rows = value.reshape(heads, 3, -1, *value.shape[1:])
        value = rows.transpose(0, 1).reshape(value.shape)
    if module in ("qkv", "out") and value.dim() == 3:  # a convolution in one dimension
        return value[..., 0] if name.startswith("pool.") else value[..., None]
    return value
