"""StyleGAN2's generator (Karras et al., CVPR 2020): mapping network, style modulation, noise.

The tensors have the names of the published files (stylegan2-ada-pytorch), so that such a file's
weights are these nets'. The published order of up-sampling is kept: a transposed convolution, then
the filter [1, 3, 3, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from generators.config import Strict
from generators.nets.checkpoint import Kind

FIRST = 4  # pixels of the constant input
GAIN = math.sqrt(2)  # of every activation
SLOPE = 0.2  # of LeakyReLU below zero
RATE = 0.01  # of the mapping network's learning rate
EPS = 1e-8


class StyleGanConfig(Strict):
    """The shape of a generator; `channels` are those of 4x4, 8x8 and so on to `size`.

    `colours` is 1 for grey images, which then come out with three equal channels. `clamp` bounds
    the activations, as in published nets that were trained in float16.
    """

    size: int = Field(ge=8, le=1024)
    z: int = Field(default=128, ge=1, le=4096)
    w: int = Field(default=128, ge=1, le=4096)
    mapping: int = Field(default=4, ge=1, le=16)  # layers
    channels: tuple[int, ...] = (128, 128, 96, 64, 32)
    colours: int = Field(default=3, ge=1, le=3)
    clamp: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> StyleGanConfig:
        levels = len(self.channels)
        if self.size != FIRST << (levels - 1) or min(self.channels) < 1:
            raise ValueError(
                f"channels {list(self.channels)} are those of {levels} resolutions from 4 pixels, "
                f"size is {self.size}"
            )
        if self.colours == 2:
            raise ValueError("colours is 2, expected 1 or 3")
        return self

    @property
    def sides(self) -> tuple[int, ...]:
        """The resolutions."""
        return tuple(FIRST << level for level in range(len(self.channels)))

    @property
    def noises(self) -> tuple[int, ...]:
        """The side of each noise input, in the order of the layers."""
        return (FIRST, *(side for side in self.sides[1:] for _ in range(2)))

    @property
    def layers(self) -> int:
        """How many layers take a latent vector of their own: the convolutions, the last colours."""
        return len(self.noises) + 1


class Dense(nn.Module):
    """A linear layer whose weights are scaled as it runs; `rate` slows its learning.

    It computes in float32 whatever the training's precision: styles multiply whole channels.
    """

    def __init__(
        self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0, act: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.rate, self.act = rate, act

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, outputs)``."""
        gain = self.rate / math.sqrt(self.weight.shape[1])
        with torch.autocast(x.device.type, enabled=False):
            out = F.linear(x.float(), self.weight * gain, self.bias * self.rate)
        return activate(out) if self.act else out


def activate(x: Tensor, clamp: float | None = None) -> Tensor:
    """Return LeakyReLU times its gain, clamped if wanted."""
    out = F.leaky_relu(x, SLOPE) * GAIN
    return out if clamp is None else out.clamp(-clamp, clamp)


class Mapping(nn.Module):
    """From z ``(N, z)`` to w ``(N, w)``."""

    def __init__(self, config: StyleGanConfig) -> None:
        super().__init__()
        self.count = config.mapping
        for number in range(config.mapping):
            inputs = config.w if number else config.z
            self.add_module(f"fc{number}", Dense(inputs, config.w, rate=RATE, act=True))

    def forward(self, z: Tensor) -> Tensor:
        """Return w."""
        x = z * (z.square().mean(1, keepdim=True) + EPS).rsqrt()
        for number in range(self.count):
            x = self.get_submodule(f"fc{number}")(x)
        return x


class StyledConv(nn.Module):
    """A convolution that a style modulates, with noise; `up` doubles the resolution."""

    def __init__(self, inputs: int, outputs: int, config: StyleGanConfig, *, up: bool) -> None:
        super().__init__()
        self.affine = Dense(config.w, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.up, self.clamp = up, config.clamp

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """Return ``(N, outputs, H, W)``, with twice the input's sides where `up`."""
        style = self.affine(w)
        # Scaling the activations by the style and the output by the weights' norm is the published
        # modulation and demodulation of the weights.
        power = self.weight.square().sum((2, 3))
        norm = ((style.square()[:, None] * power).sum(2) + EPS).rsqrt()
        x = x * _wide(style, x)
        x = _up_convolution(x, self.weight) if self.up else F.conv2d(x, self.weight, padding=1)
        x = x * _wide(norm, x) + (noise * self.noise_strength).to(x.dtype)
        return activate(x + self.bias.to(x.dtype)[:, None, None], self.clamp)


def _wide(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.dtype)[:, :, None, None]


def _up_convolution(x: Tensor, weight: Tensor) -> Tensor:
    x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return smooth(x, 1) * 4


def smooth(x: Tensor, padding: int) -> Tensor:
    """Return images filtered by [1, 3, 3, 1] / 8 in both directions, ``H + 2·padding - 3`` high."""
    count = x.shape[1]
    return F.conv2d(x, _filter(x).expand(count, 1, 4, 4), padding=padding, groups=count)


def _filter(like: Tensor) -> Tensor:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=like.device, dtype=like.dtype) / 8
    return torch.outer(taps, taps)


