"""ADM: our U-Net that also predicts a variance, and the noisy classifier that may guide it."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from generators.config import Strict
from generators.diffusion.discrete import Betas, Discrete, whole
from generators.diffusion.process import Prediction
from generators.nets.blocks import Embedding, NormAct, ResBlock
from generators.nets.checkpoint import Kind
from generators.nets.unet import UNet, UNetConfig, attention, block, descent


class _OfSteps(Strict):
    """A net that is asked at a step t of a discrete process, 0..T-1."""

    size: int = Field(ge=4)  # of the images, pixels
    steps: int = Field(default=1000, ge=2, le=1_000_000)  # T
    schedule: Betas = "cosine"
    net: UNetConfig
    classes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_asked_at_steps(self) -> _OfSteps:
        if self.net.gamma_scale != 1:
            raise ValueError(
                f"net.gamma_scale is {self.net.gamma_scale}: the net is asked at t = 0 … T-1, "
                "expected 1"
            )
        if self.net.level_embedding:
            raise ValueError("net.level_embedding: ADM has no augmentation levels")
        if self.size % self.net.stride:
            raise ValueError(f"size {self.size} is no multiple of {self.net.stride}")
        return self

    def process(self) -> Discrete:
        """Return the process that the net is trained on."""
        return whole(self.schedule, self.steps)


class AdmModel(_OfSteps):
    """An ADM net: three channels of prediction and three of v, which says the variance.

    `factor` above 1 makes it an upsampler, which also sees the small image enlarged bilinearly.
    """

    factor: int = Field(default=1, ge=1)
    prediction: Prediction = "epsilon"

    @model_validator(mode="after")
    def _fits(self) -> AdmModel:
        expected = 6 if self.factor > 1 else 3
        if (self.net.in_channels, self.net.out_channels) != (expected, 6):
            found = self.net.in_channels, self.net.out_channels
            raise ValueError(f"net channels in and out are {found}, expected {(expected, 6)}")
        if self.net.classes != len(self.classes):
            raise ValueError(
                f"net.classes is {self.net.classes}, classes lists {len(self.classes)}"
            )
        return self


class ClassifierModel(_OfSteps):
    """A noisy classifier: the downward half of a U-Net, then attention pooling."""

    @model_validator(mode="after")
    def _fits(self) -> ClassifierModel:
        if self.net.in_channels != 3 or self.net.classes:
            raise ValueError("a classifier's net has in_channels 3 and no classes of its own")
        if len(self.classes) < 2:
            raise ValueError("classes: expected at least two")
        return self


class AttentionPool(nn.Module):
    """Attention of the mean position to all positions, then a linear layer (CLIP's pooling)."""

    def __init__(self, side: int, channels: int, heads: int, outputs: int) -> None:
        super().__init__()
        self.heads = heads
        self.position = nn.Parameter(torch.randn(channels, side**2 + 1) / channels**0.5)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, outputs)`` of ``(N, C, H, W)``."""
        n, c = x.shape[:2]
        flat = x.flatten(2)
        tokens = torch.cat([flat.mean(2, keepdim=True), flat], dim=2) + self.position
        qkv = self.qkv(tokens.transpose(1, 2)).reshape(n, -1, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q[:, :, :1], k, v)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(n, c))
        return out


class NoisyClassifier(nn.Module):
    """Says the class of a noisy image, given its step t (Dhariwal and Nichol 2021, section 4)."""

    def __init__(self, config: ClassifierModel) -> None:
        super().__init__()
        self.config = config
        net = config.net
        self.gamma = Embedding(net.channels, 4 * net.channels, net.gamma_scale)
        self.first = nn.Conv2d(net.in_channels * net.patch**2, net.channels, 3, padding=1)
        self.down, self.down_attention, skips = descent(net)
        channels = skips[-1]
        self.middle1 = block(net, channels, channels)
        self.middle_attention = attention(net, channels) if net.mid_attention else nn.Identity()
        self.middle2 = block(net, channels, channels)
        self.norm = NormAct(channels, net.norm_eps)
        heads = net.heads or max(1, channels // net.head_channels)
        self.pool = AttentionPool(config.size // net.stride, channels, heads, len(config.classes))

    def forward(self, y: Tensor, t: Tensor) -> Tensor:
        """Return the logits ``(N, classes)`` of noisy images ``(N, 3, H, W)`` at steps ``(N,)``."""
        embedding = F.silu(self.gamma(t))
        patch = self.config.net.patch
        h = self.first(F.pixel_unshuffle(y, patch) if patch > 1 else y)
        for resblock, attend in zip(self.down, self.down_attention, strict=True):
            h = attend(_through(resblock, h, embedding))
        h = self.middle_attention(_through(self.middle1, h, embedding))
        out: Tensor = self.pool(self.norm(_through(self.middle2, h, embedding)))
        return out


def _through(resblock: nn.Module, h: Tensor, embedding: Tensor) -> Tensor:
    out: Tensor = resblock(h, cast(ResBlock, resblock).modulate(embedding))
    return out


ADM: Kind[AdmModel, UNet] = Kind("foolrate-adm-1", AdmModel, lambda config: UNet(config.net))
CLASSIFIER: Kind[ClassifierModel, NoisyClassifier] = Kind(
    "foolrate-noisy-classifier-1", ClassifierModel, NoisyClassifier
)
