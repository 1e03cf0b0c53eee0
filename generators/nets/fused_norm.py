"""Group norm, scale-shift and SiLU in one pass: compiled where that is possible, else by torch.

On a CPU in bfloat16 these operations take as long as a third of the convolutions when they run one
after another, mostly in reading and writing the activations. Both ways compute in float32 or
better what is summed; they differ in the last bit of the bfloat16 result.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.nets.native_code import call, library

EPS = 1e-6
MOST = 4096  # channels that the compiled function has room for
CHUNK = 128  # pixels that it sums at a time


def norm_act(
    x: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    modulation: Tensor | None = None,
    *,
    spare: bool = False,
) -> Tensor:
    """Return ``silu((1 + scale) * group_norm(x) + shift)`` of ``(N, C, H, W)``.

    `modulation` is None or holds scale and shift, ``(N or 1, 2C)``. `spare`: x is not needed
    afterwards, so that the result may take its place where no gradient is wanted.
    """
    if not _fusible(x):
        return _plain(x, groups, weight, bias, modulation)
    if torch.is_grad_enabled():
        made: Tensor = _Fused.apply(x, groups, weight, bias, modulation)  # type: ignore[no-untyped-call]
        return made
    return _forward(x, groups, weight, bias, modulation, x if spare else torch.empty_like(x))[0]


def _fusible(x: Tensor) -> bool:
    return (
        x.dtype == torch.bfloat16
        and x.device.type == "cpu"
        and x.shape[1] <= MOST
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.compiler.is_compiling()
        and library() is not None
    )


def _plain(
    x: Tensor, groups: int, weight: Tensor, bias: Tensor, modulation: Tensor | None
) -> Tensor:
    if modulation is not None and len(modulation) == 1:
        # One γ for the whole batch, as in sampling: scale and shift go into the norm's own
        # weights, which saves a pass over the activation.
        scale, shift = modulation[0].to(weight.dtype).chunk(2)
        weight, bias, modulation = weight * (1 + scale), bias * (1 + scale) + shift, None
    y = F.group_norm(x, groups, weight, bias, EPS)
    if modulation is not None:
        scale, shift = modulation[:, :, None, None].to(y.dtype).chunk(2, dim=1)
        y = torch.addcmul(shift, y, 1 + scale)
    return F.silu(y, inplace=not torch.is_grad_enabled())


def _forward(  # noqa: PLR0917 (as above, and where to write)
    x: Tensor, groups: int, weight: Tensor, bias: Tensor, modulation: Tensor | None, y: Tensor
) -> tuple[Tensor, Tensor]:
    n, channels, height, width = x.shape
    stats = torch.empty(n, groups, 2)
    parts = [t if t is None else t.float().contiguous() for t in (weight, bias, modulation)]
    call(
        "norm_act",
        *(x, y, *parts, 0 if modulation is None else len(modulation)),
        *(stats, _scratch(x), n, height * width, channels, groups, EPS),
    )
    return y, stats


def _scratch(x: Tensor) -> Tensor:
    pixels = x.shape[2] * x.shape[3]
    return torch.empty(x.shape[0] * -(-pixels // CHUNK) * 2 * x.shape[1])


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 (torch passes all by position)
        ctx: Any, x: Tensor, groups: int, weight: Tensor, bias: Tensor, modulation: Tensor | None
    ) -> Tensor:
        y, stats = _forward(x, groups, weight, bias, modulation, torch.empty_like(x))
        ctx.save_for_backward(x, weight, bias, modulation, stats)
        ctx.groups = groups
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, modulation, stats = ctx.saved_tensors
        n, channels, height, width = x.shape
        dy = dy.to(x.dtype).contiguous(memory_format=torch.channels_last)
        dx, sums = torch.empty_like(x), torch.empty(n, 2, channels)
        parts = [t if t is None else t.float().contiguous() for t in (weight, bias, modulation)]
        call(
            "norm_act_back",
            *(x, dy, dx, *parts, 0 if modulation is None else len(modulation)),
            *(stats, _scratch(x), sums, n, height * width, channels, ctx.groups),
        )
        return dx, None, *_small(sums, weight, bias, modulation)


def _small(
    sums: Tensor, weight: Tensor, bias: Tensor, modulation: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    # `sums`: over the pixels, the gradient of the modulated bias and weight, per image.
    shift, scale = sums.unbind(1)
    if modulation is None:
        return scale.sum(0).to(weight.dtype), shift.sum(0).to(bias.dtype), None
    gain = 1 + modulation[:, : len(weight)].float()
    about = torch.cat([weight * scale + bias * shift, shift], dim=1)
    if len(modulation) == 1:
        about = about.sum(0, keepdim=True)
    down = (gain * scale).sum(0), (gain * shift).sum(0)
    return down[0].to(weight.dtype), down[1].to(bias.dtype), about.to(modulation.dtype)