class ToColours(nn.Module):
    """The image of a resolution: a 1x1 convolution, modulated without demodulation."""

    def __init__(self, inputs: int, config: StyleGanConfig) -> None:
        super().__init__()
        self.affine = Dense(config.w, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(config.colours, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(config.colours))
        self.clamp = config.clamp

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Return ``(N, colours, H, W)`` in float32."""
        style = self.affine(w) / math.sqrt(self.weight.shape[1])
        made = F.conv2d(x * _wide(style, x), self.weight).float() + self.bias[:, None, None]
        return made if self.clamp is None else made.clamp(-self.clamp, self.clamp)


def enlarge(image: Tensor) -> Tensor:
    """Return an image of twice the sides: zeros between the pixels, then [1, 3, 3, 1] / 4."""
    count = image.shape[1]
    kernel = (_filter(image) * 4).expand(count, 1, 4, 4)
    return F.conv_transpose2d(image, kernel, stride=2, padding=1, groups=count)


class Level(nn.Module):
    """The layers of one resolution; the first begins with a learned constant."""

    def __init__(self, level: int, config: StyleGanConfig) -> None:
        super().__init__()
        outputs = config.channels[level]
        if level == 0:
            self.const = nn.Parameter(torch.randn(outputs, FIRST, FIRST))
        else:
            self.conv0 = StyledConv(config.channels[level - 1], outputs, config, up=True)
        self.conv1 = StyledConv(outputs, outputs, config, up=False)
        self.torgb = ToColours(outputs, config)
        self.first = level == 0

    def forward(
        self, x: Tensor | None, image: Tensor | None, ws: Tensor, noises: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return the features and the image so far; `ws` are its layers' and the next one's."""
        if x is None or image is None:
            x = self.const.expand(len(ws), -1, -1, -1)
        else:
            x = self.conv0(x, ws[:, 0], noises[0])
        x = self.conv1(x, ws[:, -2], noises[-1])
        made = self.torgb(x, ws[:, -1])
        return x, made if image is None else enlarge(image) + made


class Synthesis(nn.Module):
    """From the layers' vectors and noises to an image."""

    def __init__(self, config: StyleGanConfig) -> None:
        super().__init__()
        self.sides = config.sides
        for level, side in enumerate(self.sides):
            self.add_module(f"b{side}", Level(level, config))

    def forward(self, ws: Tensor, noises: Sequence[Tensor]) -> Tensor:
        """Return images ``(N, 3, S, S)``, about -1..1, of ``(N, layers, w)`` and the noises."""
        x: Tensor | None = None
        image: Tensor | None = None
        start = 0
        for side in self.sides:
            end = start + (1 if side == FIRST else 2)
            level = self.get_submodule(f"b{side}")
            x, image = level(x, image, ws[:, start : end + 1], noises[start:end])
            start = end
        made = cast(Tensor, image)
        return made.expand(-1, 3, -1, -1)


class StyleGan(nn.Module):
    """The generator."""

    def __init__(self, config: StyleGanConfig) -> None:
        super().__init__()
        self.mapping = Mapping(config)
        self.synthesis = Synthesis(config)

    def forward(self, ws: Tensor, noises: Sequence[Tensor]) -> Tensor:
        """Return what `Synthesis` does."""
        made: Tensor = self.synthesis(ws, noises)
        return made


STYLEGAN: Kind[StyleGanConfig, StyleGan] = Kind("foolrate-stylegan-1", StyleGanConfig, StyleGan)


def split_noise(flat: Tensor, sides: Sequence[int]) -> list[Tensor]:
    """Return noises ``(N, 1, side, side)`` cut from ``(N, sum of side²)``."""
    cut = torch.split(flat, [side * side for side in sides], dim=1)
    return [one.reshape(-1, 1, side, side) for one, side in zip(cut, sides, strict=True)]
