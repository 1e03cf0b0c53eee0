"""Winograd's convolution against torch's in float64, forward and backward."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from generators import conv3x3
from generators.conv3x3 import Conv3x3
from generators.native_code import library

needs_winograd = pytest.mark.skipif(
    not conv3x3.faster(),
    reason="no C compiler" if library() is None else "not for this processor: torch's own is used",
)


def images(n: int, channels: int, height: int, width: int) -> Tensor:
    torch.manual_seed(channels)
    made = torch.randn(n, channels, height, width).bfloat16()
    return made.contiguous(memory_format=torch.channels_last)


def error(found: Tensor, exact: Tensor) -> float:
    return float(((found - exact).square().mean() / exact.square().mean()).sqrt())


@needs_winograd
@pytest.mark.parametrize(("inputs", "outputs"), [(64, 64), (32, 48), (144, 96), (16, 32)])
def test_winograd_is_as_exact_as_a_direct_convolution_in_bfloat16(inputs, outputs):
    conv, x, skip = Conv3x3(inputs, outputs), images(3, inputs, 10, 6), images(3, outputs, 10, 6)
    with torch.no_grad():
        found = conv(x, skip, 0.7)
        weight, bias = conv.weight.double(), conv.bias.double()
        exact = 0.7 * (F.conv2d(x.double(), weight, bias, padding=1) + skip.double())
        half = [t.bfloat16() for t in (conv.weight, conv.bias)]
        direct = 0.7 * (F.conv2d(x, *half, padding=1) + skip)
    assert found.dtype == torch.bfloat16
    assert error(found, exact) < 1.2 * error(direct, exact)


@needs_winograd
def test_repeated_pixels_are_those_of_the_larger_image_to_the_bit():
    conv, x, skip = Conv3x3(64, 96), images(3, 64, 5, 7), images(3, 96, 5, 7)
    large, wide = (F.interpolate(t, scale_factor=2, mode="nearest") for t in (x, skip))
    with torch.inference_mode():
        assert torch.equal(conv(x, skip, 0.7, doubled=True), conv(large, wide, 0.7))
    assert torch.equal(conv(x, skip, 0.7, doubled=True), conv(large, wide, 0.7))  # as in training


@needs_winograd
def test_gradients_are_those_of_a_convolution():
    conv, x = Conv3x3(64, 96), images(2, 64, 8, 12).requires_grad_()
    upstream = images(2, 96, 8, 12)
    found = torch.autograd.grad(conv(x), (x, conv.weight, conv.bias), upstream)
    leaves = [t.detach().double().requires_grad_() for t in (x, conv.weight, conv.bias)]
    made = F.conv2d(*leaves, padding=1)
    exact = torch.autograd.grad(made, leaves, upstream.double())
    for gradient, wanted in zip(found, exact, strict=True):
        assert error(gradient, wanted) < 2**-7


@needs_winograd
def test_an_image_does_not_depend_on_the_batch_nor_on_the_threads():
    conv, x, threads = Conv3x3(32, 32), images(5, 32, 14, 14), torch.get_num_threads()
    with torch.inference_mode():
        together = conv(x)
        try:
            torch.set_num_threads(1)
            alone = torch.cat([conv(part) for part in x.split(1)])
        finally:
            torch.set_num_threads(threads)
    assert torch.equal(together, alone)


@needs_winograd
def test_changed_weights_are_packed_again():
    conv, x = Conv3x3(32, 32), images(1, 32, 4, 4)
    with torch.no_grad():
        before = conv(x)
        conv.weight.mul_(2)
        conv.bias.mul_(2)
        assert torch.equal(conv(x), 2 * before)


@pytest.mark.parametrize(("size", "dtype"), [(7, torch.bfloat16), (8, torch.float32)])
def test_odd_sizes_and_float32_are_left_to_torch(size, dtype):
    conv, x = Conv3x3(32, 32).to(dtype), images(1, 32, size, size).to(dtype)
    with torch.inference_mode():
        assert torch.equal(conv(x), F.conv2d(x, conv.weight, conv.bias, padding=1))
