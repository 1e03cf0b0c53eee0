"""EfficientNet-lite0: an ImageNet classifier that comes with the dependencies.

Its distances are a stand-in for a machine without the Inception file, and carry its name: they are
never FID. Its logits give top-1 and top-5 accuracy.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from metrics.images.decode import Image
from metrics.networks.extractor import Extractor, extractor, fill, load_state, precision_on
from metrics.networks.fused_conv import FusedConv, fold
from metrics.weights.registry import WeightsFile

SIDE = 224
WIDTH = 1280
CLASSES = 1000
MEGABYTES = 30  # of an image's maps on an accelerator, with room to spare
RESIZE = "shorter side to 224 (bicubic, antialiased), central crop"


# A block's convolutions, their batch norms, and the activation after them.
_BLOCK = (
    ("_expand_conv", "_bn0", "relu6"),
    ("_depthwise_conv", "_bn1", "relu6"),
    ("_project_conv", "_bn2", "none"),
)


class _Block(nn.Module):
    """An inverted residual block with its batch norms and activations inside the convolutions."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        parts = [_fused(block, *names) for names in _BLOCK if hasattr(block, names[0])]
        self.layers = nn.Sequential(*parts)
        how: Any = block._block_args
        self.skips = how.id_skip and how.stride == 1 and how.input_filters == how.output_filters

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.layers(x)
        return inner + x if self.skips else inner


def _fused(owner: nn.Module, convolution: str, norm: str, activation: str) -> nn.Module:
    conv, pad = fold(getattr(owner, convolution), getattr(owner, norm)), None
    if isinstance(conv.static_padding, nn.ZeroPad2d):
        left, right, top, bottom = conv.static_padding.padding
        if (left, top) == (right, bottom):
            conv.padding = (top, left)
        else:  # TensorFlow's padding of strided convolutions, more below and on the right
            pad = conv.static_padding
    fused = FusedConv(conv, activation)
    return nn.Sequential(pad, fused) if pad else fused


class _Pooled(nn.Module):
    """The network up to the pooled features."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        stem = _fused(net, "_conv_stem", "_bn0", "relu6")
        head = _fused(net, "_conv_head", "_bn1", "relu6")
        self.layers = nn.Sequential(stem, *[_Block(block) for block in net._blocks], head)

    def forward(self, batch: Tensor) -> Tensor:
        features: Tensor = self.layers(batch)
        return features.mean((2, 3))


def load(found: WeightsFile, precision: str, *, device: str = "cpu") -> Extractor:
    """Return the EfficientNet-lite0 extractor. Raises `WeightsError` for a misfit."""
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0")
    state = load_state(found.path, "effnet_lite0")
    fill(net, state, found.path)
    return extractor(
        "effnet_lite0",
        _Pooled(net.eval()),
        found,
        preprocess,
        width=WIDTH,
        resize=RESIZE,
        precision=precision_on(device, precision),
        device=device,
        megabytes=MEGABYTES,
        head=(state["_fc.weight"].numpy(), state["_fc.bias"].numpy()),
    )


def preprocess(image: Image) -> Tensor:
    """Return the image ``(3, 224, 224)`` fp32, ``(rgb - 127) / 128``, central part only."""
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    height, width = pixels.shape[2:]
    scale = SIDE / min(height, width)
    size = (max(SIDE, round(height * scale)), max(SIDE, round(width * scale)))
    if size != (height, width):
        pixels = functional.interpolate(pixels, size, mode="bicubic", antialias=True)
    top, left = (size[0] - SIDE) // 2, (size[1] - SIDE) // 2
    cropped = pixels[0, :, top : top + SIDE, left : left + SIDE]
    return (cropped.clamp(0, 255) - 127) / 128
