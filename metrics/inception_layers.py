"""The Inception network's blocks in fewer passes over memory, and in bf16 fewer products.

Made from torch-fidelity's blocks, whose convolutions have been fused with batch norm and ReLU:

* the 1x1 convolutions that read one input are one convolution;
* averages are taken after the 1x1 convolution, not before it: both are linear and commute, and the
  convolution gives fewer channels than it takes;
* 3x3 convolutions of stride 1 are Winograd's, where `generators.conv3x3` has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.conv3x3 import Conv3x3
from metrics.fusedconv import FusedConv

_STEM = 7  # layers before the first mixed block


class Branches(nn.Module):
    """A block whose branches begin with 1x1 convolutions of its input; one of them pools."""

    def __init__(self, heads: Sequence[FusedConv], tails: Sequence[nn.Module], pool: nn.Module):
        super().__init__()
        self.widths = [head.conv.out_channels for head in heads]
        self.head = _side_by_side([head.conv for head in heads])
        self.tails, self.pool = nn.ModuleList(tails), pool

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' outputs, one after another along the channels."""
        parts = torch.split(self.head(x), self.widths, 1)
        done = [tail(part) for tail, part in zip(self.tails, parts, strict=True)]
        return torch.cat([*done, self.pool(x)], 1)


def _side_by_side(convs: Sequence[nn.Conv2d]) -> FusedConv:
    merged = nn.Conv2d(convs[0].in_channels, sum(conv.out_channels for conv in convs), 1)
    states = [conv.state_dict() for conv in convs]
    merged.load_state_dict({key: torch.cat([one[key] for one in states]) for key in states[0]})
    return FusedConv(merged, "relu")


class _Fork(nn.Module):
    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([part(x) for part in self.parts], 1)


class _AverageAfter(nn.Module):
    """ReLU of the 3x3 average of a 1x1 convolution; averages leave the border out."""

    def __init__(self, after: FusedConv) -> None:
        super().__init__()
        self.conv = FusedConv(after.conv, "none")

    def forward(self, x: Tensor) -> Tensor:
        mean = functional.avg_pool2d(self.conv(x), 3, 1, 1, count_include_pad=False)
        return torch.relu_(mean)


def _a(old: Any) -> Branches:
    tails = [nn.Identity(), old.branch5x5_2, nn.Sequential(old.branch3x3dbl_2, old.branch3x3dbl_3)]
    heads = [old.branch1x1, old.branch5x5_1, old.branch3x3dbl_1]
    return Branches(heads, tails, _AverageAfter(old.branch_pool))


def _c(old: Any) -> Branches:
    short = nn.Sequential(old.branch7x7_2, old.branch7x7_3)
    double = [getattr(old, f"branch7x7dbl_{number}") for number in (2, 3, 4, 5)]
    heads = [old.branch1x1, old.branch7x7_1, old.branch7x7dbl_1]
    tails = [nn.Identity(), short, nn.Sequential(*double)]
    return Branches(heads, tails, _AverageAfter(old.branch_pool))


def _e(old: Any, pool: nn.Module) -> Branches:
    fork = _Fork(old.branch3x3dbl_3a, old.branch3x3dbl_3b)
    tails = [nn.Identity(), _Fork(old.branch3x3_2a, old.branch3x3_2b)]
    tails += [nn.Sequential(old.branch3x3dbl_2, fork)]
    return Branches([old.branch1x1, old.branch3x3_1, old.branch3x3dbl_1], tails, pool)


def rearrange(layers: Any) -> nn.Sequential:
    """Return the network of fused torch-fidelity blocks with its branches rearranged."""
    last = nn.Sequential(nn.MaxPool2d(3, 1, 1), layers.Mixed_7c.branch_pool)
    new = {f"Mixed_5{name}": _a(getattr(layers, f"Mixed_5{name}")) for name in "bcd"}
    new |= {f"Mixed_6{name}": _c(getattr(layers, f"Mixed_6{name}")) for name in "bcde"}
    new["Mixed_7b"] = _e(layers.Mixed_7b, _AverageAfter(layers.Mixed_7b.branch_pool))
    new["Mixed_7c"] = _e(layers.Mixed_7c, last)
    for name, block in new.items():
        setattr(layers, name, block)
    kept: nn.Sequential = layers
    return kept


class _Winograd(nn.Module):
    """ReLU of a 3x3 convolution, stride 1, padding 1, of any size."""

    def __init__(self, fused: FusedConv) -> None:
        super().__init__()
        conv = fused.conv
        inner = Conv3x3(conv.in_channels, conv.out_channels).requires_grad_(False)
        inner.load_state_dict(conv.state_dict())
        self._inner = (inner,)  # a tuple hides it from `to`: weights are transformed from fp32

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.convolved(x))

    def convolved(self, x: Tensor) -> Tensor:
        """Return the convolution alone."""
        height, width = x.shape[2:]
        if height % 2 or width % 2:
            x = functional.pad(x, (0, width % 2, 0, height % 2))
        made: Tensor = self._inner[0](x.contiguous(memory_format=torch.channels_last))
        return made[:, :, :height, :width]


class _Stem(nn.Module):
    """The layers before the first mixed block.

    Winograd's convolutions want even sizes and padding, which some of these layers do not have.
    They are given a larger map, whose inner part is the layer's; around it are zeros where the next
    layer pads, and what is never read elsewhere.
    """

    def __init__(self, layers: Any) -> None:
        super().__init__()
        self.first, self.narrow = layers.Conv2d_1a_3x3, layers.Conv2d_3b_1x1
        wide = (layers.Conv2d_2a_3x3, layers.Conv2d_2b_3x3, layers.Conv2d_4a_3x3)
        self.second, self.third, self.fourth = map(_Winograd, wide)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(functional.pad(x, (0, 2, 0, 2)))  # 150x150, of which 149x149
        x = _zero_around(self.second(x), 1, 148)  # of which 147x147 in the middle
        x = _pooled(self.third.convolved(x))[:, :, 1:75, 1:75]  # 74x74, of which 73x73
        return _pooled(self.fourth.convolved(self.narrow(x)))[:, :, 1:36, 1:36]


def _zero_around(x: Tensor, first: int, end: int) -> Tensor:
    for side in (x, x.transpose(2, 3)):
        side[:, :, :first] = 0
        side[:, :, end:] = 0
    return x


def _pooled(x: Tensor) -> Tensor:
    """Return the ReLU of the largest of 3x3, around every other pixel; both commute."""
    return torch.relu_(functional.max_pool2d(x, 3, 2, 1))


class _InPieces(nn.Module):
    """The same, a few images at a time."""

    def __init__(self, inner: nn.Module, size: int) -> None:
        super().__init__()
        self.inner, self.size = inner, size

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.inner(piece) for piece in torch.split(x, self.size)])


def staged(layers: nn.Sequential, winograd: bool) -> nn.Sequential:
    """Return the rearranged network, with Winograd's convolutions if wanted.

    The stem takes the images in small pieces. Its maps are large: of a whole batch they would be
    memory that the system hands out and clears anew each time, a quarter of the stem's time.
    """
    stem, mixed = layers[:_STEM], layers[_STEM:]
    if winograd:
        stem = _Stem(stem)
        _replace(mixed)
    return nn.Sequential(_InPieces(stem, 4 if winograd else 2), mixed)


def _replace(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, FusedConv) and _is_same_3x3(child.conv):
            setattr(module, name, _Winograd(child))
        else:
            _replace(child)


def _is_same_3x3(conv: nn.Conv2d) -> bool:
    return (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (1, 1), (1, 1))
