"""The parts of the U-Net: γ embedding, BigGAN residual blocks, attention."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.nets.operators import EPS, Conv3x3, norm_act, versions

Conv = TypeVar("Conv", bound=nn.Conv2d)


def sinusoid(values: Tensor, channels: int, scale: float) -> Tensor:
    """Return the sinusoidal embedding ``(N, channels)`` of `values` ``(N,)`` times `scale`.

    γ lies in 0..1: unscaled, all frequencies but the first few are constant over that range (the
    embedding of 1,000 values of γ has numerical rank 3), hence the scale of about 1,000.
    """
    half = channels // 2
    steps = torch.arange(half, dtype=torch.float32, device=values.device)
    angles = values.float()[:, None] * scale * torch.exp(-math.log(10000.0) * steps / half)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Embedding(nn.Module):
    """Maps γ (or an augmentation level) ``(N,)`` to ``(N, width)``."""

    def __init__(self, channels: int, width: int, scale: float) -> None:
        super().__init__()
        self.channels, self.scale = channels, scale
        self.layers = nn.Sequential(nn.Linear(channels, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, values: Tensor) -> Tensor:
        """Return the embedding of `values`."""
        wave = sinusoid(values, self.channels, self.scale)
        out: Tensor = self.layers(wave.to(next(self.parameters()).dtype))
        return out


def group_count(channels: int, most: int = 32) -> int:
    """Return the largest number of groups up to `most` that leaves groups of four or more."""
    return max(g for g in range(1, most + 1) if channels % g == 0 and channels // g >= 4)


def silent(conv: Conv) -> Conv:
    """Return the convolution with its parameters set to zero: a block starts as its skip."""
    for parameter in conv.parameters():
        nn.init.zeros_(parameter)
    return conv


class NormAct(nn.Module):
    """Group norm, then ``(1 + scale) * x + shift`` per example, then SiLU."""

    def __init__(self, channels: int, eps: float = EPS) -> None:
        super().__init__()
        self.groups, self.eps = group_count(channels), eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(
        self, x: Tensor, modulation: Tensor | None = None, *, spare: bool = False
    ) -> Tensor:
        """Return the normed, modulated activation; `modulation` is ``(N or 1, 2C)`` or None.

        `spare`: x may be overwritten.
        """
        return norm_act(
            x, self.groups, self.weight, self.bias, modulation, eps=self.eps, spare=spare
        )


@dataclass(frozen=True)
class BlockShape:
    """Channels and settings of one residual block."""

    inputs: int
    outputs: int
    embedding: int
    dropout: float = 0.0
    resample: str = "none"  # none | up | down
    skip_scale: float = 1.0
    eps: float = EPS  # of the group norms


class ResBlock(nn.Module):
    """A BigGAN residual block: norm-SiLU-(resample)-conv, scale-shift norm-SiLU-conv, skip."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.shape = shape
        self.norm1 = NormAct(shape.inputs, shape.eps)
        self.conv1 = Conv3x3(shape.inputs, shape.outputs, most=4)
        self.modulate = nn.Linear(shape.embedding, 2 * shape.outputs)
        self.norm2 = NormAct(shape.outputs, shape.eps)
        self.conv2 = silent(Conv3x3(shape.outputs, shape.outputs, most=4))
        same = shape.inputs == shape.outputs
        self.skip = nn.Identity() if same else nn.Conv2d(shape.inputs, shape.outputs, 1)

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """Return the block's output; `modulation` ``(N or 1, 2C)`` is one of `Modulations`."""
        h = self.conv1(self._halve(self.norm1(x)), doubled=self.shape.resample == "up")
        h = self.norm2(h, modulation, spare=True)
        if self.shape.dropout:
            h = F.dropout(h, self.shape.dropout, self.training)
        # In an "up" block the skip stays half as large: the convolution repeats its pixels.
        out: Tensor = self.conv2(h, self._halve(self.skip(x)), self.shape.skip_scale)
        return out

    def _halve(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2) if self.shape.resample == "down" else x


class Modulations:
    """The scales and shifts of all blocks from one embedding.

    Without gradients in bfloat16 by one product of the blocks' stacked weights, for 20 to 30 small
    ones take as long as a large convolution.
    """

    def __init__(self) -> None:
        self.stacked: tuple[tuple[int, ...], Tensor, Tensor] | None = None

    def __call__(self, blocks: list[ResBlock], embedding: Tensor) -> list[Tensor]:
        """Return each block's modulation; `embedding` ``(N or 1, E)`` has been through SiLU."""
        plain = torch.is_grad_enabled() or torch.compiler.is_compiling()
        if plain or embedding.dtype != torch.bfloat16:
            return [block.modulate(embedding) for block in blocks]
        made = F.linear(embedding, *self._stack(blocks)).float()
        return list(torch.split(made, [2 * block.shape.outputs for block in blocks], dim=1))

    def _stack(self, blocks: list[ResBlock]) -> tuple[Tensor, Tensor]:
        parts = [block.modulate for block in blocks]
        key = versions(p for part in parts for p in part.parameters())
        if self.stacked is None or self.stacked[0] != key:
            weight = torch.cat([part.weight.detach().bfloat16() for part in parts])
            bias = torch.cat([part.bias.detach().bfloat16() for part in parts])
            self.stacked = (key, weight, bias)
        return self.stacked[1:]


class Attention(nn.Module):
    """Multi-head self-attention over the positions, with a residual connection."""

    def __init__(self, channels: int, heads: int, eps: float = EPS) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(group_count(channels), channels, eps=eps)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = silent(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` plus what its positions ``(N, C, H, W)`` draw from each other."""
        n, c, h, w = x.shape
        qkv = self.qkv(self.norm(x)).reshape(n, 3, self.heads, c // self.heads, h * w)
        q, k, v = qkv.transpose(-1, -2).unbind(1)
        mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out(mixed.transpose(-1, -2).reshape(n, c, h, w))
        return x + out
