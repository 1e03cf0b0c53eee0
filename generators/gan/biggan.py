"""BigGAN-deep's generator (Brock et al., ICLR 2019, appendix B): a class and a latent to an image.

The whole latent, joined with the shared embedding of the class, feeds the first linear layer and
every batch norm (skip-z). Weights are plain here: training normalises them (`gan/spectral.py`), and
a file holds them divided by their spectral norms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from generators.config import Strict
from generators.nets.checkpoint import Kind

FIRST = 4  # pixels of the first resolution
SQUEEZE = 4  # a block's inner channels are so many times fewer
EPS = 1e-4  # of batch norms
HUB = 2.0  # threshold of the normal numbers that the Hub's nets scale


class BigGanConfig(Strict):
    """The shape of a generator, and what its latents are.

    `multipliers` are those of `channels` at 4x4, 8x8 and so on to the trunk's side, which is `size`
    divided by `patch` (1 in the paper). `attention` is the side at which it stands. There are
    `entries` standing statistics, of truncations from 0 to `most`. A latent is `resampled` where it
    lies beyond the truncation (the paper), or a normal one of -2..2 `scaled` by it (the Hub's
    nets).
    """

    size: int = Field(ge=8, le=1024)
    patch: int = Field(default=1, ge=1)
    z: int = Field(default=128, ge=1, le=4096)
    embedding: int = Field(default=128, ge=1, le=4096)
    channels: int = Field(default=128, ge=1, le=1024)
    multipliers: tuple[int, ...]
    attention: int = 64
    classes: tuple[str, ...]
    latent: Literal["resampled", "scaled"] = "resampled"
    entries: int = Field(default=9, ge=2, le=1001)
    most: float = Field(default=2.0, gt=0, le=10)

    @model_validator(mode="after")
    def _fits(self) -> BigGanConfig:
        them, trunk = self.multipliers, FIRST << (len(self.multipliers) - 1)
        if trunk * self.patch != self.size:
            raise ValueError(
                f"multipliers {list(them)} are those of {len(them)} resolutions from {FIRST} "
                f"pixels to {trunk}, times patch {self.patch}; size is {self.size}"
            )
        if list(them) != sorted(them, reverse=True) or them[-1] < 1:
            raise ValueError(f"multipliers are {list(them)}, expected none larger than before it")
        if self.attention not in self.sides:
            raise ValueError(f"attention is {self.attention}, expected one of {list(self.sides)}")
        if (them[self.sides.index(self.attention)] * self.channels) % 8:
            raise ValueError("attention needs a multiple of 8 channels")
        if (them[-1] * self.channels) % SQUEEZE:
            raise ValueError(f"expected channels that are a multiple of {SQUEEZE}")
        if not self.classes:
            raise ValueError("classes: expected at least one")
        return self

    @property
    def sides(self) -> tuple[int, ...]:
        """The trunk's resolutions."""
        return tuple(FIRST << level for level in range(len(self.multipliers)))

    @property
    def blocks(self) -> tuple[tuple[int, int, bool], ...]:
        """Channels in and out of each block and whether it doubles the side: two a resolution."""
        found: list[tuple[int, int, bool]] = []
        for here, there in pairwise(multiplier * self.channels for multiplier in self.multipliers):
            found += [(here, here, False), (here, there, True)]
        return tuple(found)

    @property
    def attends_before(self) -> int:
        """The block before which attention stands; past the last for the trunk's own side."""
        return 2 * self.sides.index(self.attention)


@dataclass(frozen=True)
class Standing:
    """Which statistics normalise: entries `low` and `low` + 1, the second with weight `share`."""

    low: int
    share: float = 0.0


@dataclass(frozen=True)
class Collecting:
    """The batch's own normalise, and join the mean of the `before` batches in that entry."""

    entry: int
    before: int


Statistics = Standing | Collecting | None  # None: the batch's own (training)


class BatchNorm(nn.Module):
    """Batch norm by the statistics asked for, without gain and bias."""

    def __init__(self, channels: int, entries: int) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(entries, channels))
        self.register_buffer("variances", torch.ones(entries, channels))

    def forward(self, x: Tensor, which: Statistics) -> Tensor:
        """Return the normalised features ``(N, C, H, W)``."""
        means, variances = cast(Tensor, self.means), cast(Tensor, self.variances)
        if which is None:
            return F.batch_norm(x, None, None, training=True, eps=EPS)
        if isinstance(which, Collecting):
            mean, variance = means[which.entry], variances[which.entry]
            weight = 1 / (1 + which.before)
            return F.batch_norm(x, mean, variance, training=True, momentum=weight, eps=EPS)
        mean, variance = means[which.low], variances[which.low]
        if which.share:
            mean = torch.lerp(mean, means[which.low + 1], which.share)
            variance = torch.lerp(variance, variances[which.low + 1], which.share)
        return F.batch_norm(x, mean, variance, eps=EPS)


class ConditionalNorm(BatchNorm):
    """Batch norm whose gain, centred at one, and bias are linear in the condition."""

    def __init__(self, channels: int, condition: int, entries: int) -> None:
        super().__init__(channels, entries)
        self.scale = nn.Linear(condition, channels, bias=False)
        self.offset = nn.Linear(condition, channels, bias=False)

    def modulated(self, x: Tensor, condition: Tensor, which: Statistics) -> Tensor:
        """Return the features after the norm and ReLU."""
        gain, bias = 1 + self.scale(condition).float(), self.offset(condition)
        x = super().forward(x, which)
        return torch.addcmul(_wide(bias, x), x, _wide(gain, x)).relu_()


def _wide(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.dtype)[:, :, None, None]


