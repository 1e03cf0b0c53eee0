"""The Inception network's blocks in fewer passes over memory, and in bf16 fewer products.

Made from `inception_layers`, whose convolutions have been fused with batch norm and ReLU:

* the 1x1 convolutions that read one input are one convolution;
* averages are taken after the 1x1 convolution, not before it: both are linear and commute, and the
  convolution gives fewer channels than it takes;
* branches write their outputs side by side;
* convolutions of stride 1 with sides of 3, 5 and 7 are Winograd's, where the kernels
  have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from metrics.networks.fused_conv import FusedConv
from metrics.networks.operators import WinogradConv, average_pool, empty_map, has_kernel, max_pool

_STEM = 7  # layers before the first mixed block


class _Chain(nn.Module):
    """Layers one after another, of which the last writes into a larger map."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, into: Tensor) -> None:
        *before, last = self.layers
        for layer in before:
            x = layer(x)
        _write(last, x, into)


class _Fork(nn.Module):
    """Layers that read one input and write side by side into a larger map."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor, into: Tensor) -> None:
        _write_side_by_side(self.parts, [x] * len(self.parts), into)


class _MaxPool(nn.Module):
    """The largest of 3x3 of what a ReLU has left."""

    def __init__(self, stride: int, pad: int) -> None:
        super().__init__()
        self.stride, self.pad = stride, pad

    def forward(self, x: Tensor, into: Tensor | None = None) -> Tensor:
        return max_pool(x, self.stride, self.pad, into)


class _ConvThenAverage(nn.Module):
    """ReLU of the 3x3 average of a 1x1 convolution; averages leave the border out."""

    def __init__(self, after: FusedConv) -> None:
        super().__init__()
        self.conv = FusedConv(after.conv, "none")

    def forward(self, x: Tensor, into: Tensor) -> Tensor:
        return average_pool(self.conv(x), into)


def _write(layer: nn.Module, x: Tensor, into: Tensor) -> None:
    if isinstance(layer, FusedConv | nn.Identity):
        into.copy_(layer(x))
    else:
        layer(x, into)


def _write_side_by_side(
    layers: Iterable[nn.Module], inputs: Sequence[Tensor], into: Tensor
) -> None:
    start = 0
    for layer, x in zip(layers, inputs, strict=True):
        width = _outputs(layer, x.shape[1])
        _write(layer, x, into[:, start : start + width])
        start += width


def _outputs(layer: nn.Module, inputs: int) -> int:
    """Return the number of channels that a layer makes of so many."""
    if isinstance(layer, FusedConv | WinogradConv):
        inputs = layer.conv.out_channels
    elif isinstance(layer, _ConvThenAverage):
        inputs = layer.conv.conv.out_channels
    elif isinstance(layer, _Chain):
        for each in layer.layers:
            inputs = _outputs(each, inputs)
    elif isinstance(layer, _Fork):
        inputs = sum(_outputs(part, inputs) for part in layer.parts)
    return inputs


class Branches(nn.Module):
    """A block whose branches begin with 1x1 convolutions of its input; the last one pools."""

    def __init__(self, heads: Sequence[FusedConv], tails: Sequence[nn.Module], pool: nn.Module):
        super().__init__()
        self.widths = [head.conv.out_channels for head in heads]
        self.head = _as_one([head.conv for head in heads])
        self.tails = nn.ModuleList([*tails, pool])
        ends = map(_outputs, self.tails, [*self.widths, heads[0].conv.in_channels])
        self.width = sum(ends)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' outputs, one after another along the channels."""
        made = empty_map(x, self.width, *x.shape[2:])
        parts = torch.split(self.head(x), self.widths, 1)
        _write_side_by_side(self.tails, [*parts, x], made)
        return made


def _as_one(convs: Sequence[nn.Conv2d]) -> FusedConv:
    merged = nn.Conv2d(convs[0].in_channels, sum(conv.out_channels for conv in convs), 1)
    states = [conv.state_dict() for conv in convs]
    merged.load_state_dict({key: torch.cat([one[key] for one in states]) for key in states[0]})
    return FusedConv(merged, "relu")


