"""Convolutions with their activation applied in the same pass over memory.

Batch norms are folded into the weights in fp64, and oneDNN is handed convolution and activation
together, with the weights already in the order it wants. This is what a compiler makes of these
networks, without the compiler: the arithmetic of a row is the same on every call, and nothing has
to be built first.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from metrics.networks.devices import takes_bf16

# Name and scalars that oneDNN takes for an activation, and the same by PyTorch.
_ACTIVATIONS: dict[str, tuple[str, list[float], Callable[[Tensor], Tensor]]] = {
    "none": ("none", [], lambda x: x),
    "relu": ("relu", [], torch.relu),
    "relu6": ("hardtanh", [0.0, 6.0], nn.functional.relu6),
}


_OPERATORS = ("_convolution_pointwise", "_reorder_convolution_weight")


def has_fused_operators(dtype: torch.dtype = torch.float32) -> bool:
    """Return whether this torch has oneDNN and the private operators used here, for this type.

    oneDNN takes bf16 only on processors with AVX-512.
    """
    built = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    there = built and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS)
    return there and (dtype != torch.bfloat16 or takes_bf16())


class FusedConv(nn.Module):
    """A convolution and an activation: on a processor by oneDNN, else one after another."""

    def __init__(self, conv: nn.Conv2d, activation: str) -> None:
        """Take a convolution with numeric padding and one of the names none, relu, relu6."""
        super().__init__()
        self.conv, self.activation = conv, activation
        self._packed: tuple[torch.Size, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of the convolution of a batch."""
        name, scalars, by_torch = _ACTIVATIONS[self.activation]
        if x.device.type != "cpu" or not has_fused_operators(x.dtype):
            return by_torch(self._by_torch(x))
        conv, how = self.conv, self._geometry
        operator: Any = torch.ops.mkldnn._convolution_pointwise
        result: Tensor = operator(x, self._weight(x), conv.bias, *how, name, scalars, "")
        return result

    def _by_torch(self, x: Tensor) -> Tensor:
        """Return the convolution by its numbers: its own `forward` may pad once more."""
        padding, stride, dilation, groups = self._geometry
        weight, bias = self.conv.weight, self.conv.bias
        return nn.functional.conv2d(x, weight, bias, stride, padding, dilation, groups)

    @property
    def _geometry(self) -> tuple[list[int], list[int], list[int], int]:
        conv = self.conv
        padding = [int(side) for side in conv.padding]
        return padding, list(conv.stride), list(conv.dilation), conv.groups

    def _weight(self, x: Tensor) -> Tensor:
        """Return the weights in the order that is best for batches of this shape."""
        if self._packed is None or self._packed[0] != x.shape:
            reorder: Any = torch.ops.mkldnn._reorder_convolution_weight
            self._packed = (x.shape, reorder(self.conv.weight, *self._geometry, list(x.shape)))
        return self._packed[1]


def fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Any:
    """Return a convolution that does both, in evaluation mode."""
    # In fp64, so that folding costs no more than the rounding of the weights themselves.
    wide, wide_norm = copy.deepcopy(conv).double().eval(), copy.deepcopy(norm).double().eval()
    return fuse_conv_bn_eval(wide, wide_norm).float()


def fuse_children(module: nn.Module, kind: type[nn.Module], pair: Sequence[str], act: str) -> None:
    """Replace every submodule of a kind, that holds a (convolution, batch norm), by a fused one."""
    for name, child in list(module.named_children()):
        if isinstance(child, kind):
            conv, norm = (getattr(child, part) for part in pair)
            setattr(module, name, FusedConv(fold(conv, norm), act))
        else:
            fuse_children(child, kind, pair, act)
