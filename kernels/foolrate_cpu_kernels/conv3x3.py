"""3x3 convolutions with fewer multiplications: Winograd's minimal filtering.

Without a matrix unit, oneDNN's direct convolution in bfloat16 runs near the peak of the
multipliers; F(2x2, 3x3) takes 2.25 times fewer products, and F(4x4, 3x3) 4 times fewer, of integers
of 16 bits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

MOST_INPUTS = 4096  # that squares of 4 outputs a side have room for
_OPS: Any = torch.ops.foolrate_cpu
_LAST = torch.channels_last


def suits(x: Tensor, weight: Tensor, doubled: bool = False) -> bool:
    """Return whether `convolve` can convolve x ``(N, C, H, W)`` with weight ``(K, C, 3, 3)``."""
    outputs, inputs = weight.shape[:2]
    return (
        x.dtype == torch.bfloat16
        and x.device.type == "cpu"
        and inputs % 16 == 0
        and (outputs % 32 == 0 or outputs % 48 == 0)
        and (doubled or x.shape[2] % 2 == x.shape[3] % 2 == 0)
        and x.is_contiguous(memory_format=_LAST)
    )


def square_of(x: Tensor, weight: Tensor, most: int, doubled: bool = False) -> int:
    """Return the side, 2 or 4 and no more than `most`, of the squares of outputs to compute."""
    outputs, inputs = weight.shape[:2]
    whole = not doubled and x.shape[2] % 4 == x.shape[3] % 4 == 0
    return 4 if most == 4 and whole and outputs % 32 == 0 and inputs <= MOST_INPUTS else 2


def pack(weight: Tensor, square: int) -> tuple[Tensor, Tensor]:
    """Return the transformed weights, and of integers the units that they are multiples of."""
    packed: tuple[Tensor, Tensor] = _OPS.conv3x3_pack(weight.detach().float(), square)
    return packed


def convolve_packed(
    x: Tensor,
    packed: tuple[Tensor, Tensor],
    bias: Tensor | None,
    residual: Tensor | None = None,
    *,
    scale: float = 1.0,
    doubled: bool = False,
) -> Tensor:
    """Return ``scale * (convolution + residual)``, without gradients.

    `doubled`: of x with each pixel repeated to a square of four. A residual of half the output's
    height and width is repeated likewise.
    """
    if residual is not None:
        residual = residual.to(x.dtype).contiguous(memory_format=_LAST)
    made: Tensor = _OPS.conv3x3_packed(x, *packed, bias, residual, scale, doubled)
    return made


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, most: int) -> Tensor:
    """Return the convolution, with gradients."""
    plain = None if bias is None else bias.float()
    made: Tensor = _OPS.conv3x3(x, weight.float(), plain, square_of(x, weight, most))
    return made


def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients of x, weight and bias, for torch."""
    x, weight = ctx.saved_tensors
    dy = dy.to(x.dtype).contiguous(memory_format=_LAST)
    wanted, turned = ctx.needs_input_grad, weight.transpose(0, 1)
    direct = wanted[0] and not suits(dy, turned)
    dx, dw, db = torch.ops.aten.convolution_backward(
        *(dy, x, weight.to(x.dtype), [weight.shape[0]] if ctx.biased else None),
        *([1, 1], [1, 1], [1, 1], False, [0, 0], 1),
        [direct, wanted[1], wanted[2] and ctx.biased],
    )
    if wanted[0] and not direct:
        packed = _OPS.conv3x3_pack(weight, square_of(dy, turned, ctx.square), True)
        dx = _OPS.conv3x3_packed(dy, *packed, None, None, 1.0, False)
    return dx, dw if dw is None else dw.float(), db if db is None else db.float(), None
