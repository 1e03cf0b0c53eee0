"""StyleGAN2's discriminator: residual, with the batch's spread as a feature; its losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.gan.stylegan import FIRST, Dense, activate, smooth

GROUP = 4  # images of which one spread is taken


class Conv(nn.Module):
    """A convolution whose weights are scaled as it runs; `down` halves the resolution."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, *, down: bool = False, act: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if act else None
        self.down, self.gain = down, 1 / math.sqrt(inputs * kernel * kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, outputs, H, W)``, or half of the sides."""
        kernel = self.weight.shape[-1]
        weight, padding, stride = self.weight * self.gain, kernel // 2, 1
        if self.down:
            # Filtered first, so that no frequency folds over; the filter's margin is the padding.
            x, padding, stride = smooth(x, (kernel + 1) // 2), 0, 2
        x = F.conv2d(x, weight, stride=stride, padding=padding)
        return x if self.bias is None else activate(x + self.bias.to(x.dtype)[:, None, None])


class Residual(nn.Module):
    """Two convolutions, the second with half the resolution, plus a 1x1 convolution of the input.

    The sum is divided by the root of two.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = Conv(inputs, inputs)
        self.second = Conv(inputs, outputs, down=True)
        self.skip = Conv(inputs, outputs, 1, down=True, act=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, outputs, H/2, W/2)``."""
        out: Tensor = (self.second(self.first(x)) + self.skip(x)) * math.sqrt(0.5)
        return out


class Discriminator(nn.Module):
    """Judges images ``(N, 3, S, S)``; `channels` are those of S, S/2 and so on to 4 pixels."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        last = channels[-1]
        self.start = Conv(3, channels[0], 1)
        self.blocks = nn.Sequential(*(Residual(a, b) for a, b in pairwise(channels)))
        self.join = Conv(last + 1, last)
        self.hidden = Dense(last * FIRST * FIRST, last, act=True)
        self.out = Dense(last, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return a logit for each image ``(N,)``: above 0 for real."""
        x = with_spread(self.blocks(self.start(images)))
        x = self.hidden(self.join(x).flatten(1))
        logit: Tensor = self.out(x)
        return logit[:, 0]


def with_spread(x: Tensor) -> Tensor:
    """Return features with one more channel: the mean standard deviation in a group of images.

    A generator that makes the same image for all latents is seen by it.
    """
    count, _, height, width = x.shape
    group = GROUP if count % GROUP == 0 else count
    members = x.float().reshape(group, count // group, *x.shape[1:])
    spread = (members.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    plane = spread.repeat(group)[:, None, None, None].expand(-1, 1, height, width)
    return torch.cat([x, plane.to(x.dtype)], dim=1)


def told_apart(real: Tensor, made: Tensor) -> Tensor:
    """Return the logistic loss, -log D(real) - log(1 - D(made)), the means over logits."""
    return F.softplus(-real.float()).mean() + F.softplus(made.float()).mean()


def not_saturating(made: Tensor) -> Tensor:
    """Return the generator's loss, -log D(made), of logits (Goodfellow et al., 2014)."""
    return F.softplus(-made.float()).mean()


def gradient_penalty(judge: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return R1 (Mescheder et al., 2018): ½ ‖∇D(x)‖², the mean over real images."""
    images = images.detach().requires_grad_()
    (slope,) = torch.autograd.grad(judge(images).sum(), images, create_graph=True)
    return 0.5 * slope.float().square().sum((1, 2, 3)).mean()