def double(x: Tensor) -> Tensor:
    """Return each pixel repeated to a square of four."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


class Block(nn.Module):
    """A bottleneck: 1x1, 3x3, 3x3, 1x1, each after a norm; `up` doubles the side.

    The skip keeps the first channels and drops the rest.
    """

    def __init__(
        self, inputs: int, outputs: int, condition: int, entries: int, *, up: bool
    ) -> None:
        super().__init__()
        inner = inputs // SQUEEZE
        self.norms = nn.ModuleList(
            ConditionalNorm(channels, condition, entries) for channels in (inputs, *[inner] * 3)
        )
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(inputs, inner, 1),
                nn.Conv2d(inner, inner, 3, padding=1),
                nn.Conv2d(inner, inner, 3, padding=1),
                nn.Conv2d(inner, outputs, 1),
            ]
        )
        self.outputs, self.up = outputs, up

    def forward(self, x: Tensor, condition: Tensor, which: Statistics) -> Tensor:
        """Return ``(N, outputs, H, W)``, or of twice the sides."""
        h = x
        for number, (norm, conv) in enumerate(zip(self.norms, self.convs, strict=True)):
            h = cast(ConditionalNorm, norm).modulated(h, condition, which)
            h = conv(double(h) if self.up and number == 1 else h)
        skip = x[:, : self.outputs]
        return h + (double(skip) if self.up else skip)


class SelfAttention(nn.Module):
    """Attention to a half of the resolution, added with a gain that begins at zero (SAGAN)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.theta = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.phi = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.g = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.out = nn.Conv2d(channels // 2, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, C, H, W)``."""
        query = self.theta(x).flatten(2).transpose(1, 2)
        key = F.max_pool2d(self.phi(x), 2).flatten(2).transpose(1, 2)
        value = F.max_pool2d(self.g(x), 2).flatten(2).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        mixed = mixed.transpose(1, 2).reshape(len(x), -1, *x.shape[2:])
        added: Tensor = self.out(mixed)
        return x + self.gamma.to(x.dtype) * added


class BigGan(nn.Module):
    """The generator."""

    def __init__(self, config: BigGanConfig) -> None:
        super().__init__()
        self.config = config
        condition = config.z + config.embedding
        blocks, last = config.blocks, config.channels * config.multipliers[-1]
        self.embedding = nn.Embedding(len(config.classes), config.embedding)
        first = FIRST * FIRST * config.channels * config.multipliers[0]
        self.first = nn.Linear(condition, first)
        self.blocks = nn.ModuleList(
            Block(inputs, outputs, condition, config.entries, up=up)
            for inputs, outputs, up in blocks
        )
        multiplier = config.multipliers[config.sides.index(config.attention)]
        self.attention = SelfAttention(config.channels * multiplier)
        self.norm = BatchNorm(last, config.entries)
        self.gain = nn.Parameter(torch.ones(last))
        self.bias = nn.Parameter(torch.zeros(last))
        self.last = nn.Conv2d(last, 3 * config.patch**2, 3, padding=1)

    def forward(self, z: Tensor, label: Tensor, which: Statistics = None) -> Tensor:
        """Return images ``(N, 3, S, S)`` in -1..1 of latents ``(N, z)`` and class numbers."""
        condition = torch.cat([z, self.embedding(label)], dim=1)
        # Published weights count the places before the channels.
        h = self.first(condition).unflatten(1, (FIRST, FIRST, -1)).permute(0, 3, 1, 2)
        for number, block in enumerate(self.blocks):
            if number == self.config.attends_before:
                h = self.attention(h)
            h = block(h, condition, which)
        if self.config.attends_before == len(self.blocks):
            h = self.attention(h)
        h = self.norm(h, which) * self.gain.to(h.dtype)[:, None, None]
        h = self.last((h + self.bias.to(h.dtype)[:, None, None]).relu())
        patch = self.config.patch
        return (F.pixel_shuffle(h, patch) if patch > 1 else h).float().tanh()


BIGGAN: Kind[BigGanConfig, BigGan] = Kind("foolrate-biggan-1", BigGanConfig, BigGan)


def standing_at(config: BigGanConfig, truncation: float, *, port: bool = False) -> Standing:
    """Return which statistics serve a truncation of 0..`most`: the two beside it, interpolated.

    On the grid it is the entry itself. `port`: as pytorch-pretrained-BigGAN has it, which gives
    either neighbour the other's weight and, by rounding, may miss the grid.
    """
    if port:
        share, low = math.modf(truncation / (config.most / (config.entries - 1)))
        return Standing(int(low), 1 - share if share else 0.0)
    place = truncation / config.most * (config.entries - 1)
    nearest = round(place)
    if math.isclose(place, nearest, rel_tol=1e-9, abs_tol=1e-9):
        return Standing(nearest)
    return Standing(int(place), place - int(place))


def truncated(seed: int, count: int, threshold: float) -> Tensor:
    """Return a latent ``(count,)``, a function of the seed: numbers beyond the threshold are drawn
    again.

    Those that lie within ±`threshold` are the same for every threshold. At 0 it is zeros, the
    limit.
    """
    draws = torch.Generator().manual_seed(seed)
    z = torch.randn(count, generator=draws)
    if threshold == 0:
        return torch.zeros(count)
    while (beyond := z.abs() > threshold).any():
        z = torch.where(beyond, torch.randn(count, generator=draws), z)
    return z


def latent(seed: int, config: BigGanConfig, truncation: float) -> Tensor:
    """Return the latent ``(z,)`` of a seed at a truncation, of the kind that the net is for."""
    if config.latent == "scaled":
        return truncated(seed, config.z, HUB) * truncation
    return truncated(seed, config.z, truncation)
