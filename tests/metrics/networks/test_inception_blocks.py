"""Inception's layers rearranged: the same function as torch-fidelity's blocks one by one."""

import pytest
import torch
from torch import nn

from benchmarks.support import published_inception
from metrics.networks import fused_conv
from metrics.networks.devices import takes_bf16
from metrics.networks.fused_conv import fuse_children
from metrics.networks.inception_blocks import rearrange, staged
from metrics.networks.inception_layers import ConvNorm, network


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.rand(5, 3, 299, 299) * 2 - 1  # the stem takes two at a time


@pytest.fixture(scope="module")
def plain() -> torch.nn.Sequential:
    """Return the network as torch-fidelity lays it out, with random weights."""
    torch.manual_seed(0)
    layers = published_inception.network().eval().requires_grad_(False)
    for module in layers.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)  # so that an edge filled with zeros is not neutral
            module.bias.uniform_(0, 0.3)
            module.weight.fill_(3)  # the default convolutions' outputs fade from layer to layer
    return layers


@pytest.fixture(scope="module")
def expected(plain: torch.nn.Sequential, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return plain(images)


def staged_copy(plain: torch.nn.Sequential, winograd: bool) -> torch.nn.Sequential:
    fused = network()
    fused.load_state_dict(plain.state_dict())
    fuse_children(fused, ConvNorm, ("conv", "bn"), "relu")
    return staged(rearrange(fused), winograd)


@pytest.mark.slow
@pytest.mark.parametrize("winograd", [False, True])
def test_rearranged_layers_give_the_same_features(plain, images, expected, winograd) -> None:
    """In float32 torch does the products of both, so that only the arrangement is compared."""
    with torch.inference_mode():
        found = staged_copy(plain, winograd)(images)
    assert found.shape == (5, 2048)
    assert float((found - expected).abs().max()) < 1e-4 * float(expected.abs().max())


@pytest.mark.slow
@pytest.mark.parametrize("winograd", [False, True])
def test_the_stem_in_pieces_gives_the_same_maps_to_their_edges(plain, images, winograd) -> None:
    with torch.inference_mode():
        expected, found = plain[:7](images), staged_copy(plain, winograd)[0](images)
    assert found.shape == (5, 192, 35, 35)
    assert float((found - expected).abs().max()) < 1e-4 * float(expected.abs().max())


@pytest.mark.slow
@pytest.mark.skipif(not takes_bf16(), reason="not for this processor: no bf16")
def test_bfloat16_stays_near_float32_and_alone_equals_together(plain, images, expected) -> None:
    network = staged_copy(plain, winograd=True).bfloat16()
    batch = images.bfloat16().contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        together = network(batch)
        alone = torch.cat([network(image[None]) for image in batch])
    assert torch.equal(alone, together)
    error = (together.float() - expected).square().mean() / expected.square().mean()
    assert float(error.sqrt()) < 0.02


def test_a_torch_without_the_fused_operators_computes_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    conv = fused_conv.FusedConv(nn.Conv2d(3, 8, 3, padding=1), "relu6")
    x = torch.randn(2, 3, 16, 16)
    with torch.inference_mode():
        fused = conv(x)
        monkeypatch.setattr(fused_conv, "_OPERATORS", ("no_such_operator",))
        assert not fused_conv.has_fused_operators()
        plain = conv(x)
    assert torch.allclose(fused, plain, atol=1e-6)
