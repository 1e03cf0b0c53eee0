"""Network evaluations and training steps per second beside diffusers' UNet2DModel.

All nets have the same widths. Also the machine's measured peak for a 3x3 convolution in the same
precision, and the share of it that each net reaches; Winograd's convolution takes fewer operations
than are counted, so ours can exceed it. All timings come from one run, the best of several repeats.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.support.torchvision_import import define_operators
from generators.nets.operators import why_torch
from generators.nets.unet import UNet, UNetConfig, channels_last

SHAPES = {
    # S 16 -> 64; tiny: one block a level.
    "S 16→64": UNetConfig(channels=64, multipliers=(1, 2, 2, 4), resblocks=2, mid_attention=True),
    "tiny 64": UNetConfig(channels=32, multipliers=(1, 2, 4), resblocks=1, mid_attention=True),
}


def diffusers_net(config: UNetConfig, alike: bool = False) -> nn.Module:
    """Return diffusers' UNet2DModel of the same widths: as it comes, or `alike`.

    As it comes it halves and doubles the resolution by one convolution; `alike` it does so by a
    residual block and modulates by scale and shift, as our net (and SR3) does.
    """
    define_operators()
    from diffusers import UNet2DModel

    levels = len(config.multipliers)
    kind = "Resnet{}sampleBlock2D" if alike else "{}Block2D"
    net = UNet2DModel(
        in_channels=config.in_channels,
        out_channels=config.out_channels,
        layers_per_block=config.resblocks,
        block_out_channels=tuple(config.channels * m for m in config.multipliers),
        down_block_types=(kind.format("Down"),) * levels,
        up_block_types=(kind.format("Up"),) * levels,
        norm_num_groups=16,
        resnet_time_scale_shift="scale_shift" if alike else "default",
    )
    return cast(nn.Module, net).eval()


class Timing(NamedTuple):
    """Seconds of one batch, evaluated and trained on, and the operations of one image."""

    evaluated: float
    trained: float
    work: int


def best(work: Callable[[], Any], repeats: int) -> float:
    """Return the shortest time of one call, in seconds, after two calls to warm up."""
    times = []
    for k in range(repeats + 2):
        began = time.perf_counter()
        work()
        if k >= 2:
            times.append(time.perf_counter() - began)
    return min(times)


def evaluation(net: nn.Module, x: Tensor, gamma: Tensor, repeats: int) -> float:
    """Return the seconds of one network evaluation of the batch `x`."""
    with torch.inference_mode():
        return best(lambda: net(x, gamma), repeats)


def training(net: nn.Module, x: Tensor, gamma: Tensor, half: bool, repeats: int) -> float:
    """Return the seconds of one training step of the batch `x`; NaN for no repeats."""
    if repeats == 0:
        return math.nan
    net.train()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            out = net(x, gamma)
        out = out if isinstance(out, Tensor) else out.sample
        out.float().square().mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return best(step, repeats)


def peak(dtype: torch.dtype, repeats: int) -> float:
    """Return the FLOP/s of torch's 3x3 convolution 128 -> 128 at 64x64, channels last, batch 4."""
    conv = nn.Conv2d(128, 128, 3, padding=1).to(dtype)
    conv = conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(4, 128, 64, 64, dtype=dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        seconds = best(lambda: conv(x), 3 * repeats)
    return 2 * 9 * 128 * 128 * 64 * 64 * 4 / seconds


def flops(net: nn.Module, size: int) -> int:
    """Return the floating-point operations of one evaluation of one image, by the definition."""
    x = torch.zeros(1, 6, size, size)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        net(x, torch.zeros(1))
    return int(counter.get_total_flops())


def theirs(
    config: UNetConfig, x: Tensor, gamma: Tensor, repeats: int, steps_timed: int
) -> dict[str, Timing]:
    """Return diffusers' timings: in its default precision, and put into bf16 channels_last."""
    found, steps = {}, gamma * 1000
    for name, alike in (("diffusers", False), ("diffusers, our kind of blocks", True)):
        net = diffusers_net(config, alike)
        work = flops(net, x.shape[-1])
        evaluated = evaluation(net, x, steps[:1], repeats)
        trained = training(net, x, steps, False, steps_timed)
        found[f"{name}, default (fp32)"] = Timing(evaluated, trained, work)
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        trained = training(net, last(x), steps, True, steps_timed)
        net = net.eval().bfloat16()
        half = evaluation(net, last(x).bfloat16(), steps[:1], repeats)
        found[f"{name}, bf16 channels_last"] = Timing(half, trained, work)
    return found


def last(x: Tensor) -> Tensor:
    """Return the batch in the memory layout with the channels last."""
    return x.contiguous(memory_format=torch.channels_last)


def ours(config: UNetConfig, x: Tensor, gamma: Tensor, repeats: int, steps_timed: int) -> Timing:
    """Return this project's timing, as `generate` and `train` run the net."""
    work = flops(UNet(config).eval(), x.shape[-1])
    net = channels_last(UNet(config), torch.device("cpu"))
    half = evaluation(net.eval().bfloat16(), last(x).bfloat16(), gamma[:1], repeats)
    trained = training(net.float(), last(x), gamma, True, steps_timed)
    return Timing(half, trained, work)


def compare(name: str, config: UNetConfig, batch: int, repeats: int, steps_timed: int) -> None:
    """Print one shape's table."""
    torch.manual_seed(0)
    x, gamma = torch.randn(batch, config.in_channels, 64, 64), torch.rand(batch)
    tops = {dtype: peak(dtype, repeats) for dtype in (torch.float32, torch.bfloat16)}
    rows = theirs(config, x, gamma, repeats, steps_timed)
    mine = ours(config, x, gamma, repeats, steps_timed)
    print(f"\n{name}, 64x64, batch {batch}: images/s, and how many times that ours makes")
    print(f"  {'':48}{'GFLOP':>6}{'evaluated':>11}{'':8}{'trained':>9}{'':8}{'of peak':>8}")
    for title, row in (rows | {"foolrate, bf16": mine}).items():
        top = tops[torch.float32 if "fp32" in title else torch.bfloat16]
        print(f"  {title:48}{row.work / 1e9:6.1f}", end="")
        print(f"{batch / row.evaluated:11.1f}{row.evaluated / mine.evaluated:7.2f}x", end="")
        trained = f"{batch / row.trained:9.2f}{row.trained / mine.trained:7.2f}x"
        print(trained if steps_timed else f"{'not timed':>17}", end="")
        print(f"{row.work * batch / row.evaluated / top:8.0%}")
    gains = " and ".join(f"{tops[d] / 1e9:.0f} GFLOP/s in {str(d)[6:]}" for d in tops)
    print(f"  peak of torch's convolution: {gains}, a ratio of", end="")
    print(f" {tops[torch.bfloat16] / tops[torch.float32]:.2f}")


def main(arguments: list[str] | None = None) -> None:
    """Print the tables; `--quick` for one shape and few repeats."""
    parser = argparse.ArgumentParser(prog="manage.py bench sampling", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small shape, few repeats")
    parser.add_argument("--batch", type=int, default=8, help="images at once")
    parser.add_argument("--shape", choices=[name.split()[0] for name in SHAPES], help="only this")
    parser.add_argument("--evaluations", action="store_true", help="time no training steps")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("diffusers") is None:
        raise SystemExit("bench sampling compares with diffusers: pip install diffusers")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"without the kernels ({why})" if (why := why_torch()) else "with the kernels")
    wanted = options.shape or ("tiny" if options.quick else "")
    repeats = 2 if options.quick else 5
    for name, config in SHAPES.items():
        if name.startswith(wanted):
            compare(name, config, options.batch, repeats, 0 if options.evaluations else repeats)


if __name__ == "__main__":
    main()
