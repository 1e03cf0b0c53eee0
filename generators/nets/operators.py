"""The operators that the nets are made of: foolrate-cpu-kernels' where installed, else torch's.

The kernels (`kernels/`, a distribution of its own) serve bfloat16 on one kind of processor. They
round otherwise than torch does, so `arithmetic` says which of the two computes: runs and
checkpoints record it. Set FOOLRATE_NATIVE=0 to do without.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-6
TORCH = "torch"


@functools.cache
def kernels() -> Any | None:
    """Return the package of the kernels; None where it is not installed, not right or unwanted."""
    return None if why_torch() else _package()


def why_torch() -> str:
    """Return why torch's own operators are used; empty where the kernels are."""
    if os.environ.get("FOOLRATE_NATIVE") == "0":
        return "FOOLRATE_NATIVE is 0"
    found = _package()
    return str(found.why_not()) if found else "foolrate-cpu-kernels is not installed"


def _package() -> Any | None:
    try:
        import foolrate_cpu_kernels as found
        import foolrate_cpu_kernels.conv3x3
        import foolrate_cpu_kernels.norm_act
    except ImportError:
        return None
    return found


def arithmetic(device: torch.device, dtype: torch.dtype, compiled: bool = False) -> str:
    """Return the name of what computes a net's operators there: ``torch``, or the kernels' own."""
    if compiled:
        return f"{TORCH}, compiled"
    if device.type != "cpu" or dtype != torch.bfloat16:
        return TORCH
    found = kernels()
    return str(found.NAME) if found else TORCH


def keep_memory() -> None:
    """Keep freed memory in the process, where the kernels know how: 4 % of an evaluation."""
    if kernels():
        torch.ops.foolrate_cpu.keep_memory()


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution, stride 1, padding 1.

    `most`: the side, 2 or 4, of the largest square of outputs that the kernels compute at a time.
    """

    def __init__(self, inputs: int, outputs: int, most: int = 2) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        self.most = most
        self.packed: tuple[tuple[int, ...], Any, Tensor | None] | None = None

    def forward(
        self, x: Tensor, residual: Tensor | None = None, scale: float = 1.0, doubled: bool = False
    ) -> Tensor:
        """Return ``scale * (convolution + residual)`` of ``(N, C, H, W)``.

        `doubled`: of x with each pixel repeated to a square of four. A residual of half the
        output's height and width is repeated likewise.
        """
        fast = _eager_kernels()
        if fast and not torch.is_grad_enabled() and fast.conv3x3.suits(x, self.weight, doubled):
            packed, bias = self._pack(
                fast, fast.conv3x3.square_of(x, self.weight, self.most, doubled)
            )
            made: Tensor = fast.conv3x3.convolve_packed(
                x, packed, bias, residual, scale=scale, doubled=doubled
            )
            return made
        x = _double(x) if doubled else x
        if fast and fast.conv3x3.suits(x, self.weight):
            return _finish(
                fast.conv3x3.convolve(x, self.weight, self.bias, self.most), residual, scale
            )
        return _finish(super().forward(x), residual, scale)

    def _pack(self, fast: Any, square: int) -> tuple[Any, Tensor | None]:
        key = (square, *versions(self.parameters()))
        if self.packed is None or self.packed[0] != key:
            bias = None if self.bias is None else self.bias.detach().float()
            self.packed = (key, fast.conv3x3.pack(self.weight, square), bias)
        return self.packed[1:]


def norm_act(
    x: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    modulation: Tensor | None = None,
    *,
    eps: float = EPS,
    spare: bool = False,
) -> Tensor:
    """Return ``silu((1 + scale) * group_norm(x) + shift)`` of ``(N, C, H, W)``.

    `modulation` is None or holds scale and shift, ``(N or 1, 2C)``. `spare`: x is not needed
    afterwards, so that the result may take its place where no gradient is wanted.
    """
    fast = _eager_kernels()
    if fast and fast.norm_act.suits(x):
        made: Tensor = fast.norm_act.norm_act(
            x, groups, weight, bias, modulation, eps=eps, spare=spare
        )
        return made
    return _norm_act(x, groups, weight, bias, modulation, eps=eps)


def versions(parameters: Iterable[Tensor]) -> tuple[int, ...]:
    """Return what changes when one of the parameters is replaced or written to."""
    return tuple(
        v for p in parameters for v in (p.data_ptr(), 0 if p.is_inference() else p._version)
    )


def _eager_kernels() -> Any | None:
    return None if torch.compiler.is_compiling() else kernels()


def _double(x: Tensor) -> Tensor:
    """Return ``(N, C, 2H, 2W)``: each pixel repeated to a square of four."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _finish(out: Tensor, residual: Tensor | None, scale: float) -> Tensor:
    if residual is not None:
        out = out + (residual if residual.shape == out.shape else _double(residual))
    return out if scale == 1 else out * scale


def _norm_act(
    x: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    modulation: Tensor | None,
    *,
    eps: float = EPS,
) -> Tensor:
    if modulation is not None and len(modulation) == 1:
        # One γ for the whole batch, as in sampling: scale and shift go into the norm's own
        # weights, which saves a pass over the activation.
        scale, shift = modulation[0].to(weight.dtype).chunk(2)
        weight, bias, modulation = weight * (1 + scale), bias * (1 + scale) + shift, None
    y = F.group_norm(x, groups, weight, bias, eps)
    if modulation is not None:
        scale, shift = modulation[:, :, None, None].to(y.dtype).chunk(2, dim=1)
        y = torch.addcmul(shift, y, 1 + scale)
    return F.silu(y, inplace=not torch.is_grad_enabled())
