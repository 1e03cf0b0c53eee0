"""Network evaluations and training steps per second beside diffusers' UNet2DModel.

Both nets have the same widths. Also the machine's measured peak for a 3x3 convolution in the same
precision, and the share of it that the net reaches. All timings come from one run; the best of
several repeats is reported.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from generators.unet import UNet, UNetConfig, channels_last
from metrics.torchvision_cure import cure

SHAPES = {
    # S 16 -> 64 of the design notes; tiny: one block a level.
    "S 16→64": UNetConfig(channels=64, multipliers=(1, 2, 2, 4), resblocks=2, mid_attention=True),
    "tiny 64": UNetConfig(channels=32, multipliers=(1, 2, 4), resblocks=1, mid_attention=True),
}


def diffusers_net(config: UNetConfig) -> nn.Module:
    """Return diffusers' UNet2DModel with the same widths and blocks, as it comes."""
    cure()
    from diffusers import UNet2DModel

    levels = len(config.multipliers)
    return UNet2DModel(
        in_channels=config.in_channels,
        out_channels=config.out_channels,
        layers_per_block=config.resblocks,
        block_out_channels=tuple(config.channels * m for m in config.multipliers),
        down_block_types=("DownBlock2D",) * levels,
        up_block_types=("UpBlock2D",) * levels,
        norm_num_groups=16,
    ).eval()


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
    """Return the seconds of one training step of the batch `x`."""
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
    """Return the FLOP/s of a 3x3 convolution 128 -> 128 at 64x64, channels last, batch 4."""
    conv = nn.Conv2d(128, 128, 3, padding=1).to(dtype).to(memory_format=torch.channels_last)
    x = torch.randn(4, 128, 64, 64, dtype=dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        seconds = best(lambda: conv(x), 3 * repeats)
    return 2 * 9 * 128 * 128 * 64 * 64 * 4 / seconds


def flops(config: UNetConfig, size: int) -> int:
    """Return the floating-point operations of one evaluation of one image."""
    net = UNet(config).eval()
    x = torch.zeros(1, config.in_channels, size, size)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        net(x, torch.zeros(1))
    return int(counter.get_total_flops())


def compare(name: str, config: UNetConfig, batch: int, repeats: int) -> None:
    """Print one shape's table."""
    x = torch.randn(batch, config.in_channels, 64, 64)
    gamma = torch.rand(batch)
    last = x.bfloat16().contiguous(memory_format=torch.channels_last)
    theirs = diffusers_net(config)
    steps = gamma * 1000
    fp32 = evaluation(theirs, x, steps[:1], repeats)
    trained = training(theirs, x, steps, False, repeats)
    theirs = theirs.eval().bfloat16().to(memory_format=torch.channels_last)
    half = evaluation(theirs, last, steps[:1], repeats)
    ours = channels_last(UNet(config), torch.device("cpu"))
    our_training = training(ours, x, gamma, True, repeats)
    mine = evaluation(ours.eval().bfloat16(), last, gamma[:1], repeats)
    print(f"\n{name}: {flops(config, 64) / 1e9:.1f} GFLOP a 64x64 image, batch {batch}")
    print(f"  {'':38}{'images/s':>10}{'ours is':>10}")
    print(f"  {'diffusers, default (fp32)':38}{batch / fp32:10.1f}{fp32 / mine:9.2f}x")
    print(f"  {'diffusers, bf16 channels_last':38}{batch / half:10.1f}{half / mine:9.2f}x")
    print(f"  {'foolrate, bf16 channels_last':38}{batch / mine:10.1f}")
    print(f"  {'training: diffusers, default (fp32)':38}{batch / trained:10.1f}", end="")
    print(f"{trained / our_training:9.2f}x")
    print(f"  {'training: foolrate, bf16 channels_last':38}{batch / our_training:10.1f}")
    top = peak(torch.bfloat16, repeats)
    reached = flops(config, 64) * batch / mine
    print(f"  convolution peak {top / 1e9:.0f} GFLOP/s in bf16 channels_last", end="")
    print(f"; the net reaches {reached / top:.0%} of it")


def main(arguments: list[str] | None = None) -> None:
    """Print the tables; `--quick` for one shape and few repeats."""
    parser = argparse.ArgumentParser(prog="manage.py bench sampling", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args(arguments)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    shapes = dict(list(SHAPES.items())[1:]) if options.quick else SHAPES
    for name, config in shapes.items():
        compare(name, config, options.batch, 2 if options.quick else 5)


if __name__ == "__main__":
    main()
