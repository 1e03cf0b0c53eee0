"""StyleGAN2's published generators, from the tensors of stylegan2-ada-pytorch, as our net.

Their ``.pkl`` files hold code that opening them would run. Where that code is trusted, one line
writes the tensors: ``torch.save(G_ema.state_dict(), "G.pt")``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from generators.errors import ConfigError
from generators.files import file_sha256
from generators.gan.stylegan import FIRST, StyleGan, StyleGanConfig
from generators.nets.checkpoint import as_laid_out, read_tensors, refuse_other

WHOSE = "stylegan2-ada-pytorch's generator"
CLAMP = 256.0  # of activations, in nets that were trained partly in float16: their default
TAPS = (1.0, 3.0, 3.0, 1.0)
# What a file has besides weights: filters, fixed noise, the mean style of truncation.
BESIDE = re.compile(r"(resample_filter|noise_const|mapping\.w_avg)$")


def read_published(path: Path) -> tuple[StyleGan, StyleGanConfig, str]:
    """Return a published generator (float32, evaluation mode), its shape and the file's sha256.

    Raises `ConfigError` for a file that is missing, cut, or not of this layout.
    """
    found = read_tensors(path, f"a state dict of {WHOSE} (.pt)")
    with as_laid_out(path, found, WHOSE):
        config = _shape(found)
    with torch.device("meta"):
        net = StyleGan(config)
    weights = {name: value for name, value in found.items() if not BESIDE.search(name)}
    refuse_other(path, net, weights, "an unconditional StyleGAN2 with skips to the colours")
    _check_filters(path, found)
    net = net.to_empty(device="cpu")
    net.load_state_dict({name: value.float() for name, value in weights.items()})
    return net.eval(), config, file_sha256(path)


def _shape(found: Mapping[str, Tensor]) -> StyleGanConfig:
    """Return the shape that the tensors say."""
    levels: list[int] = []
    while (name := f"synthesis.b{FIRST << len(levels)}.conv1.weight") in found:
        levels.append(found[name].shape[0])
    layers = sum(re.fullmatch(r"mapping\.fc\d+\.weight", name) is not None for name in found)
    first, last = found["mapping.fc0.weight"], found[f"mapping.fc{layers - 1}.weight"]
    colours = found[f"synthesis.b{FIRST}.torgb.weight"].shape[0]
    return StyleGanConfig(
        size=FIRST << max(len(levels) - 1, 0),
        z=first.shape[1],
        w=last.shape[0],
        mapping=layers,
        channels=tuple(levels),
        colours=colours,
        clamp=CLAMP,
    )


def _check_filters(path: Path, found: Mapping[str, Tensor]) -> None:
    taps = torch.tensor(TAPS) / sum(TAPS)
    for name, value in found.items():
        if name.endswith("resample_filter") and not (
            value.shape == (4, 4) and torch.allclose(value.float(), torch.outer(taps, taps))
        ):
            raise ConfigError(f"{path}: {name} is not the filter [1, 3, 3, 1], expected it")
