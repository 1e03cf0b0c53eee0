"""DISTS (Ding et al. 2020): structure and texture similarity, from VGG16's maps.

1 - Σ_ij (α_ij l_ij + β_ij s_ij) over stages i (the image itself, then five of VGG16) and channels j
(equations 4 to 6), with l a similarity of the maps' means and s of their deviations about them.
VGG16 pools by the root of a weighted mean of squares, so that nothing is aliased (equation 3). The
weights α and β are the authors', VGG16's those of LPIPS. Images are compared at their own size: the
authors' demonstration may reduce them to 256 pixels first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from metrics.errors import WeightsError
from metrics.extraction.one_pass import Task
from metrics.networks.devices import accumulator
from metrics.networks.extractor import load_state
from metrics.paired.lpips import SCALE, SHIFT, VGG16, distance_task, filled_stages, read_file
from metrics.weights.registry import WeightRegistry, WeightsFile

# Values are kept on disk under this number; raise it when the arithmetic changes.
DEFINITION = 1

CHANNELS = (3, 64, 128, 256, 512, 512)
_C = 1e-6  # both constants of equations 4 and 5
_EPSILON = 1e-12


class _L2Pool(nn.Module):
    """The root of the mean of squares under a 3x3 Hanning window, every second pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        window = torch.tensor([0.25, 0.5, 0.25])
        kernel = torch.outer(window, window).expand(channels, 1, 3, 3).contiguous()
        self.register_buffer("kernel", kernel)
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.get_buffer("kernel")
        squares = functional.conv2d(x.square(), kernel, None, 2, 1, groups=self.channels)
        return (squares + _EPSILON).sqrt()


class Dists(nn.Module):
    """The distance between two batches of images, per pair."""

    def __init__(self, stages: Sequence[nn.Sequential], alpha: Tensor, beta: Tensor) -> None:
        """Take VGG16 cut after its compared maps, and the weights ``(1475,)`` of all channels."""
        super().__init__()
        self.stages = nn.ModuleList(stages)
        total = alpha.sum() + beta.sum()
        self.alpha, self.beta = alpha / total, beta / total  # fp64, which not every device has
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the distances ``(N,)`` of images ``(N, 3, H, W)`` in -1..1."""
        both = torch.cat([x, y])
        means, spreads = zip(*map(_similarities, self._maps(both)), strict=True)
        likeness, structure = (torch.cat(parts, 1).cpu().double() for parts in (means, spreads))
        similarity = likeness @ self.alpha + structure @ self.beta
        return (1 - similarity).clamp(min=0)  # rounding leaves equal images just below 0

    def _maps(self, both: Tensor) -> list[Tensor]:
        maps = [(both + 1) / 2]  # the image itself counts as the first map, in 0..1
        inner = (both - self.get_buffer("shift")) / self.get_buffer("scale")
        for stage in self.stages:
            inner = stage(inner)
            maps.append(inner)
        return maps


def _similarities(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return l and s, each ``(N, C)``, of maps ``(2N, C, H, W)``, x before y."""
    wide = accumulator(maps.device)
    mean = maps.mean((2, 3), dtype=wide)
    centred = maps - mean.to(maps.dtype)[:, :, None, None]
    variance = centred.square().mean((2, 3), dtype=wide)
    count = len(maps) // 2
    shared = (centred[:count] * centred[count:]).mean((2, 3), dtype=wide)
    mean_x, mean_y, var_x, var_y = mean[:count], mean[count:], variance[:count], variance[count:]
    likeness = (2 * mean_x * mean_y + _C) / (mean_x.square() + mean_y.square() + _C)
    return likeness, (2 * shared + _C) / (var_x + var_y + _C)


def build(arrays: Mapping[str, NDArray[Any]], alpha: Tensor, beta: Tensor) -> Dists:
    """Return the network filled from LPIPS's VGG16 arrays. Raises `KeyError` for a missing one."""
    stages = filled_stages(arrays, "VGG16_0", VGG16, lambda _, channels: _L2Pool(channels))
    model = Dists(stages, alpha.double(), beta.double()).requires_grad_(False).eval()
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def load(own: WeightsFile, vgg: WeightsFile) -> Dists:
    """Return the network from the authors' weights and VGG16's. Raises `WeightsError`."""
    state = load_state(own.path, "dists")
    try:
        alpha, beta = (state[key].flatten() for key in ("alpha", "beta"))
    except KeyError as error:
        raise WeightsError(f"{own.path}: lacks {error} of DISTS") from None
    if alpha.shape != beta.shape or len(alpha) != sum(CHANNELS):
        raise WeightsError(f"{own.path}: alpha has {len(alpha)} values, expected {sum(CHANNELS)}")
    try:
        return build(read_file(vgg.path), alpha, beta)
    except KeyError as error:
        raise WeightsError(f"{vgg.path}: lacks the array {error} of VGG16") from None


def task(name: str, registry: WeightRegistry, border: int, device: str, cache: Path) -> Task:
    """Return DISTS as a task of the one pass."""
    own, vgg = registry.find("dists"), registry.find("lpips_vgg")
    model = load(own, vgg).to(device)
    space = {"metric": name, "weights": own.digest, "vgg16": vgg.digest, "border": border}
    space |= {"precision": "fp32", "definition": DEFINITION}
    return distance_task(name, model, space, border=border, device=device, cache=cache)
