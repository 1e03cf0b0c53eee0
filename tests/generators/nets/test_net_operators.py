"""The nets' operators by the kernels and by torch: one function, and its name in the records."""

from __future__ import annotations

import builtins

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from generators.nets import operators
from generators.nets.operators import Conv3x3, arithmetic, kernels, norm_act

CPU = torch.device("cpu")
needs_kernels = pytest.mark.skipif(
    kernels() is None, reason=f"not for this processor: {operators.why_torch()}"
)


def images(n: int, channels: int, height: int, width: int) -> Tensor:
    torch.manual_seed(channels)
    made = torch.randn(n, channels, height, width).bfloat16()
    return made.contiguous(memory_format=torch.channels_last)


@pytest.fixture
def torchs(monkeypatch):
    """Do without the kernels."""
    monkeypatch.setenv("FOOLRATE_NATIVE", "0")
    kernels.cache_clear()
    yield
    kernels.cache_clear()


@needs_kernels
@pytest.mark.parametrize("doubled", [False, True])
def test_a_convolution_is_torchs_to_bfloat16(doubled, monkeypatch):
    conv, x = Conv3x3(32, 64, most=4), images(2, 32, 8, 12)
    skip = images(2, 64, 8, 12)
    with torch.inference_mode():
        found = conv(x, skip, 0.7, doubled=doubled)
        large, wide = (F.interpolate(t, scale_factor=2) if doubled else t for t in (x, skip))
        exact = 0.7 * (
            F.conv2d(large.double(), conv.weight.double(), conv.bias.double(), padding=1)
            + wide.double()
        )
    assert found.dtype == torch.bfloat16
    assert (found - exact).abs().max() < 2**-7 * exact.abs().max()


@needs_kernels
def test_a_training_step_takes_the_same_convolution(monkeypatch):
    conv, x, skip = Conv3x3(32, 64, most=2), images(2, 32, 6, 10), images(2, 64, 6, 10)
    for doubled in (False, True):
        with torch.inference_mode():
            alone = conv(x, doubled=doubled)
        assert torch.equal(conv(x, doubled=doubled), alone)
    assert conv(x, skip, 0.7).requires_grad


@needs_kernels
@pytest.mark.parametrize("most", [2, 4])
def test_changed_weights_are_packed_again(most):
    conv, x = Conv3x3(32, 32, most), images(1, 32, 4, 4)
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


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_without_the_kernels_torch_does_it(torchs, rows):
    x, weight, bias = images(3, 48, 9, 9), torch.randn(48), torch.randn(48)
    modulation = torch.randn(rows, 96) * 0.3 if rows else None
    assert kernels() is None
    y = F.group_norm(x.double(), 12, weight.double(), bias.double(), operators.EPS)
    if modulation is not None:
        scale, shift = modulation.double()[:, :, None, None].chunk(2, dim=1)
        y = (1 + scale) * y + shift
    exact = F.silu(y)
    found = norm_act(x, 12, weight, bias, modulation)
    assert (found - exact).abs().max() <= exact.abs().max() * 2**-5


def test_the_name_of_the_arithmetic_is_that_of_what_ran(torchs):
    assert arithmetic(CPU, torch.bfloat16) == "torch"
    assert operators.why_torch() == "FOOLRATE_NATIVE is 0"


@needs_kernels
def test_the_kernels_have_a_name_of_their_own():
    assert arithmetic(CPU, torch.bfloat16) == "foolrate-cpu-kernels 1"
    assert arithmetic(CPU, torch.float32) == "torch"
    assert arithmetic(torch.device("cuda"), torch.bfloat16) == "torch"
    assert arithmetic(CPU, torch.bfloat16, compiled=True) == "torch, compiled"


def test_a_package_that_is_not_there_is_no_error(monkeypatch):
    real = builtins.__import__

    def absent(name, *rest):
        if name.startswith("foolrate_cpu_kernels"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    kernels.cache_clear()
    try:
        assert kernels() is None
        assert operators.why_torch() == "foolrate-cpu-kernels is not installed"
    finally:
        kernels.cache_clear()
