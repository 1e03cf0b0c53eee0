"""Inception's bf16 operators: foolrate-cpu-kernels' where they are installed, else torch's.

Scores that were made with the kernels say so (`extractor.WINOGRAD`). Outputs go where they are
wanted, such as into some of the channels of a larger map.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from metrics.images.decode import Image
from metrics.networks.fused_conv import FusedConv


@functools.cache
def kernels() -> Any | None:
    """Return the kernels for Inception; None where they are not installed, right or wanted.

    FOOLRATE_NATIVE=0 asks to do without.
    """
    try:
        import foolrate_cpu_kernels
        from foolrate_cpu_kernels import inception
    except ImportError:
        return None
    unwanted = os.environ.get("FOOLRATE_NATIVE") == "0"
    return None if unwanted or foolrate_cpu_kernels.why_not() else inception


def has_kernel(conv: nn.Conv2d) -> bool:
    """Return whether a convolution is one of those that the kernels do."""
    fast = kernels()
    return bool(fast and fast.suits(conv))


class WinogradConv(nn.Module):
    """ReLU of a convolution, of bfloat16 images by the kernels."""

    def __init__(self, fused: FusedConv) -> None:
        """Take a convolution that `has_kernel`, with its weights in float32 and a ReLU."""
        super().__init__()
        conv = fused.conv
        fast = kernels()
        self.fallback, self.conv = fused, conv
        self.packed: Tensor | None = fast.pack(conv) if fast else None
        self.bias = (
            torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach().clone()
        )

    def forward(self, x: Tensor, into: Tensor | None = None) -> Tensor:
        """Return the result, written to `into` if given; both may be channels of larger maps."""
        fast = _kernels_for(x)
        if fast is None or self.packed is None:
            return _copied(self.fallback(x), into)
        conv = self.conv
        paddings = (int(side) for side in conv.padding)
        grown = zip(x.shape[2:], paddings, conv.kernel_size, strict=True)
        height, width = (side + 2 * pad - kernel + 1 for side, pad, kernel in grown)
        if into is None:
            into = empty_map(x, conv.out_channels, height, width)
        made: Tensor = fast.convolve(conv, x, self.packed, self.bias, into)
        return made


def max_pool(x: Tensor, stride: int, pad: int, into: Tensor | None = None) -> Tensor:
    """Return the largest of each 3x3 window of what a ReLU has left."""
    fast = _kernels_for(x)
    if fast is None:
        return _copied(functional.max_pool2d(x, 3, stride, pad), into)
    height, width = ((side + 2 * pad - 3) // stride + 1 for side in x.shape[2:])
    if into is None:
        into = empty_map(x, x.shape[1], height, width)
    made: Tensor = fast.largest(x, stride, pad, into)
    return made


def average_pool(x: Tensor, into: Tensor) -> Tensor:
    """Return ReLU of the mean of the 3x3 around each pixel, without what lies outside."""
    fast = _kernels_for(x)
    if fast is None:
        mean = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return into.copy_(mean.relu_())
    made: Tensor = fast.average(x, into)
    return made


def resize(image: Image, side: int) -> Tensor:
    """Return the image ``(3, side, side)`` bf16 in -1..1, by TensorFlow 1's bilinear resize.

    By the kernels only: `inception.preprocess` is torch's.
    """
    fast = kernels()
    if fast is None:
        raise RuntimeError("the kernels' resize was asked for where there are no kernels")
    made: Tensor = fast.resize(image, side)
    return made


def empty_map(x: Tensor, channels: int, height: int, width: int) -> Tensor:
    """Return a map for as many images as x, of its kind, with anything in it."""
    shape = (x.shape[0], channels, height, width)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


def _kernels_for(x: Tensor) -> Any | None:
    return kernels() if x.dtype == torch.bfloat16 and x.device.type == "cpu" else None


def _copied(made: Tensor, into: Tensor | None) -> Tensor:
    return made if into is None else into.copy_(made)
