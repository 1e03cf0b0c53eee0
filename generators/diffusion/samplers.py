"""Samplers: plain functions of one signature, from noise to x0 along a falling grid of noise.

Each takes `denoise(y, γ) -> x0`, the first noise ``(N, C, H, W)`` and a grid γ_0 < … < γ_n, and
returns x0. A grid of n + 1 levels ending in 1 costs n network evaluations, and 2n - 1 with `heun`.
`noise(k)` gives the fresh noise of step k, for `sr3` and `dpmpp_2m_sde` only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]
Noise = Callable[[int], Tensor]
Sampler = Callable[[Denoise, Tensor, list[float], Noise], Tensor]


def sr3(denoise: Denoise, y: Tensor, grid: list[float], noise: Noise) -> Tensor:
    """Return x0 by ancestral sampling (SR3, section 2.3): variance 1 - α_t, none at the end."""
    for k, (gamma, following) in enumerate(pairwise(grid)):
        x0 = denoise(y, gamma)
        alpha_t = gamma / following
        epsilon = (y - gamma**0.5 * x0) / (1 - gamma) ** 0.5
        y = (y - (1 - alpha_t) / (1 - gamma) ** 0.5 * epsilon) / alpha_t**0.5
        if following < 1:
            y = y + (1 - alpha_t) ** 0.5 * noise(k)
    return y


def ddim(denoise: Denoise, y: Tensor, grid: list[float], noise: Noise) -> Tensor:  # noqa: ARG001
    """Return x0 by DDIM with η = 0 (Song et al. 2021)."""
    for gamma, following in pairwise(grid):
        y = _move(denoise(y, gamma), y, gamma, following)
    return y


def dpmpp_2m(denoise: Denoise, y: Tensor, grid: list[float], noise: Noise) -> Tensor:  # noqa: ARG001
    """Return x0 by DPM-Solver++(2M) (Lu et al. 2022); first and last step first-order."""
    before: Tensor | None = None
    for k, (gamma, following) in enumerate(pairwise(grid)):
        x0 = denoise(y, gamma)
        y, before = _move(_extrapolated(x0, before, grid, k), y, gamma, following), x0
    return y


def dpmpp_2m_sde(denoise: Denoise, y: Tensor, grid: list[float], noise: Noise) -> Tensor:
    """Return x0 by SDE-DPM-Solver++(2M) (Lu et al. 2022, appendix): fresh noise at every step.

    The second-order steps of `dpmpp_2m` on the reverse-time SDE, whose ancestral steps are `sr3`.
    """
    before: Tensor | None = None
    for k, (gamma, following) in enumerate(pairwise(grid)):
        x0 = denoise(y, gamma)
        blended, before = _extrapolated(x0, before, grid, k), x0
        if following >= 1:
            return blended
        kept = math.exp(_lam(gamma) - _lam(following))
        shrink = ((1 - following) / (1 - gamma)) ** 0.5 * kept
        y = shrink * y + following**0.5 * (1 - kept**2) * blended
        y = y + ((1 - following) * (1 - kept**2)) ** 0.5 * noise(k)
    return y


def heun(denoise: Denoise, y: Tensor, grid: list[float], noise: Noise) -> Tensor:  # noqa: ARG001
    """Return x0 by Heun's method on the probability-flow ODE, dy/dσ in y/α (Karras et al. 2022)."""
    for gamma, following in pairwise(grid):
        x0 = denoise(y, gamma)
        guess = _move(x0, y, gamma, following)
        if following < 1:
            sigma, after = _noise_ratio(gamma), _noise_ratio(following)
            scaled, slope = y / gamma**0.5, (y / gamma**0.5 - x0) / sigma
            second = (guess / following**0.5 - denoise(guess, following)) / after
            guess = (scaled + (after - sigma) * (slope + second) / 2) * following**0.5
        y = guess
    return y


def _move(x0: Tensor, y: Tensor, gamma: float, following: float) -> Tensor:
    # The exact solution of the ODE for a constant x0: the noise share shrinks, x0 fills the rest.
    if following >= 1:
        return x0
    shrink = ((1 - following) / (1 - gamma)) ** 0.5
    return torch.add(shrink * y, x0, alpha=following**0.5 - shrink * gamma**0.5)


def _extrapolated(x0: Tensor, before: Tensor | None, grid: list[float], k: int) -> Tensor:
    # 2M: x0 carried on to the middle of the step in λ; the first and last step are first-order.
    if before is None or grid[k + 1] >= 1:
        return x0
    ratio = (_lam(grid[k]) - _lam(grid[k - 1])) / (_lam(grid[k + 1]) - _lam(grid[k]))
    return x0 + (x0 - before) / (2 * ratio)


def _lam(gamma: float) -> float:
    return float(0.5 * torch.logit(torch.tensor(gamma, dtype=torch.float64)))


def _noise_ratio(gamma: float) -> float:
    return math.sqrt((1 - gamma) / gamma)


SAMPLERS: dict[str, Sampler] = {
    "sr3": sr3,
    "ddim": ddim,
    "dpmpp_2m": dpmpp_2m,
    "dpmpp_2m_sde": dpmpp_2m_sde,
    "heun": heun,
}