class Reduction(nn.Module):
    """A block whose branches all end with a stride of 2."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.fork = _Fork(*parts)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' outputs, one after another along the channels."""
        height, width = ((side - 1) // 2 for side in x.shape[2:])
        made = empty_map(x, _outputs(self.fork, x.shape[1]), height, width)
        self.fork(x, made)
        return made


def _a(old: Any) -> Branches:
    tails = [nn.Identity(), old.branch5x5_2, _Chain(old.branch3x3dbl_2, old.branch3x3dbl_3)]
    heads = [old.branch1x1, old.branch5x5_1, old.branch3x3dbl_1]
    return Branches(heads, tails, _ConvThenAverage(old.branch_pool))


def _b(old: Any) -> Reduction:
    double = _Chain(old.branch3x3dbl_1, old.branch3x3dbl_2, old.branch3x3dbl_3)
    return Reduction(old.branch3x3, double, _MaxPool(2, 0))


def _c(old: Any) -> Branches:
    short = _Chain(old.branch7x7_2, old.branch7x7_3)
    double = [getattr(old, f"branch7x7dbl_{number}") for number in (2, 3, 4, 5)]
    heads = [old.branch1x1, old.branch7x7_1, old.branch7x7dbl_1]
    tails = [nn.Identity(), short, _Chain(*double)]
    return Branches(heads, tails, _ConvThenAverage(old.branch_pool))


def _d(old: Any) -> Reduction:
    seven = [getattr(old, f"branch7x7x3_{number}") for number in (1, 2, 3, 4)]
    return Reduction(_Chain(old.branch3x3_1, old.branch3x3_2), _Chain(*seven), _MaxPool(2, 0))


def _e(old: Any, pool: nn.Module) -> Branches:
    fork = _Fork(old.branch3x3dbl_3a, old.branch3x3dbl_3b)
    tails = [nn.Identity(), _Fork(old.branch3x3_2a, old.branch3x3_2b)]
    tails += [_Chain(old.branch3x3dbl_2, fork)]
    return Branches([old.branch1x1, old.branch3x3_1, old.branch3x3dbl_1], tails, pool)


def rearrange(layers: Any) -> nn.Sequential:
    """Return the network with the branches of its mixed blocks laid out, from fused layers."""
    last = _Chain(_MaxPool(1, 1), layers.Mixed_7c.branch_pool)
    new: dict[str, nn.Module] = {"MaxPool_1": _MaxPool(2, 0), "MaxPool_2": _MaxPool(2, 0)}
    new |= {f"Mixed_5{name}": _a(getattr(layers, f"Mixed_5{name}")) for name in "bcd"}
    new |= {f"Mixed_6{name}": _c(getattr(layers, f"Mixed_6{name}")) for name in "bcde"}
    new |= {"Mixed_6a": _b(layers.Mixed_6a), "Mixed_7a": _d(layers.Mixed_7a)}
    new["Mixed_7b"] = _e(layers.Mixed_7b, _ConvThenAverage(layers.Mixed_7b.branch_pool))
    new["Mixed_7c"] = _e(layers.Mixed_7c, last)
    for name, block in new.items():
        setattr(layers, name, block)
    kept: nn.Sequential = layers
    return kept


class _Chunked(nn.Module):
    """The same, a few images at a time."""

    def __init__(self, inner: nn.Module, size: int) -> None:
        super().__init__()
        self.inner, self.size = inner, size

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.inner(piece) for piece in torch.split(x, self.size)])


def staged(layers: nn.Sequential, winograd: bool, *, pieces: bool = True) -> nn.Sequential:
    """Return the rearranged network, with Winograd's convolutions if wanted.

    On a processor the stem takes the images in small pieces. Its maps are large: of a whole batch
    they would be memory that the system hands out and clears anew each time, a quarter of the
    stem's time.
    """
    if winograd:
        _replace(layers)
    return nn.Sequential(_Chunked(layers[:_STEM], 2), layers[_STEM:]) if pieces else layers


def _replace(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, FusedConv) and has_kernel(child.conv):
            setattr(module, name, WinogradConv(child))
        else:
            _replace(child)
