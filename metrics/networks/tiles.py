"""Inception's bf16 layers in compiled C: convolutions with fewer products, pools, the resize.

For processors with bfloat16 products and no matrix unit (`faster`); elsewhere torch does all of it.
Outputs go where they are wanted, such as into some of the channels of a larger map.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from generators.nets.conv3x3 import faster
from generators.nets.native_code import call
from metrics.images.decode import Image
from metrics.networks.fused_conv import FusedConv

__all__ = ["TileConv", "average", "blank", "faster", "largest", "resize", "suits"]

_LANES = 32  # outputs, and channels of a pool, come in groups of this many
_MOST_INPUTS = 4096


def _at_points(points: Sequence[float], taps: int) -> NDArray[np.float64]:
    """Return the matrix ``(points + 1, taps)`` that takes weights to the points and infinity.

    The polynomial of the weights at each point, divided by the product of the distances to the
    other points (Toom and Cook's; Lavin and Gray 2016): the C source has the other two matrices.
    """
    rows = [np.array([point**power for power in range(taps)]) for point in points]
    far = [np.prod([point - other for other in points if other != point]) for point in points]
    last = [float(power == taps - 1) for power in range(taps)]
    return np.array([*(row / distance for row, distance in zip(rows, far, strict=True)), last])


def _five() -> NDArray[np.float64]:
    made = np.zeros((7, 5))
    made[:4, :3] = _at_points((0, 1, -1), 3)
    made[4:, 3:] = _at_points((0, 1), 2)
    return made


def _seven() -> NDArray[np.float64]:
    made = np.zeros((11, 7))
    made[:6, :4] = _at_points((0, 2 / 3, -2 / 3, 3 / 2, -3 / 2), 4)
    made[6:, 4:] = _at_points((0, 3 / 4, -3 / 4, 2), 3)
    return made


_ONE, _THREE, _FIVE, _SEVEN = np.eye(1), _at_points((0, 1, -1), 3), _five(), _seven()
_FOUR = _at_points((0, 2 / 3, -2 / 3, 3 / 2, -3 / 2), 3)
# How rows and columns are convolved, in the order of the C source.
_SHAPES: dict[tuple[int, ...], tuple[NDArray[np.float64], NDArray[np.float64]]] = {
    (3, 3): (_THREE, _FOUR),
    (5, 5): (_FIVE, _FIVE),
    (1, 3): (_ONE, _FOUR),
    (3, 1): (_FOUR, _ONE),
    (1, 7): (_ONE, _SEVEN),
    (7, 1): (_SEVEN, _ONE),
}


def suits(conv: nn.Conv2d) -> bool:
    """Return whether a convolution is one of those that `TileConv` does."""
    return (
        conv.kernel_size in _SHAPES
        and conv.stride == conv.dilation == (1, 1)
        and conv.groups == 1
        and conv.in_channels % 16 == 0
        and conv.in_channels <= _MOST_INPUTS
        and conv.out_channels % _LANES == 0
    )


class TileConv(nn.Module):
    """ReLU of a convolution, of bfloat16 images by Winograd's minimal filtering."""

    def __init__(self, fused: FusedConv) -> None:
        """Take a convolution that `suits`, with its weights in float32 and a ReLU."""
        super().__init__()
        conv = fused.conv
        self.plain, self.conv, self.packed = fused, conv, _pack(conv)
        self.bias = (
            torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach().clone()
        )

    def forward(self, x: Tensor, into: Tensor | None = None) -> Tensor:
        """Return the result, written to `into` if given; both may be channels of larger maps."""
        if not _native(x):
            return _put(self.plain(x), into)
        conv = self.conv
        (top, left), size = (int(side) for side in conv.padding), x.shape[2:]
        grown = zip(size, (top, left), conv.kernel_size, strict=True)
        height, width = (side + 2 * pad - kernel + 1 for side, pad, kernel in grown)
        if into is None:
            into = blank(x, conv.out_channels, height, width)
        place = (*size, _step(x), conv.in_channels, height, width, _step(into), conv.out_channels)
        kind = list(_SHAPES).index(conv.kernel_size)
        arrays = (x, self.packed, self.bias, into)
        call("tiles_convolve", *arrays, kind, x.shape[0], *place, top, left)
        return into


def _pack(conv: nn.Conv2d) -> Tensor:
    """Return the weights at the points, ``(points, K / 32, C / 2, 32, 2)`` in bfloat16."""
    rows, columns = (torch.from_numpy(side) for side in _SHAPES[conv.kernel_size])
    weight = conv.weight.detach().double()
    made = torch.einsum("ai,bj,ocij->aboc", rows, columns, weight).flatten(0, 1)
    outputs, inputs = weight.shape[:2]
    panels = made.view(-1, outputs // _LANES, _LANES, inputs // 2, 2)
    return panels.permute(0, 1, 3, 2, 4).contiguous().bfloat16()


def largest(x: Tensor, stride: int, pad: int, into: Tensor | None = None) -> Tensor:
    """Return the largest of each 3x3 window of what a ReLU has left."""
    if not _native(x):
        return _put(functional.max_pool2d(x, 3, stride, pad), into)
    height, width = ((side + 2 * pad - 3) // stride + 1 for side in x.shape[2:])
    if into is None:
        into = blank(x, x.shape[1], height, width)
    shape = (x.shape[0], *x.shape[2:], _step(x), x.shape[1], height, width, _step(into))
    call("pool_largest", x, into, *shape, stride, pad)
    return into


def average(x: Tensor, into: Tensor) -> Tensor:
    """Return ReLU of the mean of the 3x3 around each pixel, without what lies outside."""
    if not _native(x):
        mean = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return into.copy_(mean.relu_())
    shape = (x.shape[0], *x.shape[2:], _step(x), x.shape[1], _step(into))
    call("pool_average", x, into, *shape)
    return into


def resize(image: Image, side: int) -> Tensor:
    """Return the image ``(3, side, side)`` bf16 in -1..1, by TensorFlow 1's bilinear resize."""
    height, width = image.shape[:2]
    made = torch.empty((side, side, 3), dtype=torch.bfloat16)
    scratch = torch.empty(3 * width + 9 * side)
    pixels = torch.from_numpy(np.ascontiguousarray(image))
    call("resize_tf1", pixels, made, height, width, side, scratch)
    return made.permute(2, 0, 1)


def blank(x: Tensor, channels: int, height: int, width: int) -> Tensor:
    """Return a map for as many images as x, of its kind, with anything in it."""
    shape = (x.shape[0], channels, height, width)
    return torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)


def _native(x: Tensor) -> bool:
    return x.dtype == torch.bfloat16 and faster()


def _put(made: Tensor, into: Tensor | None) -> Tensor:
    return made if into is None else into.copy_(made)


def _step(x: Tensor) -> int:
    """Return the step from pixel to pixel of some of the channels of a channels-last map."""
    _, _, height, width = x.shape
    step = x.stride(3)
    if x.stride() != (height * width * step, 1, width * step, step):
        raise ValueError(f"strides are {x.stride()}, expected channels last of {tuple(x.shape)}")
    return step
