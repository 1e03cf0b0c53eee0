"""From a net and a batch of noise to images: precision, guidance, the sampler's loop."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from generators.diffusion.grids import GRIDS, LAST, searched_grid
from generators.diffusion.process import to_x0
from generators.diffusion.samplers import SAMPLERS, Noise
from generators.nets.model import Condition, ModelConfig, decode, evaluate, upsample
from generators.nets.unet import UNet
from generators.sampling.overlap import tiled


@dataclass(frozen=True)
class Settings:
    """How images are drawn from a trained net."""

    sampler: str = "dpmpp_2m"
    evaluations: int = 20
    grid: str = "log_snr"
    levels: tuple[float, ...] = ()  # a searched grid, in place of `grid`
    guidance: float = 1.0  # classifier-free guidance weight; 1 is none
    precision: str = "bfloat16"
    clip: bool = True  # of x0 to the image's range, at every step
    tile: int | None = None  # pixels a side of the tiles that one evaluation is put together from
    overlap: int = 32
    stop: float | None = None  # end at this γ and return z_s: truncated conditioning augmentation


def levels_of(model: ModelConfig, settings: Settings) -> list[float]:
    """Return the grid that these settings visit on this model's schedule."""
    if settings.levels:
        grid = searched_grid(settings.levels)
    else:
        steps = settings.evaluations
        if settings.sampler == "heun":
            steps = (steps + 1) // 2
        grid = GRIDS[settings.grid](model.schedule, steps)
    if settings.stop is None or settings.stop >= LAST:
        return grid
    return [*(gamma for gamma in grid if gamma < settings.stop), settings.stop]


def sample(
    net: UNet,
    model: ModelConfig,
    start: Tensor,
    settings: Settings,
    *,
    low: Tensor | None = None,
    label: Tensor | None = None,
    level: Tensor | None = None,
    noise: Noise | None = None,
) -> Tensor:
    """Return images ``(N, 3, H, W)`` in -1..1, float32.

    `start` is the first noise; `low` the low-resolution input, `label` the classes and `level` γ_s
    of the noise already on `low`. `noise(k)` gives step k's noise; by default torch's own.
    """
    up = None if low is None else upsample(low.float(), model.factor)
    if net.config.level_embedding and level is None:
        level = torch.ones(len(start))
    condition = Condition(up, label, level)
    with torch.inference_mode():
        if model.task == "regression":
            zeros = torch.zeros(len(start), device=start.device)
            x0 = _output(net, torch.zeros_like(start), zeros, condition, settings)
        else:
            denoise = _Denoiser(net, model, condition, settings)
            again = noise or (lambda _: torch.randn_like(start))
            x0 = SAMPLERS[settings.sampler](denoise, start, levels_of(model, settings), again)
        # z_s is a noisy image: it leaves the range -1..1 and stands for itself.
        return x0 if settings.stop is not None else decode(model, x0, up).clamp(-1, 1)


@dataclass(frozen=True)
class _Denoiser:
    net: UNet
    model: ModelConfig
    condition: Condition
    settings: Settings

    def __call__(self, y: Tensor, gamma: float) -> Tensor:
        alike = self.condition.label is None and self.condition.level is None
        gammas = torch.full((1 if alike else len(y),), gamma, device=y.device)
        output = _output(self.net, y, gammas, self.condition, self.settings)
        if self.settings.guidance != 1 and self.condition.label is not None:
            none = torch.full_like(self.condition.label, self.net.config.classes)
            blank = Condition(self.condition.up, none, self.condition.level)
            free = _output(self.net, y, gammas, blank, self.settings)
            output = free + self.settings.guidance * (output - free)
        x0 = to_x0(self.model.prediction, output, y, gammas)
        return self._clip(x0) if self.settings.clip else x0

    def _clip(self, x0: Tensor) -> Tensor:
        if not self.model.residual or self.condition.up is None:
            return x0.clamp(-1, 1)
        gain, up = self.model.residual, self.condition.up
        return torch.maximum(torch.minimum(x0, (1 - up) * gain), (-1 - up) * gain)


def _output(
    net: UNet, y: Tensor, gamma: Tensor, condition: Condition, settings: Settings
) -> Tensor:
    wide = next(net.parameters()).dtype
    half = settings.precision == "bfloat16" and wide == torch.float32

    def run(part: Tensor, about: Condition) -> Tensor:
        with torch.autocast(y.device.type, torch.bfloat16, enabled=half):
            return evaluate(net, part.to(wide), gamma, about).float()

    if settings.tile is None:
        return run(y, condition)
    return tiled(run, y, condition, settings.tile, settings.overlap)
