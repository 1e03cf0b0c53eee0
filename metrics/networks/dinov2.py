"""DINOv2 (Oquab et al. 2023): the vision transformer behind FD-DINOv2 (Stein et al. 2023).

The user supplies the official file; its layers are built here under the file's own names, small,
base or large as the shapes in it say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor, nn
from torch.nn import functional

from metrics.errors import WeightsError
from metrics.images.decode import Image
from metrics.networks.extractor import Extractor, extractor, fill, load_state, precision_on
from metrics.weights.registry import WeightsFile

SIDE = 224
PATCH = 14
GRID = SIDE // PATCH
WIDTH = 1024  # of the large network, the published one for FD-DINOv2
MEGABYTES = 30  # of an image's maps on an accelerator, with room to spare
RESIZE = "Pillow bicubic to 224x224, 8 bits"
_HEAD = 64  # features of an attention head, in all three sizes
_MEAN = torch.tensor([0.485, 0.456, 0.406])  # ImageNet's, of pixels in 0..1
_DEVIATION = torch.tensor([0.229, 0.224, 0.225])
_EPSILON = 1e-6


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        count, tokens, width = x.shape
        split = self.qkv(x).reshape(count, tokens, 3, width // _HEAD, _HEAD)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.proj(mixed.transpose(1, 2).reshape(x.shape))
        return result


class _Perceptron(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return result


class _Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, _EPSILON) for _ in range(2))
        self.attn, self.mlp = _Attention(width), _Perceptron(width)
        self.ls1, self.ls2 = _Scale(width), _Scale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        result: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return result


class VisionTransformer(nn.Module):
    """The network from normalised images ``(N, 3, 224, 224)`` to class tokens ``(N, width)``."""

    def __init__(self, width: int, depth: int, positions: int) -> None:
        """Take the number of features, of blocks, and of trained positions, class token included.

        Convert the positions by `at_grid` after filling them.
        """
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, positions, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, PATCH, PATCH)})
        self.blocks = nn.ModuleList([_Block(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width, _EPSILON)

    def forward(self, batch: Tensor) -> Tensor:
        """Return the normalised class tokens."""
        patches = self.patch_embed["proj"](batch).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(batch), -1, -1), patches], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.norm(x[:, 0])
        return result


def at_grid(positions: Tensor, grid: int = GRID) -> Tensor:
    """Return trained positions ``(1, 1 + n², width)`` brought to ``(1, 1 + grid², width)``.

    As the official network does: bicubic, without antialiasing, by a factor with 0.1 added to the
    grid, which moves the positions a little and is part of the published features.
    """
    trained = round((positions.shape[1] - 1) ** 0.5)
    if trained == grid:
        return positions
    square = positions[:, 1:].reshape(1, trained, trained, -1).permute(0, 3, 1, 2)
    factor = (grid + 0.1) / trained
    moved = functional.interpolate(square, scale_factor=(factor, factor), mode="bicubic")
    return torch.cat([positions[:, :1], moved.permute(0, 2, 3, 1).flatten(1, 2)], 1)


def build(state: Mapping[str, Tensor], found: WeightsFile) -> VisionTransformer:
    """Return the network of a state dict. Raises `WeightsError` for another kind of file."""
    try:
        positions, width = state["pos_embed"].shape[1:]
    except (KeyError, ValueError):
        raise WeightsError(f"{found.path}: not a DINOv2 file, it has no 'pos_embed'") from None
    depth = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
    network = VisionTransformer(width, depth, positions)
    fill(network, {key: value for key, value in state.items() if key != "mask_token"}, found.path)
    network.pos_embed = nn.Parameter(at_grid(network.pos_embed.detach()))
    return network


def load(found: WeightsFile, precision: str, *, device: str = "cpu") -> Extractor:
    """Return the DINOv2 extractor. Raises `WeightsError` for a file that does not fit."""
    network = build(load_state(found.path, "dinov2"), found)
    return extractor(
        "dinov2",
        network,
        found,
        preprocess,
        width=network.norm.normalized_shape[0],
        resize=RESIZE,
        precision=precision_on(device, precision),
        device=device,
        megabytes=MEGABYTES,
    )


def preprocess(image: Image) -> Tensor:
    """Return the image ``(3, 224, 224)`` fp32, normalised by ImageNet's mean and deviation."""
    resized: Any = PIL.Image.fromarray(image)
    if resized.size != (SIDE, SIDE):
        resized = resized.resize((SIDE, SIDE), PIL.Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(resized)).float() / 255
    return ((pixels - _MEAN) / _DEVIATION).permute(2, 0, 1)
