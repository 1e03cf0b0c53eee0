"""The U-Net of SR3 and CDM: DDPM's, with BigGAN residual blocks, conditioned on γ itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, TypeVar, cast

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from generators.config import Strict
from generators.nets.blocks import (
    Attention,
    BlockShape,
    Embedding,
    Modulations,
    NormAct,
    ResBlock,
    silent,
)
from generators.nets.operators import EPS, keep_memory

Net = TypeVar("Net", bound=nn.Module)
Multiplier = Annotated[int, Field(ge=1, le=64)]  # of the channels, one for each level


class UNetConfig(Strict):
    """Shape of a U-Net.

    `skip_scale` says where the factor 1/sqrt(2) of SR3 goes; the paper leaves it open. `patch`
    folds squares of pixels into channels before the first convolution (1 as in the papers).
    """

    channels: int = Field(ge=4, le=4096)
    multipliers: tuple[Multiplier, ...] = Field(min_length=1, max_length=12)
    resblocks: int = Field(ge=1, le=64)
    in_channels: int = Field(
        default=6, ge=1, le=64
    )  # the noisy image and, beside it, the conditioning
    out_channels: int = Field(default=3, ge=1, le=64)
    patch: int = Field(default=1, ge=1, le=64)
    attention: tuple[int, ...] = ()  # levels (0 = full resolution) with attention
    mid_attention: bool = True
    head_channels: int = Field(default=64, ge=4)
    heads: int = Field(default=0, ge=0)  # of each attention, in place of `head_channels`
    norm_eps: float = Field(default=EPS, gt=0)  # of the group norms
    dropout: float = Field(default=0.0, ge=0, lt=1)
    skip_scale: str = Field(default="none", pattern="^(none|residual|concat)$")
    gamma_scale: float = Field(default=1000.0, gt=0)
    classes: int = Field(default=0, ge=0, le=1_000_000)  # 0: no class embedding
    level_embedding: bool = False  # a second time embedding for the augmentation level

    @model_validator(mode="after")
    def _levels_exist(self) -> UNetConfig:
        for level in self.attention:
            if not 0 <= level < len(self.multipliers):
                raise ValueError(f"attention level {level}: the net has {len(self.multipliers)}")
            if self.heads and (self.channels * self.multipliers[level]) % self.heads:
                raise ValueError(
                    f"heads {self.heads} does not divide the channels of level {level}"
                )
        return self

    @property
    def stride(self) -> int:
        """The number that height and width in pixels must be multiples of."""
        return int(self.patch * 2 ** (len(self.multipliers) - 1))


def block(config: UNetConfig, inputs: int, outputs: int, resample: str = "none") -> ResBlock:
    """Return a residual block of a net of this shape."""
    scale = 1 / math.sqrt(2) if config.skip_scale == "residual" else 1.0
    width = 4 * config.channels
    return ResBlock(
        BlockShape(inputs, outputs, width, config.dropout, resample, scale, config.norm_eps)
    )


def attention(config: UNetConfig, channels: int) -> Attention:
    """Return an attention of a net of this shape."""
    heads = config.heads or max(1, channels // config.head_channels)
    return Attention(channels, heads, config.norm_eps)


def _attention_at(config: UNetConfig, level: int, channels: int) -> nn.Module:
    return attention(config, channels) if level in config.attention else nn.Identity()


def descent(config: UNetConfig) -> tuple[nn.ModuleList, nn.ModuleList, list[int]]:
    """Return the downward half: blocks, the attention after each, the channels of all outputs."""
    channels, skips = config.channels, [config.channels]
    blocks, attentions = nn.ModuleList(), nn.ModuleList()
    for level, multiplier in enumerate(config.multipliers):
        for _ in range(config.resblocks):
            outputs = config.channels * multiplier
            blocks.append(block(config, channels, outputs))
            attentions.append(_attention_at(config, level, outputs))
            channels = outputs
            skips.append(channels)
        if level + 1 < len(config.multipliers):
            blocks.append(block(config, channels, channels, "down"))
            attentions.append(nn.Identity())
            skips.append(channels)
    return blocks, attentions, skips


class UNet(nn.Module):
    """Predicts ε, x0 or v from a noisy image, its γ and the conditioning."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        width = 4 * config.channels
        self.gamma = Embedding(config.channels, width, config.gamma_scale)
        self.level = None
        if config.level_embedding:
            self.level = Embedding(config.channels, width, config.gamma_scale)
        # One row more than there are classes: the last stands for "no class" (guidance).
        self.label = nn.Embedding(config.classes + 1, width) if config.classes else None
        area = config.patch**2
        self.first = nn.Conv2d(config.in_channels * area, config.channels, 3, padding=1)
        self.down, self.down_attention, skips = descent(config)
        self._build_middle()
        self._build_up(skips)
        self.modulations = Modulations()
        self.norm = NormAct(config.channels * config.multipliers[0], config.norm_eps)
        last = config.channels * config.multipliers[0]
        self.last = silent(nn.Conv2d(last, config.out_channels * area, 3, padding=1))

    def _build_middle(self) -> None:
        config = self.config
        channels = config.channels * config.multipliers[-1]
        self.middle1 = block(config, channels, channels)
        attend = config.mid_attention
        self.middle_attention = attention(config, channels) if attend else nn.Identity()
        self.middle2 = block(config, channels, channels)

    def _build_up(self, skips: list[int]) -> None:
        config = self.config
        channels = config.channels * config.multipliers[-1]
        self.up, self.up_attention = nn.ModuleList(), nn.ModuleList()
        for level, multiplier in reversed(list(enumerate(config.multipliers))):
            for _ in range(config.resblocks + 1):
                outputs = config.channels * multiplier
                self.up.append(block(config, channels + skips.pop(), outputs))
                self.up_attention.append(_attention_at(config, level, outputs))
                channels = outputs
            if level:
                self.up.append(block(config, channels, channels, "up"))
                self.up_attention.append(nn.Identity())

    def forward(
        self,
        x: Tensor,
        gamma: Tensor,
        label: Tensor | None = None,
        level: Tensor | None = None,
    ) -> Tensor:
        """Return the prediction ``(N, out_channels, H, W)``.

        `x` is ``(N, in_channels, H, W)``, `gamma` ``(N,)`` in 0..1, or one
        for all, `label` ``(N,)`` of class
        numbers (`classes` itself means none), `level` ``(N,)`` the γ of the augmentation noise.
        """
        modulations = iter(self.modulations(self._blocks(), self._embed(gamma, label, level)))
        h = self.first(F.pixel_unshuffle(x, self.config.patch) if self.config.patch > 1 else x)
        skips = [h]
        for resblock, attend in zip(self.down, self.down_attention, strict=True):
            h = attend(resblock(h, next(modulations)))
            skips.append(h)
        h = self.middle_attention(self.middle1(h, next(modulations)))
        h = self._climb(self.middle2(h, next(modulations)), skips, modulations)
        out: Tensor = self.last(self.norm(h))
        return F.pixel_shuffle(out, self.config.patch) if self.config.patch > 1 else out

    def _blocks(self) -> list[ResBlock]:
        return [cast(ResBlock, b) for b in (*self.down, self.middle1, self.middle2, *self.up)]

    def _climb(self, h: Tensor, skips: list[Tensor], modulations: Iterator[Tensor]) -> Tensor:
        scale = 1 / math.sqrt(2) if self.config.skip_scale == "concat" else 1.0
        for resblock, attend in zip(self.up, self.up_attention, strict=True):
            if cast(ResBlock, resblock).shape.resample == "none":
                skip = skips.pop()
                h = torch.cat([h, skip if scale == 1 else skip * scale], dim=1)
            h = attend(resblock(h, next(modulations)))
        return h

    def _embed(self, gamma: Tensor, label: Tensor | None, level: Tensor | None) -> Tensor:
        out: Tensor = self.gamma(gamma)
        for part, value in ((self.label, label), (self.level, level)):
            if (part is None) != (value is None):
                raise ValueError("label and level must be given exactly when the net embeds them")
            if part is not None:
                out = out + part(value)
        return F.silu(out)


def channels_last(net: Net, device: torch.device) -> Net:
    """Return the net on the device, its convolutions in the faster memory layout."""
    net.to(device)
    if device.type == "cpu":
        keep_memory()
    for parameter in net.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return net


def parameter_count(config: UNetConfig) -> int:
    """Return the number of parameters of a U-Net, counted without allocating it."""
    with torch.device("meta"):
        net = UNet(config)
    return sum(parameter.numel() for parameter in net.parameters())
