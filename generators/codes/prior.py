"""Autoregressive priors over maps of codes: gated convolutions that see earlier codes only.

Codes are drawn row by row. A vertical stack sees the rows above, a horizontal one what lies left in
the same row (Gated PixelCNN, van den Oord et al., 2016); the top's prior adds attention to all
earlier codes (PixelSNAIL, Chen et al., 2018), as in VQ-VAE-2. The bottom's knows the top's codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from generators.codes.autoencoder import Residual
from generators.config import Strict
from generators.nets.checkpoint import Kind
from generators.nets.tensors import finite


class PriorConfig(Strict):
    """The shape of a prior over `side` x `side` codes.

    `level` is which of the autoencoder's maps it is for; the bottom's has `known` residual blocks
    over the top's codes. `heads` of attention follow every `attend_every` layers; 0 for none.
    `autoencoder` is the digest of the file whose codes they are.
    """

    level: Literal["top", "bottom"]
    side: int = Field(ge=2, le=256)
    codes: int = Field(ge=2, le=65536)
    channels: int = Field(default=128, ge=2, le=1024)
    layers: int = Field(default=9, ge=1, le=100)
    heads: int = Field(default=0, ge=0)
    attend_every: int = Field(default=3, ge=1)
    known: int = Field(default=2, ge=0, le=100)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    classes: tuple[str, ...]
    autoencoder: str = ""

    @model_validator(mode="after")
    def _fits(self) -> PriorConfig:
        if self.heads and self.channels % self.heads:
            raise ValueError(f"channels {self.channels} are no multiple of heads {self.heads}")
        if self.level == "bottom" and (self.heads or self.side % 2):
            raise ValueError("the bottom's prior has no attention (heads) and an even side")
        if not self.classes:
            raise ValueError("classes: expected at least one")
        return self


def _gated(x: Tensor) -> Tensor:
    signal, gate = x.chunk(2, dim=1)
    return signal.tanh() * gate.sigmoid()


class Layer(nn.Module):
    """A gated layer of both stacks, each added to its input."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.above = nn.Conv2d(channels, 2 * channels, (2, 3))
        self.above_out = nn.Conv2d(channels, channels, 1)
        self.link = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.left = nn.Conv2d(channels, 2 * channels, (1, 2))
        self.left_out = nn.Conv2d(channels, channels, 1)
        self.known_above = nn.Conv2d(channels, 2 * channels, 1)
        self.known_left = nn.Conv2d(channels, 2 * channels, 1)
        self.dropout = nn.Dropout(dropout)

    def vertical(self, v: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Return the stack's features and what the horizontal one takes of them."""
        seen = self.above(F.pad(v, (1, 1, 1, 0))) + self.known_above(known)
        return v + self.above_out(_gated(seen)), self.link(seen)

    def horizontal(self, h: Tensor, linked: Tensor, known: Tensor) -> Tensor:
        """Return the horizontal features: of whole maps, or of one row with its `linked`."""
        seen = self.left(F.pad(h, (1, 0))) + linked + self.known_left(known)
        out: Tensor = h + self.left_out(self.dropout(_gated(seen)))
        return out


class CausalAttention(nn.Module):
    """Attention of each place to itself and those before it, row by row."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, h: Tensor) -> Tensor:
        """Return ``(N, C, H, W)``."""
        n, c, height, width = h.shape
        parts = self.qkv(h).reshape(n, 3, self.heads, c // self.heads, height * width)
        q, k, v = parts.transpose(3, 4).unbind(1)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = h + self.out(mixed.transpose(2, 3).reshape(n, c, height, width))
        return out


class Prior(nn.Module):
    """Says how probable each code is, given those before it, the class and the top's codes."""

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.embedding = nn.Embedding(config.codes, channels)
        self.label = nn.Embedding(len(config.classes), channels)
        self.place = nn.Parameter(torch.zeros(1, channels, config.side, config.side))
        self.first = nn.Parameter(torch.zeros(1, channels, 1, 1))  # left of the first code
        if config.level == "bottom":
            self.top = nn.Embedding(config.codes, channels)
            self.reads = nn.Sequential(*(Residual(channels, channels) for _ in range(config.known)))
        self.layers = nn.ModuleList(Layer(channels, config.dropout) for _ in range(config.layers))
        every = config.layers // config.attend_every if config.heads else 0
        self.attention = nn.ModuleList(
            CausalAttention(channels, config.heads) for _ in range(every)
        )
        self.out = nn.Conv2d(channels, config.codes, 1)

    def forward(self, codes: Tensor, label: Tensor, top: Tensor | None = None) -> Tensor:
        """Return logits ``(N, codes, H, W)``; those of a place depend on earlier codes only."""
        known = self.condition(label, top)
        linked = self.vertical(codes, known)
        return self.horizontal(codes, linked, known)

    def condition(self, label: Tensor, top: Tensor | None) -> Tensor:
        """Return what is known at each place ``(N, C, H, W)`` before any code is."""
        known = self.label(label)[:, :, None, None] + self.place
        if (top is None) == (self.config.level == "bottom"):
            raise ValueError("top's codes must be given exactly to the bottom's prior")
        if top is None:
            return cast(Tensor, known)
        seen = self.reads(self.top(top).permute(0, 3, 1, 2))
        return cast(Tensor, known + F.interpolate(seen, scale_factor=2, mode="nearest"))

    def vertical(self, codes: Tensor, known: Tensor) -> list[Tensor]:
        """Return what each layer's horizontal stack takes of the rows above."""
        rows = self._embedded(codes)
        v = F.pad(rows, (0, 0, 1, 0))[:, :, : rows.shape[2]]
        linked = []
        for layer in map(_layer, self.layers):
            v, link = layer.vertical(v, known)
            linked.append(link)
        return linked

    def horizontal(self, codes: Tensor, linked: Sequence[Tensor], known: Tensor) -> Tensor:
        """Return the logits of whole maps, or of a row ``(N, 1, W)`` with its parts of the rest."""
        rows = self._embedded(codes)
        begin = self.first.expand(len(rows), -1, rows.shape[2], 1).to(rows.dtype)
        h = torch.cat([begin, rows[..., :-1]], dim=3)
        every, attend = self.config.attend_every, iter(self.attention)
        for number, (layer, link) in enumerate(zip(map(_layer, self.layers), linked, strict=True)):
            h = layer.horizontal(h, link, known)
            if self.config.heads and number % every == every - 1:
                h = next(attend)(h)
        logits: Tensor = self.out(h.relu())
        return logits

    def _embedded(self, codes: Tensor) -> Tensor:
        found: Tensor = self.embedding(codes).permute(0, 3, 1, 2)
        return found


def _layer(module: nn.Module) -> Layer:
    return cast(Layer, module)


PRIOR: Kind[PriorConfig, Prior] = Kind("foolrate-code-prior-1", PriorConfig, Prior)


def draw(
    prior: Prior, label: Tensor, gumbel: Tensor, top: Tensor | None = None, temperature: float = 1
) -> Tensor:
    """Return codes ``(N, H, W)``, the arguments of the largest logits / T + `gumbel`.

    `gumbel` ``(N, H, W, codes)`` is Gumbel noise, so that they are drawn from the prior at that
    temperature. Without attention a row's codes need the rows above once.
    """
    side = prior.config.side
    known = prior.condition(label, top)
    codes = torch.zeros(len(label), side, side, dtype=torch.long, device=label.device)
    for row in range(side):
        seen = codes[:, : row + 1]
        linked = prior.vertical(seen, known[:, :, : row + 1])
        for column in range(side):
            if prior.config.heads:
                logits = prior.horizontal(codes[:, : row + 1], linked, known[:, :, : row + 1])
            else:
                part = [link[:, :, row : row + 1] for link in linked]
                here = known[:, :, row : row + 1]
                logits = prior.horizontal(codes[:, row : row + 1], part, here)
            scores = finite(logits[:, :, -1, column].float() / temperature, "the prior")
            codes[:, row, column] = (scores + gumbel[:, row, column]).argmax(1)
    return codes
