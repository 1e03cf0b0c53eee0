"""Winograd's convolution against torch's in float64, forward and backward."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from foolrate_cpu_kernels import conv3x3
from torch import Tensor, nn


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution by the operators; packed anew at each call."""

    def __init__(self, inputs: int, outputs: int, most: int = 2) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        self.most = most

    def forward(self, x: Tensor, *residual: Any, doubled: bool = False) -> Tensor:
        if torch.is_grad_enabled():
            return conv3x3.convolve(x, self.weight, self.bias, self.most)
        square = conv3x3.square_of(x, self.weight, self.most, doubled)
        skip, scale = residual or (None, 1.0)
        packed = conv3x3.pack(self.weight, square)
        bias = self.bias.detach()
        return conv3x3.convolve_packed(x, packed, bias, skip, scale=scale, doubled=doubled)


def images(n: int, channels: int, height: int, width: int) -> Tensor:
    torch.manual_seed(channels)
    made = torch.randn(n, channels, height, width).bfloat16()
    return made.contiguous(memory_format=torch.channels_last)


def error(found: Tensor, exact: Tensor) -> float:
    return float(((found - exact).square().mean() / exact.square().mean()).sqrt())


@pytest.mark.parametrize(("inputs", "outputs"), [(64, 64), (32, 48), (144, 96), (16, 32)])
@pytest.mark.parametrize(("most", "size"), [(2, (10, 6)), (4, (12, 20)), (4, (10, 6))])
def test_winograd_is_as_exact_as_a_direct_convolution_in_bfloat16(inputs, outputs, most, size):
    conv = Conv3x3(inputs, outputs, most)
    x, skip = images(3, inputs, *size), images(3, outputs, *size)
    with torch.no_grad():
        found = conv(x, skip, 0.7)
        weight, bias = conv.weight.double(), conv.bias.double()
        exact = 0.7 * (F.conv2d(x.double(), weight, bias, padding=1) + skip.double())
        weight, bias = conv.weight.bfloat16(), conv.bias.bfloat16()
        direct = 0.7 * (F.conv2d(x, weight, bias, padding=1) + skip)
    assert found.dtype == torch.bfloat16
    assert error(found, exact) < 1.2 * error(direct, exact)


def test_repeated_pixels_are_those_of_the_larger_image_to_the_bit():
    conv, x, skip = Conv3x3(64, 96), images(3, 64, 5, 7), images(3, 96, 5, 7)
    large, wide = (F.interpolate(t, scale_factor=2, mode="nearest") for t in (x, skip))
    with torch.inference_mode():
        assert torch.equal(conv(x, skip, 0.7, doubled=True), conv(large, wide, 0.7))


@pytest.mark.parametrize("size", [(4, 4), (8, 12)])
def test_a_residual_of_half_the_size_is_repeated_whatever_the_squares(size):
    conv, x = Conv3x3(32, 64, most=4), images(2, 32, *size)
    skip = images(2, 64, size[0] // 2, size[1] // 2)
    with torch.inference_mode():
        wide = F.interpolate(skip, scale_factor=2, mode="nearest")
        assert torch.equal(conv(x, skip, 0.7), conv(x, wide, 0.7))


# The signs of the transform's rows (those of its zeros are free), so that a tile of pixels with
# these signs makes its largest value.
SIGNS = ["++-+++", "+--+++", "++--++", "+++-++"]


@pytest.mark.parametrize("inputs", [16, 256, 512])
@pytest.mark.parametrize("signs", SIGNS)
def test_integers_hold_the_largest_sums(inputs, signs):
    conv, x = Conv3x3(inputs, 32, most=4), torch.zeros(1, inputs, 12, 12)
    side = torch.tensor([1.0 if sign == "+" else -1.0 for sign in signs])
    x[:, :, 3:9, 3:9] = 1e4 * side[:, None] * side
    x = x.bfloat16().contiguous(memory_format=torch.channels_last)
    with torch.no_grad():  # the same kernel for each input: all products of a sum agree in sign
        conv.weight[:], conv.bias[:] = torch.randn(32, 1, 3, 3), 0
        assert error(conv(x), F.conv2d(x.double(), conv.weight.double(), padding=1)) < 2**-7


def test_squares_of_four_leave_zeros_and_what_is_no_number():
    conv, x = Conv3x3(48, 32, most=4), images(1, 48, 8, 16)
    with torch.inference_mode():
        assert torch.equal(
            conv(torch.zeros_like(x)), conv.bias.bfloat16()[None, :, None, None] + 0 * conv(x)
        )
        x[0, 40, 6, 1] = float("nan")
        assert conv(x)[0, :, 5:, :3].isnan().all()
        assert conv(x)[0, :, :, 8:].isfinite().all()


@pytest.mark.parametrize("most", [2, 4])
def test_gradients_are_those_of_a_convolution(most):
    conv, x = Conv3x3(64, 96, most), images(2, 64, 8, 12).requires_grad_()
    upstream = images(2, 96, 8, 12)
    found = torch.autograd.grad(conv(x), (x, conv.weight, conv.bias), upstream)
    leaves = [t.detach().double().requires_grad_() for t in (x, conv.weight, conv.bias)]
    made = F.conv2d(leaves[0], leaves[1], leaves[2], padding=1)
    exact = torch.autograd.grad(made, leaves, upstream.double())
    for gradient, wanted in zip(found, exact, strict=True):
        assert error(gradient, wanted) < 2**-7


@pytest.mark.parametrize(("most", "side"), [(2, 14), (4, 20)])
def test_an_image_does_not_depend_on_the_batch_nor_on_the_threads(most, side):
    conv, x = Conv3x3(32, 32, most), images(5, 32, side, side)
    threads = torch.get_num_threads()
    with torch.inference_mode():
        together = conv(x)
        try:
            torch.set_num_threads(1)
            alone = torch.cat([conv(part) for part in x.split(1)])
        finally:
            torch.set_num_threads(threads)
    assert torch.equal(together, alone)
