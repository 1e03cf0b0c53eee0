"""What torch is told of the operators beside their code: shapes without data, and gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from foolrate_cpu_kernels import conv3x3, norm_act

_LAST = torch.channels_last


@torch.library.register_fake("foolrate_cpu::conv3x3_pack")
def _(weight: Tensor, square: int, backward: bool = False) -> tuple[Tensor, Tensor]:
    outputs, inputs = (weight.shape[1], weight.shape[0]) if backward else weight.shape[:2]
    if square == 4:
        packed = weight.new_empty((outputs // 32, 36, inputs // 2, 32, 2), dtype=torch.int16)
        return packed, weight.new_empty((outputs // 32, 36, 32))
    panel = 48 if outputs % 32 else 32
    shape = (16, outputs // panel, inputs // 2, panel, 2)
    return weight.new_empty(shape, dtype=torch.bfloat16), weight.new_empty(0)


def _images(x: Tensor, channels: int, height: int, width: int) -> Tensor:
    shape = (x.shape[0], channels, height, width)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=_LAST)


@torch.library.register_fake("foolrate_cpu::conv3x3_packed")
def _(  # noqa: PLR0917
    x: Tensor,
    weight: Tensor,
    units: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    scale: float,
    doubled: bool,
) -> Tensor:
    outputs = weight.shape[0 if weight.dtype == torch.int16 else 1] * weight.shape[3]
    height, width = (2 * side if doubled else side for side in x.shape[2:])
    return _images(x, outputs, height, width)


@torch.library.register_fake("foolrate_cpu::conv3x3")
def _(x: Tensor, weight: Tensor, bias: Tensor | None, square: int) -> Tensor:
    return _images(x, weight.shape[0], *x.shape[2:])


@torch.library.register_fake("foolrate_cpu::norm_act")
def _(  # noqa: PLR0917
    x: Tensor, groups: int, weight: Tensor, bias: Tensor, modulation: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    return _images(x, *x.shape[1:]), weight.new_empty((x.shape[0], groups, 2))


@torch.library.register_fake("foolrate_cpu::norm_act_")
def _(  # noqa: PLR0917
    x: Tensor, groups: int, weight: Tensor, bias: Tensor, modulation: Tensor | None, eps: float
) -> None:
    return None


@torch.library.register_fake("foolrate_cpu::norm_act_backward")
def _(  # noqa: PLR0917
    dy: Tensor,
    x: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    modulation: Tensor | None,
    stats: Tensor,
) -> tuple[Tensor, Tensor]:
    return _images(x, *x.shape[1:]), weight.new_empty((x.shape[0], 2, x.shape[1]))


@torch.library.register_fake("foolrate_cpu::inception_conv")
def _(  # noqa: PLR0917
    x: Tensor, weight: Tensor, bias: Tensor, shape: int, top: int, left: int, out: Tensor
) -> None:
    return None


@torch.library.register_fake("foolrate_cpu::pool_largest")
def _(x: Tensor, stride: int, pad: int, out: Tensor) -> None:
    return None


@torch.library.register_fake("foolrate_cpu::pool_average")
def _(x: Tensor, out: Tensor) -> None:
    return None


@torch.library.register_fake("foolrate_cpu::resize_tf1")
def _(pixels: Tensor, side: int) -> Tensor:
    return pixels.new_empty((side, side, 3), dtype=torch.bfloat16)


def _save_convolution(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, bias, square = inputs
    ctx.save_for_backward(x, weight)
    ctx.square, ctx.biased = square, bias is not None


def _save_norm(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, ctx.groups, weight, bias, modulation, _ = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(x, weight, bias, modulation, output[1])


torch.library.register_autograd(
    "foolrate_cpu::conv3x3", conv3x3.backward, setup_context=_save_convolution
)
torch.library.register_autograd(
    "foolrate_cpu::norm_act", norm_act.backward, setup_context=_save_norm
)
