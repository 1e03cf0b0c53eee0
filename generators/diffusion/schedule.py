"""γ schedules: how much of the image is left after t of T noise steps."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from generators.config import Strict


class ScheduleConfig(Strict):
    """A schedule of T steps. γ is the square of the image's share: y = sqrt(γ) x0 + sqrt(1-γ) ε.

    `linear`: β from `beta_first` to `beta_last`, γ the running product of 1 - β (SR3).
    `cosine`: γ = cos² (Improved DDPM, with its offset .008), kept above `gamma_last`.
    `log_snr`: log(γ / (1-γ)) falls evenly from `gamma_first` to `gamma_last`.
    """

    kind: Literal["linear", "cosine", "log_snr"] = "log_snr"
    steps: int = Field(default=2000, ge=1, le=1_000_000)
    beta_first: float = Field(default=1e-6, gt=0, lt=1)
    beta_last: float = Field(default=1e-2, gt=0, lt=1)
    gamma_first: float = Field(default=0.9999, gt=0, lt=1)
    gamma_last: float = Field(default=1e-3, gt=0, lt=1)

    @model_validator(mode="after")
    def _falls(self) -> ScheduleConfig:
        if self.gamma_last >= self.gamma_first:
            raise ValueError("gamma_last must be below gamma_first")
        return self


def gammas(config: ScheduleConfig) -> Tensor:
    """Return γ_0 … γ_T, ``(T + 1,)`` float64, falling. γ_0 is the cleanest level trained on."""
    steps = config.steps
    if config.kind == "linear":
        beta = torch.linspace(config.beta_first, config.beta_last, steps, dtype=torch.float64)
        return torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - beta, 0)])
    share = torch.arange(steps + 1, dtype=torch.float64) / steps
    if config.kind == "cosine":
        angle = (share + 0.008) / 1.008 * math.pi / 2
        curve = torch.cos(angle) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
        return curve.clamp(min=config.gamma_last, max=config.gamma_first)
    first, last = _logit(config.gamma_first), _logit(config.gamma_last)
    return torch.sigmoid(first + (last - first) * share)


def sample_gammas(table: Tensor, draws: Tensor, places: Tensor, count: int) -> Tensor:
    """Return one γ per example, ``(N,)`` float32, from uniform draws ``(N, 2)`` in 0..1.

    t is stratified over the batch of `count`, in which `places` ``(N,)`` are these examples' (0 to
    `count` - 1), and uniform in 1..T; then γ ~ U(γ_{t-1}, γ_t) (SR3, section 2.4).
    """
    steps = len(table) - 1
    strata = (places.double() + draws[:, 0].double()) / count
    t = (strata * steps).long().clamp(max=steps - 1) + 1
    low, high = table[t], table[t - 1]
    return (low + (high - low) * draws[:, 1].double()).float()


def _logit(gamma: float) -> float:
    return math.log(gamma / (1 - gamma))
