"""Inception's bfloat16 layers: convolutions with fewer products, pools, the resize.

Outputs are written where they are wanted, such as into some of the channels of a larger map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_OPS: Any = torch.ops.foolrate_cpu
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
    """Return whether a convolution is one of those that `convolve` does."""
    return (
        conv.kernel_size in _SHAPES
        and conv.stride == conv.dilation == (1, 1)
        and conv.groups == 1
        and conv.in_channels % 16 == 0
        and conv.in_channels <= _MOST_INPUTS
        and conv.out_channels % _LANES == 0
    )


def pack(conv: nn.Conv2d) -> Tensor:
    """Return the weights at the points, ``(points, K / 32, C / 2, 32, 2)`` in bfloat16."""
    rows, columns = (torch.from_numpy(side) for side in _SHAPES[tuple(conv.kernel_size)])
    weight = conv.weight.detach().double()
    made = torch.einsum("ai,bj,ocij->aboc", rows, columns, weight).flatten(0, 1)
    outputs, inputs = weight.shape[:2]
    panels = made.view(-1, outputs // _LANES, _LANES, inputs // 2, 2)
    return panels.permute(0, 1, 3, 2, 4).contiguous().bfloat16()


def convolve(conv: nn.Conv2d, x: Tensor, packed: Tensor, bias: Tensor, into: Tensor) -> Tensor:
    """Write ReLU of the convolution of bfloat16 maps into `into`, and return that."""
    top, left = (int(side) for side in conv.padding)
    kind = list(_SHAPES).index(tuple(conv.kernel_size))
    _OPS.inception_conv(x, packed, bias, kind, top, left, into)
    return into


def largest(x: Tensor, stride: int, pad: int, into: Tensor) -> Tensor:
    """Write the largest of each 3x3 window of what a ReLU has left into `into`; return that."""
    _OPS.pool_largest(x, stride, pad, into)
    return into


def average(x: Tensor, into: Tensor) -> Tensor:
    """Write ReLU of the mean of the 3x3 around each pixel into `into`; return that."""
    _OPS.pool_average(x, into)
    return into


def resize(image: NDArray[np.uint8], side: int) -> Tensor:
    """Return the image ``(3, side, side)`` bf16 in -1..1, by TensorFlow 1's bilinear resize."""
    made: Tensor = _OPS.resize_tf1(torch.from_numpy(np.ascontiguousarray(image)), side)
    return made.permute(2, 0, 1)
