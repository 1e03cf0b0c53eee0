"""The compiled group norm + scale-shift + SiLU against the formula in float64, by torch."""

import pytest
import torch
import torch.nn.functional as F
from foolrate_cpu_kernels import norm_act as operators
from torch import Tensor

EPS = 1e-6


def norm_act(
    x: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    modulation: Tensor | None = None,
    spare: bool = False,
) -> Tensor:
    if x.dtype == torch.bfloat16:
        return operators.norm_act(x, groups, weight, bias, modulation, eps=EPS, spare=spare)
    y = F.group_norm(x, groups, weight, bias, EPS)
    if modulation is not None:
        scale, shift = modulation[:, :, None, None].chunk(2, dim=1)
        y = shift + y * (1 + scale)
    return F.silu(y)


def parts(rows: int, channels: int = 48, size: int = 9) -> list[Tensor | None]:
    torch.manual_seed(rows)
    x = (torch.randn(3, channels, size, size) + 0.5).bfloat16()
    x = x.contiguous(memory_format=torch.channels_last)
    modulation = torch.randn(rows, 2 * channels) * 0.3 if rows else None
    return [x, torch.randn(channels), torch.randn(channels), modulation]


def run(values: list[Tensor | None], groups: int) -> tuple[Tensor, list[Tensor]]:
    leaves = [t if t is None else t.clone().requires_grad_() for t in values]
    x, weight, bias, modulation = leaves
    assert x is not None
    assert weight is not None
    assert bias is not None
    y = norm_act(x, groups, weight, bias, modulation)
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y.dtype)
    return y, list(torch.autograd.grad(y, [t for t in leaves if t is not None], dy))


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_compiled_is_the_formula_and_its_gradient(rows: int) -> None:
    values = parts(rows)
    y, gradients = run(values, 12)
    # The same bfloat16 upstream gradient, for it is rounded before both.
    exact, wanted = run([t if t is None else t.double() for t in values], 12)
    assert y.dtype == torch.bfloat16
    assert (y - exact).abs().max() <= exact.abs().max() * 2**-8
    for found, expected in zip(gradients, wanted, strict=True):
        assert (found - expected).abs().max() <= expected.abs().max() * 2**-6


def test_an_image_does_not_depend_on_the_batch_or_the_threads() -> None:
    x, weight, bias, _ = parts(0)
    assert x is not None
    assert weight is not None
    assert bias is not None
    with torch.inference_mode():
        together = norm_act(x, 12, weight, bias)
        alone = [norm_act(part, 12, weight, bias) for part in x.split(1)]
    assert torch.equal(together, torch.cat(alone))


def test_the_result_may_take_the_place_of_an_input_not_needed_again() -> None:
    x, weight, bias, modulation = parts(1, channels=72)  # 64 and 8: whole vectors, and a rest
    assert x is not None
    assert weight is not None
    assert bias is not None
    with torch.inference_mode():
        wanted = norm_act(x, 12, weight, bias, modulation)
        assert not torch.equal(x, wanted)
        found = norm_act(x, 12, weight, bias, modulation, spare=True)
    assert found is x
    assert torch.equal(found, wanted)
