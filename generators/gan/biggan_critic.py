"""BigGAN-deep's discriminator, which knows the class by projection, and the hinge losses."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from generators.config import Strict
from generators.gan.biggan import SQUEEZE, SelfAttention


class CriticConfig(Strict):
    """The shape of a discriminator.

    `multipliers` are those of `channels` at the trunk's side, half of it and so on to 4 pixels;
    `attention` is the side after whose blocks it stands.
    """

    channels: int = Field(default=128, ge=1, le=1024)
    multipliers: tuple[int, ...]
    attention: int = 64


class Down(nn.Module):
    """A bottleneck of ReLUs and convolutions; `down` halves the side by averages.

    Channels that the skip lacks are appended to it by a 1x1 convolution.
    """

    def __init__(self, inputs: int, outputs: int, *, down: bool) -> None:
        super().__init__()
        inner = max(1, outputs // SQUEEZE)
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(inputs, inner, 1),
                nn.Conv2d(inner, inner, 3, padding=1),
                nn.Conv2d(inner, inner, 3, padding=1),
                nn.Conv2d(inner, outputs, 1),
            ]
        )
        self.more = nn.Conv2d(inputs, outputs - inputs, 1) if outputs > inputs else None
        self.down = down

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, outputs, H, W)``, or of half the sides."""
        h = x
        for number, conv in enumerate(self.convs):
            h = h.relu()
            h = conv(F.avg_pool2d(h, 2) if self.down and number == 3 else h)
        skip = F.avg_pool2d(x, 2) if self.down else x
        whole: Tensor = skip if self.more is None else torch.cat([skip, self.more(skip)], dim=1)
        return whole + h


class BigCritic(nn.Module):
    """Judges images ``(N, 3, S, S)`` of known classes."""

    def __init__(self, config: CriticConfig, classes: int, size: int, patch: int = 1) -> None:
        super().__init__()
        self.patch = patch
        widths = [config.channels * multiplier for multiplier in config.multipliers]
        self.first = nn.Conv2d(3 * patch**2, config.channels, 3, padding=1)
        blocks: list[nn.Module] = []
        for inputs, outputs in pairwise([config.channels, *widths]):
            blocks += [
                Down(inputs, outputs, down=True),
                Down(outputs, outputs, down=False),
            ]
        self.blocks = nn.ModuleList(blocks)
        sides = [size // patch >> level for level in range(1, len(widths) + 1)]
        place = sides.index(config.attention)
        self.attends_after = 2 * place + 1
        self.attention = SelfAttention(widths[place])
        self.out = nn.Linear(widths[-1], 1)
        self.embedding = nn.Embedding(classes, widths[-1])

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        """Return a score for each image ``(N,)``: above 0 for real."""
        h = self.first(F.pixel_unshuffle(images, self.patch) if self.patch > 1 else images)
        for number, block in enumerate(self.blocks):
            h = block(h)
            if number == self.attends_after:
                h = self.attention(h)
        seen = h.relu().sum((2, 3)).float()
        by_class = (self.embedding(label).float() * seen).sum(1)
        score: Tensor = self.out(seen)[:, 0].float() + by_class
        return score


def hinge(real: Tensor, made: Tensor) -> Tensor:
    """Return the discriminator's hinge loss of scores, max(0, 1 - D(x)) + max(0, 1 + D(G(z)))."""
    return F.relu(1 - real).mean() + F.relu(1 + made).mean()
