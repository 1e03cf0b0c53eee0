"""FSRNet (Chen et al., CVPR 2018): an enlarged face, with estimates of where its features lie.

A coarse network repairs the enlarged image; of its output an encoder takes features, and two
stacked hourglasses estimate the facial priors: heatmaps of landmarks and parsing maps. A decoder
makes the image of both. The hourglasses' blocks are bottlenecks, as in Newell et al. (2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from generators.config import Strict
from generators.nets.blocks import silent
from generators.nets.checkpoint import Kind

DEPTH = 3  # of an hourglass: three halvings
STACKS = 2


class FsrNetConfig(Strict):
    """The shape of an FSRNet. The paper's: `channels` 64, `prior_channels` 128.

    `size` is the output's side and `factor` how much smaller the input is. `maps` counts the
    heatmaps and parsing maps, 0 without priors. `folded`: the batch norms are part of the
    convolutions, as in a model file.
    """

    size: int = Field(ge=16)
    factor: int = Field(ge=2)
    channels: int = Field(default=32, ge=1, le=512)
    prior_channels: int = Field(default=64, ge=2, le=512)
    maps: int = Field(default=0, ge=0, le=512)
    folded: bool = False

    @model_validator(mode="after")
    def _divides(self) -> FsrNetConfig:
        step = 2 ** (DEPTH + 1)
        if self.size % step or self.size % self.factor:
            raise ValueError(f"size {self.size} is no multiple of {step} and of {self.factor}")
        if self.prior_channels % 2:
            raise ValueError(f"prior_channels {self.prior_channels} is odd")
        return self


@dataclass(frozen=True)
class Estimate:
    """What an FSRNet makes of a batch: images in -1..1 ``(N, 3, S, S)`` and the prior maps."""

    coarse: Tensor
    fine: Tensor
    maps: tuple[Tensor, ...]  # of each hourglass, (N, maps, S/2, S/2)


class ConvNorm(nn.Module):
    """A convolution with batch norm and, if wanted, ReLU; `folded` has the norm inside."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        act: bool = True,
        folded: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
        self.norm = None if folded else nn.BatchNorm2d(outputs)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, outputs, H/stride, W/stride)``."""
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x)
        return F.relu(x) if self.act else x


class Residual(nn.Module):
    """conv-norm-ReLU-conv-norm plus the input."""

    def __init__(self, channels: int, folded: bool) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels, folded=folded)
        self.second = ConvNorm(channels, channels, act=False, folded=folded)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, channels, H, W)``."""
        out: Tensor = x + self.second(self.first(x))
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions at half the channels, plus the input."""

    def __init__(self, channels: int, folded: bool) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = ConvNorm(channels, half, 1, folded=folded)
        self.middle = ConvNorm(half, half, folded=folded)
        self.expand = ConvNorm(half, channels, 1, act=False, folded=folded)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, channels, H, W)``."""
        out: Tensor = x + self.expand(self.middle(self.reduce(x)))
        return out


class Hourglass(nn.Module):
    """Down `depth` halvings and up again, with a skip between equal sizes."""

    def __init__(self, channels: int, depth: int, folded: bool) -> None:
        super().__init__()
        self.skip = Bottleneck(channels, folded)
        self.before = Bottleneck(channels, folded)
        deeper = depth > 1
        self.inner: nn.Module = (
            Hourglass(channels, depth - 1, folded) if deeper else Bottleneck(channels, folded)
        )
        self.after = Bottleneck(channels, folded)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, channels, H, W)``."""
        low = self.after(self.inner(self.before(F.max_pool2d(x, 2))))
        out: Tensor = self.skip(x) + F.interpolate(low, scale_factor=2.0, mode="nearest")
        return out


class PriorEstimation(nn.Module):
    """From an image to features at half its size, and to the maps of each hourglass."""

    def __init__(self, config: FsrNetConfig) -> None:
        super().__init__()
        width, folded = config.prior_channels, config.folded
        self.stem = ConvNorm(3, width, 7, stride=2, folded=folded)
        self.blocks = nn.Sequential(*(Residual(width, folded) for _ in range(3)))
        self.stacks = nn.ModuleList(Hourglass(width, DEPTH, folded) for _ in range(STACKS))
        self.heads = nn.ModuleList(
            nn.Conv2d(width, config.maps, 1) for _ in range(STACKS) if config.maps
        )

    def forward(self, image: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the features ``(N, prior_channels, S/2, S/2)`` and the maps of each stack."""
        x, outputs = self.blocks(self.stem(image)), []
        for stack in self.stacks:
            x = stack(x)
            outputs.append(x)
        return x, tuple(head(each) for head, each in zip(self.heads, outputs, strict=False))


