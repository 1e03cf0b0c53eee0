"""The Inception network of the published FID, built from torch-fidelity's own blocks."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from metrics.images.decode import Image
from metrics.networks.extractor import WINOGRAD, Extractor, fill, load_state, ready
from metrics.networks.fused_conv import fuse_children
from metrics.networks.inception_blocks import rearrange, staged
from metrics.networks.operators import kernels, resize
from metrics.networks.torchvision_import import cure
from metrics.weights.registry import WeightsFile

SIDE = 299
WIDTH = 2048
CLASSES = 1008
BATCH = 8  # more would leave the processor's cache, and is slower
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


def _basic_convolution() -> type[nn.Module]:
    from torch_fidelity.feature_extractor_inceptionv3 import BasicConv2d

    kind: type[nn.Module] = BasicConv2d
    return kind


def load(found: WeightsFile, precision: str) -> Extractor:
    """Return the Inception extractor. Raises `WeightsError` for a file that does not fit.

    The class head has no bias, as in the published Inception Score ("unbiased" logits).
    """
    state = load_state(found.path, "inception")
    weight = state.pop("fc.weight", torch.empty(0)).numpy()
    state.pop("fc.bias", None)
    layers = network()
    fill(layers, state, found.path)
    fuse_children(layers, _basic_convolution(), ("conv", "bn"), "relu")
    winograd = precision == "bf16" and kernels() is not None
    layers = staged(rearrange(layers), winograd)
    precision = WINOGRAD if winograd else precision
    return Extractor(
        name="inception",
        width=WIDTH,
        resize=RESIZE,
        precision=precision,
        weights_digest=found.digest,
        published=found.published,
        batch=BATCH,
        preprocess=partial(resize, side=SIDE) if winograd else preprocess,
        network=ready(layers, precision),
        head=(weight, np.zeros(len(weight), np.float32)),
    )


def preprocess(image: Image) -> Tensor:
    """Return the image ``(3, 299, 299)`` fp32 in -1..1.

    Output pixel i reads position i * side / 299, without the half-pixel shift: TensorFlow 1's
    bilinear resize, which the published Inception graph has, and the reason why FIDs with other
    resizes differ. PyTorch's resize with aligned corners, of side + 1 pixels to 300, has the same
    positions, and is done in one pass.
    """
    pixels = torch.from_numpy(image)
    pixels = torch.cat([pixels, pixels[-1:]])
    pixels = torch.cat([pixels, pixels[:, -1:]], 1)
    scaled = pixels.float().sub_(128).div_(128).permute(2, 0, 1)[None]
    size = (SIDE + 1, SIDE + 1)
    resized = functional.interpolate(scaled, size, mode="bilinear", align_corners=True)
    cut = resized[:, :, :SIDE, :SIDE]
    return cut.contiguous(memory_format=torch.channels_last)[0]  # as the network wants it
