"""Group norm, scale-shift and SiLU in one pass over memory, forward and backward.

In bfloat16 these operations take as long as a third of the convolutions when they run one after
another, mostly in reading and writing the activations. Sums are taken in float32 or better.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

MOST_CHANNELS = 4096
_OPS: Any = torch.ops.foolrate_cpu
_LAST = torch.channels_last


def suits(x: Tensor) -> bool:
    """Return whether `norm_act` takes x ``(N, C, H, W)``."""
    return (
        x.dtype == torch.bfloat16
        and x.device.type == "cpu"
        and x.shape[1] <= MOST_CHANNELS
        and x.is_contiguous(memory_format=_LAST)
    )


def norm_act(
    x: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    modulation: Tensor | None,
    *,
    eps: float,
    spare: bool = False,
) -> Tensor:
    """Return ``silu((1 + scale) * group_norm(x) + shift)``.

    `modulation` is None or holds scale and shift, ``(N or 1, 2C)``. `spare`: x is not needed
    afterwards, so that the result may take its place where no gradient is wanted.
    """
    parts = [t if t is None else t.float().contiguous() for t in (weight, bias, modulation)]
    if spare and not torch.is_grad_enabled():
        _OPS.norm_act_(x, groups, *parts, eps)
        return x
    made: Tensor = _OPS.norm_act(x, groups, *parts, eps)[0]
    return made


def backward(ctx: Any, dy: Tensor, _dstats: Tensor | None) -> tuple[Tensor | None, ...]:
    """Return the gradients of x, weight, bias and modulation, for torch."""
    x, weight, bias, modulation, stats = ctx.saved_tensors
    dy = dy.to(x.dtype).contiguous(memory_format=_LAST)
    dx, sums = _OPS.norm_act_backward(dy, x, ctx.groups, weight, bias, modulation, stats)
    return dx, None, *_small(sums, weight, bias, modulation), None


def _small(
    sums: Tensor, weight: Tensor, bias: Tensor, modulation: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    # `sums`: over the pixels, the gradient of the modulated bias and weight, per image.
    shift, scale = sums.unbind(1)
    if modulation is None:
        return scale.sum(0), shift.sum(0), None
    gain = 1 + modulation[:, : len(weight)]
    about = torch.cat([weight * scale + bias * shift, shift], dim=1)
    if len(modulation) == 1:
        about = about.sum(0, keepdim=True)
    return (gain * scale).sum(0), (gain * shift).sum(0), about
