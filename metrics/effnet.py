"""EfficientNet-lite0: an ImageNet classifier that comes with the dependencies.

Its distances are a stand-in for a machine without the Inception file, and carry its name: they are
never FID. Its logits give top-1 and top-5 accuracy.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from metrics.backbone import Extractor, fill, fold, load_state, ready
from metrics.decode import Image
from metrics.weights import Found

SIDE = 224
WIDTH = 1280
CLASSES = 1000
BATCH = 32
RESIZE = "shorter side to 224 (bicubic, antialiased), central crop"


class _Pooled(nn.Module):
    """The network up to the pooled features."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, batch: Tensor) -> Tensor:
        features: Tensor = self.net.extract_features(batch)  # type: ignore[operator]
        return features.mean((2, 3))


def load(found: Found, precision: str, *, compiled: bool = False) -> Extractor:
    """Return the EfficientNet-lite0 extractor. Raises `WeightsError` for a misfit."""
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0")
    state = load_state(found.path, "effnet_lite0")
    fill(net, state, found.path)
    pairs = [("_conv_stem", "_bn0"), ("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1")]
    pairs += [("_project_conv", "_bn2"), ("_conv_head", "_bn1")]
    return Extractor(
        name="effnet_lite0",
        width=WIDTH,
        resize=RESIZE,
        precision=precision,
        weights_digest=found.digest,
        published=found.published,
        batch=BATCH,
        preprocess=preprocess,
        network=ready(_Pooled(fold(net, pairs)), precision, compiled=compiled),
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
