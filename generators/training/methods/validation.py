"""Validation while training: PSNR, LPIPS and a grid of samples to look at, on held-out images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from generators.nets.model import ModelConfig, upsample
from generators.nets.tensors import to_pixels
from generators.nets.unet import UNet
from generators.sampling.denoiser import Settings, sample
from generators.sampling.perceptual import Lpips, lpips_mean
from generators.training.data import Batch, Images
from generators.training.sheet import write_sheet

COUNT = 8  # held-out images


def preview(
    net: UNet,
    model: ModelConfig,
    out: Path,
    held_back: Images,
    *,
    step: int,
    lpips: Lpips | None = None,
) -> dict[str, float]:
    """Return the validation figures, and write ``samples/STEP.png`` into `out`.

    Rows: the bicubic upsample, the net's output, the real image; without an input, samples. The
    outputs are also written one by one, as the folders ``validation/STEP`` and ``validation/real``,
    for the metrics that need a trained net (LPIPS), which are not this package's.
    """
    noise = torch.Generator().manual_seed(0)
    settings = Settings(evaluations=1 if model.task == "regression" else 16)
    if model.task == "image":
        count = max(COUNT, len(model.classes))
        label = torch.arange(count) % max(1, len(model.classes)) if model.classes else None
        start = torch.randn(count, 3, model.size, model.size, generator=noise)
        made = sample(net, model, start, settings, label=label)
        write_sheet(
            out / "samples" / f"{step:06d}.png",
            [made[k : k + COUNT] for k in range(0, len(made), COUNT)],
        )
        return {"mean": float(made.mean())}
    if not len(held_back):
        return {}

    def make(real: Batch) -> Tensor:
        start = torch.randn(real.high.shape, generator=noise)
        classes = real.labels if model.classes else None
        return sample(net, model, start, settings, low=real.low, label=classes)

    return compare(make, out, held_back, step=step, lpips=lpips)


def compare(
    make: Callable[[Batch], Tensor],
    out: Path,
    held_back: Images,
    *,
    step: int,
    lpips: Lpips | None = None,
) -> dict[str, float]:
    """Return the validation figures of the images that `make` makes of held-out ones.

    Writes what `preview` says.
    """
    count = min(COUNT, len(held_back))
    picks = torch.linspace(0, len(held_back) - 1, count).long().tolist()
    real = held_back.stacked(picks)
    made, high = make(real), real.high
    up = upsample(real.low, high.shape[-1] // real.low.shape[-1])
    write_sheet(out / "samples" / f"{step:06d}.png", [up, made, high])
    for name, images in ((f"{step:06d}", made), ("real", high)):
        for pick, image in zip(picks, images, strict=True):
            write_sheet(out / "validation" / name / f"{pick:05d}.png", [image[None]])
    offset = (to_pixels(made).float() - to_pixels(high).float()).mean().abs()
    found = {"psnr": _psnr(made, high), "bicubic_psnr": _psnr(up, high), "offset": float(offset)}
    if lpips is not None:
        found["lpips"] = lpips_mean(lpips, made, high)
        found["bicubic_lpips"] = lpips_mean(lpips, up, high)
    return found


def _psnr(made: Tensor, real: Tensor) -> float:
    error = (to_pixels(made).float() - to_pixels(real).float()).square().mean(dim=(1, 2, 3))
    return float((10 * torch.log10(255**2 / error.clamp(min=1e-8))).mean())
