"""Inception's layers against torch's in float32, and the resize against its formula in float64."""

import numpy as np
import pytest
import torch
from foolrate_cpu_kernels import inception
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

KERNELS = {
    "3x3": ((3, 3), (1, 1)),
    "3x3 without padding": ((3, 3), (0, 0)),
    "5x5": ((5, 5), (2, 2)),
    "1x3": ((1, 3), (0, 1)),
    "3x1": ((3, 1), (1, 0)),
    "1x7": ((1, 7), (0, 3)),
    "7x1": ((7, 1), (3, 0)),
}
# Tiles are 2 to 4 wide and come 24 at a time: sides with every rest, fewer and more than a block.
SIZES = ((17, 17), (8, 8), (9, 10), (7, 3), (3, 7))


def maps(*shape: int) -> Tensor:
    """Return what a ReLU leaves, channels last."""
    made = torch.randn(shape, generator=torch.manual_seed(1)).relu()
    return made.bfloat16().contiguous(memory_format=torch.channels_last)


def like(x: Tensor, channels: int, height: int, width: int) -> Tensor:
    shape = (x.shape[0], channels, height, width)
    return torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)


def convolution(kernel: str, inputs: int = 48, outputs: int = 64) -> nn.Conv2d:
    torch.manual_seed(0)
    size, padding = KERNELS[kernel]
    made = nn.Conv2d(inputs, outputs, size, padding=padding).requires_grad_(False)
    made.bias.uniform_(-0.5, 0.5)
    return made


def expected(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Return ReLU of the convolution in float32, with the weights as they are."""
    return conv(x.float()).relu()


def convolve(conv: nn.Conv2d, x: Tensor, into: Tensor | None = None) -> Tensor:
    if into is None:
        into = like(x, conv.out_channels, *expected(conv, x).shape[2:])
    return inception.convolve(conv, x, inception.pack(conv), conv.bias, into)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_convolutions_equal_torchs_to_bf16(kernel: str, size: tuple[int, int]) -> None:
    conv, x = convolution(kernel), maps(3, 48, *size)
    wanted, found = expected(conv, x), convolve(conv, x).float()
    error = (found - wanted).square().mean().sqrt() / wanted.square().mean().sqrt()
    assert float(error) < 0.008  # of bf16 itself: 0.0025; of a weight put wrong: more than 0.1
    assert float((found - wanted).abs().max()) < 0.02 * float(wanted.max())


def test_small_whole_numbers_are_convolved_exactly() -> None:
    """Of the 5x5 all points are 0, 1 and -1: quarters of the weights, and nothing is rounded."""
    conv = convolution("5x5", 16, 32)
    conv.weight.copy_(torch.randint(-2, 3, conv.weight.shape) * 4)
    conv.bias.copy_(torch.arange(32) - 16)
    x = maps(2, 16, 13, 11).clamp(0, 3).round()
    assert torch.equal(convolve(conv, x), expected(conv, x).bfloat16())


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_image_alone_gives_the_same_bits_and_only_its_channels_are_written(kernel: str) -> None:
    conv, wide = convolution(kernel), maps(5, 96, 17, 17)
    x = wide[:, 32:80]
    together = convolve(conv, x)
    whole = torch.full((5, 128, *together.shape[2:]), 7.0, dtype=torch.bfloat16)
    whole = whole.contiguous(memory_format=torch.channels_last)
    for number in range(5):
        convolve(conv, x[number : number + 1], whole[number : number + 1, 32:96])
    assert torch.equal(whole[:, 32:96], together)
    assert bool((whole[:, :32] == 7).all())
    assert bool((whole[:, 96:] == 7).all())


@pytest.mark.parametrize("size", [(35, 35), (8, 8), (3, 5)])
@pytest.mark.parametrize(("stride", "pad"), [(2, 0), (1, 1), (2, 1)])
def test_the_largest_of_each_window_is_torchs(size, stride: int, pad: int) -> None:
    x = maps(3, 96, *size)[:, 32:]
    wanted = functional.max_pool2d(x, 3, stride, pad)
    whole = torch.zeros(3, 128, *wanted.shape[2:], dtype=torch.bfloat16)
    whole = whole.contiguous(memory_format=torch.channels_last)
    assert torch.equal(inception.largest(x, stride, pad, whole[:, 64:]), wanted)
    assert not bool(whole[:, :64].any())


@pytest.mark.parametrize("size", [(35, 35), (8, 8), (1, 2)])
def test_averages_leave_out_what_lies_outside(size) -> None:
    x = maps(3, 64, *size) - maps(64, 3, *size).transpose(0, 1).contiguous()
    x = x.contiguous(memory_format=torch.channels_last)
    wanted = functional.avg_pool2d(x.float(), 3, 1, 1, count_include_pad=False).relu()
    found = inception.average(x, torch.empty_like(x)).float()
    assert float((found - wanted).abs().max()) <= 2**-8 * float(wanted.max())
    assert bool((found[wanted == 0] == 0).all())


def resized(pixels: NDArray[np.uint8], side: int) -> NDArray[np.float64]:
    """TensorFlow 1's bilinear resize: output i reads position i * size / side, in float32."""
    out = pixels.astype(np.float64)
    for axis in (0, 1):
        at = np.arange(side, dtype=np.float32) * np.float32(pixels.shape[axis] / side)
        first = np.floor(at).astype(int)
        second = np.minimum(first + 1, pixels.shape[axis] - 1)
        share = (at - first).astype(np.float64).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        out = out.take(first, axis) * (1 - share) + out.take(second, axis) * share
    return (out - 128) / 128


@pytest.mark.parametrize("shape", [(256, 256), (64, 100), (401, 299), (1, 1), (2, 3)])
def test_the_resize_is_tensorflows(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    wanted = torch.from_numpy(resized(pixels, 299)).permute(2, 0, 1)
    found = inception.resize(pixels, 299)
    assert found.shape == (3, 299, 299)
    assert bool(((found.double() - wanted).abs() <= 2**-8 * wanted.abs() + 1e-5).all())
    # Half the steps of bf16 would pass above: nearly all must be the nearest number.
    assert float((found != wanted.bfloat16()).float().mean()) < 1e-3


def test_other_convolutions_are_left_to_torch() -> None:
    assert inception.suits(nn.Conv2d(48, 64, (1, 7)))
    for other in (
        nn.Conv2d(48, 64, (1, 5)),
        nn.Conv2d(48, 64, 3, stride=2),
        nn.Conv2d(48, 64, 3, dilation=2),
        nn.Conv2d(40, 64, 3),
        nn.Conv2d(48, 80, 3),
        nn.Conv2d(64, 64, 3, groups=2),
    ):
        assert not inception.suits(other)


def test_maps_in_another_order_are_refused() -> None:
    x = torch.zeros(2, 64, 8, 8, dtype=torch.bfloat16)
    with pytest.raises(RuntimeError, match="channels last"):
        inception.largest(x, 2, 0, like(x, 64, 3, 3))
