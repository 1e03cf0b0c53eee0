"""The layers that the published Inception file fills, under the file's names.

Layers and names are those of pytorch-fid and torch-fidelity (Apache-2.0), which converted
TensorFlow's graph: Szegedy et al. 2015, with averages that leave the border out and a last block
that pools by the maximum. The mixed blocks hold their convolutions only: `inception_blocks` lays
out how images pass through them.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

_EPSILON = 1e-3  # of the batch norms


class ConvNorm(nn.Module):
    """A convolution without a bias and its batch norm, waiting to be folded into one."""

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], stride: int, pad: bool):
        """Take the kernel's (height, width), and whether its border is padded with zeros."""
        super().__init__()
        padding = (size[0] // 2, size[1] // 2) if pad else (0, 0)
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, _EPSILON)


def _conv(inputs: int, outputs: int, height: int = 1, width: int = 0) -> ConvNorm:
    """Return a layer that keeps the map's size; the kernel is square without a width."""
    return ConvNorm(inputs, outputs, (height, width or height), 1, True)


def _valid(inputs: int, outputs: int, stride: int) -> ConvNorm:
    """Return a 3x3 layer without padding."""
    return ConvNorm(inputs, outputs, (3, 3), stride, False)


def network() -> nn.Sequential:
    """Return the layers up to the pooled 2048 features, to be filled and then rearranged."""
    layers: list[tuple[str, nn.Module]] = [
        ("Conv2d_1a_3x3", _valid(3, 32, 2)),
        ("Conv2d_2a_3x3", _valid(32, 32, 1)),
        ("Conv2d_2b_3x3", _conv(32, 64, 3)),
        ("MaxPool_1", nn.MaxPool2d(3, 2)),
        ("Conv2d_3b_1x1", _conv(64, 80)),
        ("Conv2d_4a_3x3", _valid(80, 192, 1)),
        ("MaxPool_2", nn.MaxPool2d(3, 2)),
        ("Mixed_5b", _a(192, 32)),
        ("Mixed_5c", _a(256, 64)),
        ("Mixed_5d", _a(288, 64)),
        ("Mixed_6a", _b(288)),
        ("Mixed_6b", _c(768, 128)),
        ("Mixed_6c", _c(768, 160)),
        ("Mixed_6d", _c(768, 160)),
        ("Mixed_6e", _c(768, 192)),
        ("Mixed_7a", _d(768)),
        ("Mixed_7b", _e(1280)),
        ("Mixed_7c", _e(2048)),
        ("pool", nn.AdaptiveAvgPool2d(1)),
        ("flat", nn.Flatten()),
    ]
    return nn.Sequential(OrderedDict(layers))


def _a(inputs: int, pooled: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "branch1x1": _conv(inputs, 64),
            "branch5x5_1": _conv(inputs, 48),
            "branch5x5_2": _conv(48, 64, 5),
            "branch3x3dbl_1": _conv(inputs, 64),
            "branch3x3dbl_2": _conv(64, 96, 3),
            "branch3x3dbl_3": _conv(96, 96, 3),
            "branch_pool": _conv(inputs, pooled),
        }
    )


def _b(inputs: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "branch3x3": _valid(inputs, 384, 2),
            "branch3x3dbl_1": _conv(inputs, 64),
            "branch3x3dbl_2": _conv(64, 96, 3),
            "branch3x3dbl_3": _valid(96, 96, 2),
        }
    )


def _c(inputs: int, inner: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "branch1x1": _conv(inputs, 192),
            "branch7x7_1": _conv(inputs, inner),
            "branch7x7_2": _conv(inner, inner, 1, 7),
            "branch7x7_3": _conv(inner, 192, 7, 1),
            "branch7x7dbl_1": _conv(inputs, inner),
            "branch7x7dbl_2": _conv(inner, inner, 7, 1),
            "branch7x7dbl_3": _conv(inner, inner, 1, 7),
            "branch7x7dbl_4": _conv(inner, inner, 7, 1),
            "branch7x7dbl_5": _conv(inner, 192, 1, 7),
            "branch_pool": _conv(inputs, 192),
        }
    )


def _d(inputs: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "branch3x3_1": _conv(inputs, 192),
            "branch3x3_2": _valid(192, 320, 2),
            "branch7x7x3_1": _conv(inputs, 192),
            "branch7x7x3_2": _conv(192, 192, 1, 7),
            "branch7x7x3_3": _conv(192, 192, 7, 1),
            "branch7x7x3_4": _valid(192, 192, 2),
        }
    )


def _e(inputs: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "branch1x1": _conv(inputs, 320),
            "branch3x3_1": _conv(inputs, 384),
            "branch3x3_2a": _conv(384, 384, 1, 3),
            "branch3x3_2b": _conv(384, 384, 3, 1),
            "branch3x3dbl_1": _conv(inputs, 448),
            "branch3x3dbl_2": _conv(448, 384, 3),
            "branch3x3dbl_3a": _conv(384, 384, 1, 3),
            "branch3x3dbl_3b": _conv(384, 384, 3, 1),
            "branch_pool": _conv(inputs, 192),
        }
    )
