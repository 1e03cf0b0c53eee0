"""BigGAN-deep's published generators, from the tensors of pytorch-pretrained-BigGAN, as our net.

Their layers normalise a weight as they run: W / (u·W·v), with the vectors u and v that the file
holds. Ours are divided once, here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from generators.errors import ConfigError
from generators.files import file_sha256
from generators.gan.biggan import BigGan, BigGanConfig
from generators.nets.checkpoint import as_laid_out, read_tensors, refuse_other

WEIGHTS = "pytorch_model.bin"  # in a folder that `save_pretrained` or a download made
EXPECTED = "a state dict of pytorch-pretrained-BigGAN (pytorch_model.bin)"
COLOURS = 3  # of the last layer's outputs these are used
CLASSES = 1000
NUMBERED = tuple(str(number) for number in range(CLASSES))
RENAMED = (
    (re.compile(r"^generator\.gen_z\."), "first."),
    (re.compile(r"^generator\.conv_to_rgb\."), "last."),
    (re.compile(r"^generator\.bn\.weight$"), "gain"),
    (re.compile(r"^generator\.bn\.bias$"), "bias"),
    (re.compile(r"^generator\.bn\."), "norm."),
    (re.compile(r"\.bn_(\d)\."), r".norms.\1."),
    (re.compile(r"\.conv_(\d)\."), r".convs.\1."),
    (re.compile(r"\.running_means$"), ".means"),
    (re.compile(r"\.running_vars$"), ".variances"),
)
ATTENTION = {"snconv1x1_o_conv": "out", "snconv1x1_theta": "theta", "snconv1x1_phi": "phi"}
ATTENTION |= {"snconv1x1_g": "g"}


def read_published(path: Path) -> tuple[BigGan, BigGanConfig, str]:
    """Return a published generator (float32, evaluation mode), its shape and the file's sha256.

    `path` is the file or the folder with it. Raises `ConfigError` for a file that is missing, cut,
    or not of this layout.
    """
    file = path / WEIGHTS if path.is_dir() else path
    read = read_tensors(file, EXPECTED)
    with as_laid_out(file, read, EXPECTED):
        found = _divided(file, read)
        attends = _attention(file, found)
        theirs = {_renamed(name, attends): name for name in found}
        weights = {ours: found[name] for ours, name in theirs.items()}
        weights["embedding.weight"] = weights.pop("embeddings.weight").transpose(0, 1)
        for kind in ("weight", "bias"):
            weights[f"last.{kind}"] = weights[f"last.{kind}"][:COLOURS]
        config = _shape(weights, attends)
    with torch.device("meta"):
        net = BigGan(config)
    refuse_other(file, net, weights, f"a BigGAN-deep of {CLASSES} classes", theirs)
    net = net.to_empty(device="cpu")
    net.load_state_dict({name: value.float() for name, value in weights.items()})
    return net.eval(), config, file_sha256(file)


def _divided(path: Path, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with each weight divided by its spectral norm, as the file has it."""
    plain: dict[str, Tensor] = {}
    for name, value in found.items():
        if not name.endswith((".weight_orig", ".weight_u", ".weight_v")):
            plain[name] = value
        if name.endswith(".weight_orig"):
            layer = name.removesuffix("_orig")
            try:
                u, v = found[f"{layer}_u"].double(), found[f"{layer}_v"].double()
                norm = u @ value.double().flatten(1) @ v
            except (LookupError, RuntimeError):
                raise ConfigError(
                    f"{path}: {layer}_u and {layer}_v are missing or do not fit {name}, expected "
                    f"{EXPECTED}"
                ) from None
            if not norm:
                raise ConfigError(f"{path}: {layer}'s spectral norm by {layer}_u is 0")
            plain[layer] = (value.double() / norm).float()
    return plain


def _attention(path: Path, found: Mapping[str, Tensor]) -> int:
    """Return which layer is attention. Raises `ConfigError` for another's tensors."""
    ends = ("embeddings.weight", "generator.gen_z.weight", "generator.conv_to_rgb.weight")
    places = [re.fullmatch(r"generator\.layers\.(\d+)\.gamma", name) for name in found]
    numbers = [int(place[1]) for place in places if place]
    last = [f"{ends[-1].removesuffix('weight')}bias"]
    if len(numbers) != 1 or any(name not in found for name in (*ends, *last)):
        names = ", ".join(sorted(found)[:3])
        raise ConfigError(f"{path}: its tensors ({names}, …) are not those of {EXPECTED}")
    return numbers[0]


def _renamed(name: str, attends: int) -> str:
    if place := re.match(r"generator\.layers\.(\d+)\.(.*)", name):
        number, rest = int(place[1]), place[2]
        if number == attends:
            layer, _, kind = rest.partition(".")
            return (
                f"attention.{ATTENTION[layer]}.{kind}"
                if layer in ATTENTION
                else f"attention.{rest}"
            )
        name = f"blocks.{number - (number > attends)}.{rest}"
    for pattern, ours in RENAMED:
        name = pattern.sub(ours, name)
    return name


def _shape(weights: Mapping[str, Tensor], attends: int) -> BigGanConfig:
    """Return the shape that the tensors say."""
    channels = len(weights["bias"])
    widths = [weights["norm.means"].shape[1]]
    number = 0
    while (name := f"blocks.{number}.convs.0.weight") in weights:
        # Of the two blocks of a resolution the first tells its width.
        if number % 2 == 0:
            widths.insert(len(widths) - 1, weights[name].shape[1])
        number += 1
    multipliers = tuple(width // channels for width in widths)
    embedding = weights["embedding.weight"].shape[1]
    return BigGanConfig(
        size=4 << (len(widths) - 1),
        z=weights["first.weight"].shape[1] - embedding,
        embedding=embedding,
        channels=channels,
        multipliers=multipliers,
        attention=4 << (attends // 2),
        classes=NUMBERED,
        latent="scaled",
        entries=len(weights["norm.means"]),
        most=1.0,
    )
