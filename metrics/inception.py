"""The Inception network of the published FID, built from torch-fidelity's own blocks."""

from __future__ import annotations

from collections import OrderedDict
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from metrics.backbone import Extractor, fill, fold, load_state, ready
from metrics.decode import Image
from metrics.torchvision_cure import cure
from metrics.weights import Found

SIDE = 299
WIDTH = 2048
CLASSES = 1008
BATCH = 32
RESIZE = "TF1 bilinear to 299x299"


def network() -> nn.Sequential:
    """Return the layers up to the pooled 2048 features, named as in the published file."""
    cure()
    from torch_fidelity import feature_extractor_inceptionv3 as blocks

    conv = blocks.BasicConv2d
    layers: list[tuple[str, nn.Module]] = [
        ("Conv2d_1a_3x3", conv(3, 32, kernel_size=3, stride=2)),
        ("Conv2d_2a_3x3", conv(32, 32, kernel_size=3)),
        ("Conv2d_2b_3x3", conv(32, 64, kernel_size=3, padding=1)),
        ("MaxPool_1", nn.MaxPool2d(kernel_size=3, stride=2)),
        ("Conv2d_3b_1x1", conv(64, 80, kernel_size=1)),
        ("Conv2d_4a_3x3", conv(80, 192, kernel_size=3)),
        ("MaxPool_2", nn.MaxPool2d(kernel_size=3, stride=2)),
        ("Mixed_5b", blocks.InceptionA(192, pool_features=32)),
        ("Mixed_5c", blocks.InceptionA(256, pool_features=64)),
        ("Mixed_5d", blocks.InceptionA(288, pool_features=64)),
        ("Mixed_6a", blocks.InceptionB(288)),
        ("Mixed_6b", blocks.InceptionC(768, channels_7x7=128)),
        ("Mixed_6c", blocks.InceptionC(768, channels_7x7=160)),
        ("Mixed_6d", blocks.InceptionC(768, channels_7x7=160)),
        ("Mixed_6e", blocks.InceptionC(768, channels_7x7=192)),
        ("Mixed_7a", blocks.InceptionD(768)),
        ("Mixed_7b", blocks.InceptionE_1(1280)),
        ("Mixed_7c", blocks.InceptionE_2(2048)),
        ("pool", nn.AdaptiveAvgPool2d(1)),
        ("flat", nn.Flatten()),
    ]
    return nn.Sequential(OrderedDict(layers))


def load(found: Found, precision: str, *, compiled: bool = False) -> Extractor:
    """Return the Inception extractor. Raises `WeightsError` for a file that does not fit.

    The class head has no bias, as in the published Inception Score ("unbiased" logits).
    """
    state = load_state(found.path, "inception")
    weight = state.pop("fc.weight", torch.empty(0)).numpy()
    state.pop("fc.bias", None)
    layers = network()
    fill(layers, state, found.path)
    return Extractor(
        name="inception",
        width=WIDTH,
        resize=RESIZE,
        precision=precision,
        weights_digest=found.digest,
        published=found.published,
        batch=BATCH,
        preprocess=preprocess,
        network=ready(fold(layers, [("conv", "bn")]), precision, compiled=compiled),
        head=(weight, np.zeros(len(weight), np.float32)),
    )


def resize_matrix(side: int, size: int = SIDE) -> Tensor:
    """Return the ``(size, side)`` matrix of TensorFlow 1's bilinear resize along one axis.

    Output pixel i reads position i * side / size, without the half-pixel shift: the resize that
    the published Inception graph has, and the reason why FIDs with other resizes differ.
    """
    position = torch.arange(size, dtype=torch.float32) * torch.tensor(side / size)
    low = position.long()
    high = (low + 1).clamp_max(side - 1)
    fraction = position - low
    matrix = torch.zeros(size, side)
    rows = torch.arange(size)
    matrix[rows, low] += 1 - fraction
    matrix[rows, high] += fraction
    return matrix


_matrix = cache(resize_matrix)


def preprocess(image: Image) -> Tensor:
    """Return the image ``(3, 299, 299)`` fp32 in -1..1, resized as two matrix products."""
    pixels = torch.from_numpy(image).permute(2, 0, 1).float()
    height, width = pixels.shape[1:]
    return (_matrix(height) @ pixels @ _matrix(width).T - 128) / 128
