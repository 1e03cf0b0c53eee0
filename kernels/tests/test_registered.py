"""Each operator as torch checks it: schema, shapes without data, gradients; and what it refuses."""

from typing import Any

import pytest
import torch
from torch import Tensor

OPS: Any = torch.ops.foolrate_cpu
LAST = torch.channels_last


def images(n: int, channels: int, height: int, width: int) -> Tensor:
    made = torch.randn((n, channels, height, width), generator=torch.manual_seed(0))
    return made.bfloat16().contiguous(memory_format=LAST)


def weights(outputs: int, inputs: int) -> Tensor:
    return torch.randn((outputs, inputs, 3, 3), generator=torch.manual_seed(1)) / 10


def packed(square: int, outputs: int = 32, inputs: int = 16) -> tuple[Tensor, Tensor]:
    made: tuple[Tensor, Tensor] = OPS.conv3x3_pack(weights(outputs, inputs), square)
    return made


def norm(rows: int) -> tuple[Any, ...]:
    modulation = torch.randn(rows, 64) if rows else None
    return images(2, 32, 6, 5), 8, torch.randn(32), torch.randn(32), modulation


def samples() -> list[tuple[str, tuple[Any, ...]]]:
    """Return operators and arguments that they take."""
    x, bias = images(2, 16, 8, 12), torch.randn(32)
    wide, into = images(2, 32, 9, 9), images(2, 64, 9, 9)
    out = images(2, 32, 4, 4)
    stats = OPS.norm_act(*norm(2), 1e-6)[1]
    convolved = torch.randn(6 * 32 * 32).bfloat16().view(6, 1, 16, 32, 2)
    pixels = torch.randint(0, 256, (7, 9, 3), dtype=torch.uint8)
    return [
        ("conv3x3_pack", (weights(48, 16), 2)),
        ("conv3x3_pack", (weights(64, 32), 4, True)),
        ("conv3x3_packed", (x, *packed(2), bias, images(2, 32, 4, 6), 0.5, False)),
        ("conv3x3_packed", (x, *packed(2), None, None, 1.0, True)),
        ("conv3x3_packed", (x, *packed(4), bias, images(2, 32, 8, 12), 0.5, False)),
        ("conv3x3", (x.clone().requires_grad_(), weights(32, 16).requires_grad_(), None, 2)),
        ("conv3x3", (x, weights(32, 16).requires_grad_(), bias.clone().requires_grad_(), 4)),
        *(("norm_act", (*norm(rows), 1e-6)) for rows in (0, 1, 2)),
        ("norm_act_", (*norm(1), 1e-6)),
        ("norm_act_backward", (images(2, 32, 6, 5), *norm(2), stats)),
        ("inception_conv", (wide, convolved, bias, 2, 0, 1, into[:, 32:])),
        ("pool_largest", (wide, 2, 0, out)),
        ("pool_average", (wide, into[:, :32])),
        ("resize_tf1", (pixels, 11)),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(samples())))
def test_an_operator_is_what_its_schema_says(number: int) -> None:
    name, arguments = samples()[number]
    tests: tuple[str, ...] = (
        "test_schema",
        "test_autograd_registration",
        "test_faketensor",
        "test_aot_dispatch_dynamic",
    )
    if name in {"conv3x3", "norm_act"}:
        # The last compares gradients in bfloat16 to float32's tolerance: test_conv3x3 and
        # test_norm_act compare them with float64's.
        tests = tests[:3]
    torch.library.opcheck(getattr(OPS, name).default, arguments, test_utils=tests)


def test_every_operator_is_sampled() -> None:
    known = {s.name for s in torch._C._jit_get_all_schemas() if s.name.startswith("foolrate_cpu::")}
    assert known == {f"foolrate_cpu::{name}" for name, _ in samples()} | {
        "foolrate_cpu::keep_memory"
    }


X, MAP, NONE = images(2, 16, 8, 12), images(2, 32, 9, 9), torch.zeros(0)
ONES, ODD = torch.ones(32), torch.zeros(9).bfloat16().view(1, 1, 1, 9, 1)


def convolved(
    x: Tensor, made: tuple[Tensor, Tensor], bias: Any = None, residual: Any = None
) -> tuple[str, tuple[Any, ...]]:
    return "conv3x3_packed", (x, *made, bias, residual, 1.0, False)


def normed(groups: int, weight: int, rows: int | None = None) -> tuple[str, tuple[Any, ...]]:
    modulation = None if rows is None else torch.ones(rows, 32)
    return "norm_act", (X, groups, torch.ones(weight), torch.ones(16), modulation, 1e-6)


REFUSED = {
    "x: wrong dtype": convolved(X.float(), packed(2)),
    "x: expected channels last": convolved(X.contiguous(), packed(2)),
    "x: 32 channels, expected 16": convolved(images(1, 32, 8, 8), packed(2)),
    "must be multiples of 2": convolved(images(1, 16, 7, 8), packed(2)),
    "must be multiples of 4": convolved(images(1, 16, 6, 8), packed(4)),
    "bias: has 31 values, expected 32": convolved(X, packed(2), torch.zeros(31)),
    "residual: has another shape": convolved(X, packed(2), None, X),
    "units: has 0 values, expected 1152": convolved(X, (packed(4)[0], NONE)),
    "weight: wrong dtype": convolved(X, (weights(32, 16), NONE)),
    "weight: 15 inputs": ("conv3x3_pack", (weights(32, 15), 2)),
    "weight: 40 outputs": ("conv3x3_pack", (weights(40, 16), 2)),
    "square: 3": ("conv3x3_pack", (weights(32, 16), 3)),
    "weight: expected of 3x3": ("conv3x3_pack", (torch.zeros(32, 16, 5, 5), 2)),
    "groups: 5 of 16": normed(5, 16),
    "weight: has 15 values": normed(4, 15),
    "modulation: 3 rows, expected 1 or 2": normed(4, 16, 3),
    "out: not of the pool's shape": ("pool_largest", (MAP, 2, 0, images(2, 32, 5, 5))),
    "out: not of x's shape": ("pool_average", (MAP, images(2, 32, 9, 8))),
    "x: 40 channels": ("pool_average", (images(2, 40, 9, 9), images(2, 40, 9, 9))),
    "weight: not packed": ("inception_conv", (MAP, ODD, ONES, 2, 0, 1, MAP)),
    "shape: 6": ("inception_conv", (MAP, ODD, ONES, 6, 0, 1, MAP)),
    r"pixels: expected \(H, W, 3\)": ("resize_tf1", (torch.zeros(4, 4, 4).byte(), 9)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_wrong_tensor_is_an_exception_and_not_a_wrong_address(message: str) -> None:
    name, arguments = REFUSED[message]
    with pytest.raises(RuntimeError, match=message):
        getattr(OPS, name)(*arguments)
