"""Inception's operators: without the kernels torch does it, and with them the resize is one."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from metrics.networks import operators
from metrics.networks.fused_conv import FusedConv
from metrics.networks.inception import preprocess
from metrics.networks.operators import (
    WinogradConv,
    average_pool,
    has_kernel,
    kernels,
    max_pool,
    resize,
)

compiled = pytest.mark.skipif(kernels() is None, reason="not for this processor, or not installed")


def maps(*shape: int) -> Tensor:
    made = torch.randn(shape, generator=torch.manual_seed(1)).relu()
    return made.bfloat16().contiguous(memory_format=torch.channels_last)


def seven() -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(48, 64, (1, 7), padding=(0, 3)).requires_grad_(False)


def test_without_the_kernels_torch_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "kernels", lambda: None)
    fused, x = FusedConv(seven().bfloat16(), "relu"), maps(2, 48, 9, 9)
    assert torch.equal(WinogradConv(fused)(x), fused(x))
    assert torch.equal(max_pool(x, 2, 0), functional.max_pool2d(x, 3, 2, 0))
    wanted = functional.avg_pool2d(x.float(), 3, 1, 1, count_include_pad=False)
    assert torch.allclose(
        average_pool(x, torch.empty_like(x)).float(), wanted, rtol=2**-7, atol=1e-3
    )
    assert not has_kernel(seven())


@compiled
def test_with_the_kernels_each_writes_where_it_is_told() -> None:
    conv, x = seven(), maps(2, 48, 9, 9)
    wanted = conv(x.float()).relu()
    whole = torch.zeros(2, 96, 9, 9).bfloat16().contiguous(memory_format=torch.channels_last)
    made = WinogradConv(FusedConv(conv, "relu"))(x, whole[:, 32:])
    assert made.data_ptr() == whole[:, 32:].data_ptr()
    assert float((whole[:, 32:].float() - wanted).abs().max()) < 0.02 * float(wanted.max())
    assert not whole[:, :32].any()
    large = maps(2, 64, 9, 9)
    assert torch.equal(max_pool(large, 2, 0), functional.max_pool2d(large, 3, 2, 0))


@compiled
def test_the_kernels_resize_is_the_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 100, 3), dtype=np.uint8)
    found, wanted = resize(pixels, 299), preprocess(pixels).bfloat16()
    assert float((found != wanted).float().mean()) < 1e-3
    assert float((found.float() - wanted.float()).abs().max()) <= 2**-7
