"""The Inception network of the published FID, ready for extraction."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from PIL.Image import Resampling
from torch import Tensor
from torch.nn import functional

from generators.resize import resize_float
from metrics.images.decode import Image
from metrics.networks.devices import on_processor
from metrics.networks.extractor import (
    WINOGRAD,
    Extractor,
    extractor,
    fill,
    load_state,
    precision_on,
)
from metrics.networks.fused_conv import fuse_children
from metrics.networks.inception_blocks import rearrange, staged
from metrics.networks.inception_layers import ConvNorm, network
from metrics.networks.operators import kernels, resize
from metrics.weights.registry import WeightsFile

SIDE = 299
WIDTH = 2048
CLASSES = 1008
MEGABYTES = 40  # of an image's maps on an accelerator, with room to spare
RESIZE = "TF1 bilinear to 299x299"
CLEAN = "clean-fid: Pillow bicubic (antialiased) to 299x299, in floats, clipped"


def load(
    found: WeightsFile, precision: str, *, clean: bool = False, device: str = "cpu"
) -> Extractor:
    """Return the Inception extractor. Raises `WeightsError` for a file that does not fit.

    Images are resized as by the published graph, or with `clean` as by clean-fid.

    The class head has no bias, as in the published Inception Score ("unbiased" logits).
    """
    state = load_state(found.path, "inception")
    weight = state.pop("fc.weight", torch.empty(0)).numpy()
    state.pop("fc.bias", None)
    layers = network()
    fill(layers, state, found.path)
    fuse_children(layers, ConvNorm, ("conv", "bn"), "relu")
    processor = on_processor(device)
    winograd = processor and precision == "bf16" and kernels() is not None
    layers = staged(rearrange(layers), winograd, pieces=processor)
    precision = WINOGRAD if winograd else precision_on(device, precision)
    return extractor(
        "inception",
        layers,
        found,
        _preprocess(clean, winograd),
        width=WIDTH,
        resize=CLEAN if clean else RESIZE,
        precision=precision,
        device=device,
        megabytes=MEGABYTES,
        head=(weight, np.zeros(len(weight), np.float32)),
    )


def _preprocess(clean: bool, winograd: bool) -> Callable[[Image], Tensor]:
    if clean:
        return preprocess_clean
    return partial(resize, side=SIDE) if winograd else preprocess


def preprocess_clean(image: Image) -> Tensor:
    """Return the image ``(3, 299, 299)`` fp32 in -1..1, resized as clean-fid's mode "clean" does.

    Parmar, Zhang and Zhu 2022: Pillow's antialiased bicubic on each channel in floats, clipped to
    0..255 and not rounded.
    """
    resized = resize_float(image, (SIDE, SIDE), Resampling.BICUBIC).clip(0, 255)
    return torch.from_numpy(resized).sub_(128).div_(128).permute(2, 0, 1)


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
