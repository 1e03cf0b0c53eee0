"""3x3 convolutions with fewer multiplications, where the processor has nothing faster.

On a CPU with bfloat16 products but no matrix unit, oneDNN's direct convolution runs near the peak
of the multipliers; Winograd's F(2x2, 3x3) takes 2.25 times fewer products, and F(4x4, 3x3) 4 times
fewer, of integers of 16 bits. Elsewhere, and in float32, torch convolves.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.nets.native_code import call, library

MOST = 4096  # inputs that squares of 4 outputs a side have room for


class Packed(NamedTuple):
    """Transformed weights, and of integers the units that they are multiples of."""

    weight: Tensor
    units: Tensor | None = None


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution, stride 1, padding 1.

    `most`: the side of the largest square of outputs that may be computed at a time, 2 or 4.
    """

    def __init__(self, inputs: int, outputs: int, most: int = 2) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        self.most = most
        self.packed: tuple[tuple[int, ...], Packed, Tensor | None] | None = None

    def forward(
        self, x: Tensor, residual: Tensor | None = None, scale: float = 1.0, doubled: bool = False
    ) -> Tensor:
        """Return ``scale * (convolution + residual)`` of ``(N, C, H, W)``.

        `doubled`: of x with each pixel repeated to a square of four. A residual of half the
        output's height and width is repeated likewise.
        """
        if not torch.is_grad_enabled() and _fits(x, self.weight, doubled):
            square = 2 if doubled else _square(x, self.weight, self.most)
            return _convolve(x, *self._pack(square), residual, scale, doubled=doubled)
        x = _double(x) if doubled else x
        if not _fits(x, self.weight):
            return _finish(super().forward(x), residual, scale)
        made: Tensor = _Winograd.apply(x, self.weight, self.bias, self.most)  # type: ignore[no-untyped-call]
        return _finish(made, residual, scale)

    def _pack(self, square: int) -> tuple[Packed, Tensor | None]:
        key = (square, *versions(self.parameters()))
        if self.packed is None or self.packed[0] != key:
            bias = None if self.bias is None else self.bias.detach().float()
            self.packed = (key, pack(self.weight, square), bias)
        return self.packed[1:]


def versions(parameters: Iterable[Tensor]) -> tuple[int, ...]:
    """Return what changes when one of the parameters is replaced or written to."""
    return tuple(
        v for p in parameters for v in (p.data_ptr(), 0 if p.is_inference() else p._version)
    )


def _double(x: Tensor) -> Tensor:
    """Return ``(N, C, 2H, 2W)``: each pixel repeated to a square of four."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _finish(out: Tensor, residual: Tensor | None, scale: float) -> Tensor:
    if residual is not None:
        out = out + (residual if residual.shape == out.shape else _double(residual))
    return out if scale == 1 else out * scale


@functools.cache
def faster() -> bool:
    """Return whether Winograd's convolution is used on this machine."""
    native = library()
    return native is not None and bool(native.winograd_runs()) and not _matrix_unit()


def _matrix_unit() -> bool:
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)  # torch says it in private only
    return bool(probe and probe())


def _fits(x: Tensor, weight: Tensor, doubled: bool = False) -> bool:
    outputs, inputs = weight.shape[:2]
    return (
        x.dtype == torch.bfloat16
        and x.device.type == "cpu"
        and inputs % 16 == 0
        and (outputs % 32 == 0 or outputs % 48 == 0)
        and (doubled or x.shape[2] % 2 == x.shape[3] % 2 == 0)
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.compiler.is_compiling()
        and faster()
    )


def _square(x: Tensor, weight: Tensor, most: int) -> int:
    """Return the side of the squares of outputs to compute at a time."""
    whole = x.shape[2] % 4 == x.shape[3] % 4 == 0
    fits = whole and weight.shape[0] % 32 == 0 and weight.shape[1] <= MOST
    return 4 if most == 4 and fits and library().winograd4_runs() else 2  # type: ignore[union-attr]


def pack(weight: Tensor, square: int = 2, backward: bool = False) -> Packed:
    """Return the transformed weights, for squares of 2 or of 4 outputs a side.

    ``(16, K / panel, C / 2, panel, 2)`` in bfloat16, or ``(K / 32, 36, C / 2, 32, 2)`` in int16
    and ``(K / 32, 36, 32)`` units. `backward`: those of the convolution that takes the gradient
    back, turned by half a turn, with inputs and outputs changing places.
    """
    weight = weight.detach().float()
    output, inputs, row, column = weight.stride()
    outputs, channels = weight.shape[:2]
    if backward:
        weight = weight.as_strided((1,), (1,), weight.storage_offset() + 2 * (row + column))
        output, inputs, row, column = inputs, output, -row, -column
        outputs, channels = channels, outputs
    if square == 4:
        packed = torch.empty((outputs // 32, 36, channels // 2, 32, 2), dtype=torch.int16)
        units = torch.empty(outputs // 32, 36, 32)
        steps = (output, inputs, row, column)
        call("winograd4_pack", weight, *steps, packed, units, outputs, channels)
        return Packed(packed, units)
    panel = 48 if outputs % 32 else 32
    shape = (16, outputs // panel, channels // 2, panel, 2)
    packed = torch.empty(shape, dtype=torch.bfloat16)
    call("winograd_pack", weight, output, inputs, row, column, packed, outputs, channels)
    return Packed(packed)


def _convolve(
    x: Tensor,
    packed: Packed,
    bias: Tensor | None,
    residual: Tensor | None = None,
    scale: float = 1.0,
    *,
    doubled: bool = False,
) -> Tensor:
    n, inputs, *size = x.shape
    height, width = (2 * side if doubled else side for side in size)
    outputs = packed.weight.shape[1 if packed.units is None else 0] * packed.weight.shape[3]
    y = torch.empty((n, outputs, height, width), dtype=x.dtype, memory_format=torch.channels_last)
    if residual is not None:
        residual = residual.to(x.dtype).contiguous(memory_format=torch.channels_last)
    plain = None if bias is None else bias.detach().float()
    coarse = residual is not None and residual.shape[2] != height
    shape = (n, height, width, inputs, outputs)
    if packed.units is None:
        more = (int(doubled), int(coarse), scale)
        call("winograd", x, packed.weight, plain, residual, y, *shape, *more)
    else:
        call("winograd4", x, *packed, plain, residual, y, *shape, int(coarse), scale)
    return y


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, most: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.most = most
        return _convolve(x, pack(weight, _square(x, weight, most)), bias)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        dy = dy.to(x.dtype).contiguous(memory_format=torch.channels_last)
        wanted = ctx.needs_input_grad
        direct = wanted[0] and not _fits(dy, weight.transpose(0, 1))
        dx, dw, db = torch.ops.aten.convolution_backward(
            *(dy, x, weight.to(x.dtype), [weight.shape[0]]),
            *([1, 1], [1, 1], [1, 1], False, [0, 0], 1, [direct, wanted[1], wanted[2]]),
        )
        if wanted[0] and not direct:
            square = _square(dy, weight.transpose(0, 1), ctx.most)
            dx = _convolve(dy, pack(weight, square, backward=True), None)
        return dx, dw if dw is None else dw.to(weight.dtype), db if db is None else db.float(), None