class FsrNet(nn.Module):
    """The generator of FSRGAN."""

    def __init__(self, config: FsrNetConfig) -> None:
        super().__init__()
        width, folded = config.channels, config.folded

        def blocks(count: int) -> list[nn.Module]:
            return [Residual(width, folded) for _ in range(count)]

        self.coarse = nn.Sequential(
            ConvNorm(3, width, folded=folded), *blocks(3), nn.Conv2d(width, 3, 3, padding=1)
        )
        self.encoder = nn.Sequential(
            ConvNorm(3, width, stride=2, folded=folded),
            *blocks(12),
            ConvNorm(width, width, folded=folded),
        )
        self.prior = PriorEstimation(config)
        self.merge = ConvNorm(width + config.prior_channels, width, folded=folded)
        self.enlarge = nn.ConvTranspose2d(width, width, 4, 2, 1)
        self.decoder = nn.Sequential(*blocks(3), nn.Conv2d(width, 3, 3, padding=1))
        # Both images begin as the enlarged one, and the maps as empty.
        for last in (self.coarse[-1], self.decoder[-1], *self.prior.heads):
            silent(cast(nn.Conv2d, last))

    def forward(self, enlarged: Tensor) -> Estimate:
        """Return the estimate of enlarged inputs ``(N, 3, S, S)`` in -1..1."""
        coarse = enlarged + self.coarse(enlarged)
        prior, maps = self.prior(coarse)
        joined = self.merge(torch.cat([self.encoder(coarse), prior], dim=1))
        fine = enlarged + self.decoder(F.relu(self.enlarge(joined)))
        return Estimate(coarse, fine, maps)


FSRNET: Kind[FsrNetConfig, FsrNet] = Kind("foolrate-fsrnet-1", FsrNetConfig, FsrNet)


def fold(net: FsrNet, config: FsrNetConfig) -> tuple[FsrNet, FsrNetConfig]:
    """Return the same function with every batch norm inside its convolution, and its shape.

    `net` must be in evaluation mode.
    """
    shape = config.model_copy(update={"folded": True})
    folded = FsrNet(shape)
    weights = dict(net.state_dict())
    for name, module in net.named_modules():
        if isinstance(module, ConvNorm) and module.norm is not None:
            fused = fuse_conv_bn_eval(module.conv, module.norm)
            weights |= {f"{name}.conv.{key}": value for key, value in fused.state_dict().items()}
    folded.load_state_dict({key: weights[key] for key in folded.state_dict()})
    return folded.eval(), shape


class Critic(nn.Module):
    """Judges overlapping patches of an image beside its enlarged input (pix2pix's idea)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(6, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for step in (1, 2):
            inputs = width * step
            layers += [
                nn.Conv2d(inputs, 2 * inputs, 4, 2, 1, bias=False),
                nn.BatchNorm2d(2 * inputs),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(4 * width, 1, 3, padding=1))

    def forward(self, enlarged: Tensor, image: Tensor) -> Tensor:
        """Return a logit for each patch ``(N, 1, S/8, S/8)``: above 0 for real."""
        out: Tensor = self.layers(torch.cat([enlarged, image], dim=1))
        return out
