"""VQ-VAE-2's autoencoder (Razavi et al., NeurIPS 2019): a top and a bottom map of codes.

The top is encoded and quantised first; its decoded map joins the bottom's features before the
bottom is quantised; the decoder takes both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn

from generators.codes.quantiser import Quantised, Quantiser
from generators.config import Strict
from generators.nets.checkpoint import Kind

BOTTOM, TOP = 4, 8  # image pixels a code, along a side


class VqVaeConfig(Strict):
    """The shape of an autoencoder: `codes` vectors of `dimensions` numbers in each codebook."""

    size: int = Field(ge=16, le=1024, multiple_of=TOP)
    hidden: int = Field(default=128, ge=2, le=1024, multiple_of=2)
    residual: int = Field(default=32, ge=1, le=1024)
    layers: int = Field(default=2, ge=0, le=20)
    codes: int = Field(default=512, ge=2, le=65536)
    dimensions: int = Field(default=64, ge=1, le=1024)


@dataclass(frozen=True)
class Encoded:
    """An image as codes of both levels."""

    top: Quantised
    bottom: Quantised


class Residual(nn.Module):
    """ReLU, 3x3, ReLU, 1x1, added to the input."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, inner, 3, padding=1)
        self.second = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, channels, H, W)``."""
        out: Tensor = x + self.second(self.first(x.relu()).relu())
        return out


def _stack(config: VqVaeConfig) -> list[nn.Module]:
    blocks = [Residual(config.hidden, config.residual) for _ in range(config.layers)]
    return [*blocks, nn.ReLU()]


def _halve(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.ReLU()]


def _double(inputs: int, outputs: int) -> nn.Module:
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)


class VqVae(nn.Module):
    """The autoencoder of images ``(N, 3, S, S)`` in -1..1."""

    def __init__(self, config: VqVaeConfig) -> None:
        super().__init__()
        self.config = config
        hidden, half, d = config.hidden, config.hidden // 2, config.dimensions
        self.encode_bottom = nn.Sequential(
            *_halve(3, half),
            *_halve(half, hidden),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            *_stack(config),
        )
        self.encode_top = nn.Sequential(
            *_halve(hidden, half), nn.Conv2d(half, hidden, 3, padding=1), *_stack(config)
        )
        self.to_top = nn.Conv2d(hidden, d, 1)
        self.top = Quantiser(config.codes, d)
        self.decode_top = nn.Sequential(
            nn.Conv2d(d, hidden, 3, padding=1), *_stack(config), _double(hidden, d)
        )
        self.to_bottom = nn.Conv2d(hidden + d, d, 1)
        self.bottom = Quantiser(config.codes, d)
        self.enlarge_top = _double(d, d)
        self.decode = nn.Sequential(
            nn.Conv2d(2 * d, hidden, 3, padding=1),
            *_stack(config),
            _double(hidden, half),
            nn.ReLU(),
            _double(half, 3),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Encoded]:
        """Return the reconstruction and the codes."""
        encoded = self.encode(images)
        return self.decoded(encoded.top.values, encoded.bottom.values), encoded

    def encode(self, images: Tensor) -> Encoded:
        """Return the codes: top ``(N, S/8, S/8)``, bottom ``(N, S/4, S/4)``."""
        features = self.encode_bottom(images)
        top = self.top(self.to_top(self.encode_top(features)))
        known = self.decode_top(top.values)
        bottom = self.bottom(self.to_bottom(torch.cat([known, features], dim=1)))
        return Encoded(top, bottom)

    def decoded(self, top: Tensor, bottom: Tensor) -> Tensor:
        """Return images of the levels' vectors ``(N, d, H, W)``."""
        image: Tensor = self.decode(torch.cat([self.enlarge_top(top), bottom], dim=1))
        return image.float()

    def images(self, top: Tensor, bottom: Tensor) -> Tensor:
        """Return images of codes ``(N, S/8, S/8)`` and ``(N, S/4, S/4)``."""
        return self.decoded(self.top.look_up(top), self.bottom.look_up(bottom))


VQVAE: Kind[VqVaeConfig, VqVae] = Kind("foolrate-vqvae2-1", VqVaeConfig, VqVae)
