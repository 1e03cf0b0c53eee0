"""The compiled group norm + scale-shift + SiLU against the formula in float64, by torch."""

import pytest
import torch
from torch import Tensor

from generators.nets import fused_norm
from generators.nets.native_code import library

needs_compiler = pytest.mark.skipif(library() is None, reason="no C compiler on this machine")


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
    y = fused_norm.norm_act(x, groups, weight, bias, modulation)
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y.dtype)
    return y, list(torch.autograd.grad(y, [t for t in leaves if t is not None], dy))


@needs_compiler
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


@needs_compiler
def test_an_image_does_not_depend_on_the_batch_or_the_threads() -> None:
    x, weight, bias, _ = parts(0)
    assert x is not None
    assert weight is not None
    assert bias is not None
    with torch.inference_mode():
        together = fused_norm.norm_act(x, 12, weight, bias)
        alone = [fused_norm.norm_act(part, 12, weight, bias) for part in x.split(1)]
    assert torch.equal(together, torch.cat(alone))


@needs_compiler
def test_the_result_may_take_the_place_of_an_input_not_needed_again() -> None:
    x, weight, bias, modulation = parts(1, channels=72)  # 64 and 8: whole vectors, and a rest
    assert x is not None
    assert weight is not None
    assert bias is not None
    with torch.inference_mode():
        wanted = fused_norm.norm_act(x, 12, weight, bias, modulation)
        assert not torch.equal(x, wanted)
        found = fused_norm.norm_act(x, 12, weight, bias, modulation, spare=True)
    assert found is x
    assert torch.equal(found, wanted)


def test_without_a_compiler_torch_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOLRATE_NATIVE", "0")
    library.cache_clear()
    try:
        assert library() is None
        y, _ = run(parts(3), 12)
    finally:
        monkeypatch.undo()
        library.cache_clear()
    exact, _ = run([t if t is None else t.double() for t in parts(3)], 12)
    assert (y - exact).abs().max() <= exact.abs().max() * 2**-5


def test_a_broken_compiler_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library.cache_clear()
    try:
        assert library() is None
    finally:
        monkeypatch.undo()
        library.cache_clear()
