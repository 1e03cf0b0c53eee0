"""Samplers of a discrete process with a learned variance, guided or not (ADM).

Both take `ask(y, t)`, the net's output ``(N, 6, H, W)`` at training step t; the first noise; a
process, usually respaced; and `noise(k)`, the fresh noise of its step k. `guide(y, t)` is
s·∇ log p(class | y), which steers the samples towards a class.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from generators.diffusion.bound import log_variance, posterior_mean
from generators.diffusion.discrete import Discrete
from generators.diffusion.process import Prediction, to_x0

Ask = Callable[[Tensor, int], Tensor]
Noise = Callable[[int], Tensor]


def ancestral(
    ask: Ask,
    y: Tensor,
    process: Discrete,
    noise: Noise,
    *,
    prediction: Prediction = "epsilon",
    guide: Ask | None = None,
) -> Tensor:
    """Return x0 by ancestral steps with the learned variance.

    Guidance moves the mean by Σ·s·∇ log p (Dhariwal and Nichol 2021, algorithm 1).
    """
    for k in reversed(range(len(process.steps))):
        output = ask(y, process.steps[k]).float()
        places = torch.full((len(y),), k, device=y.device)
        share = output.chunk(2, dim=1)[1]
        x0 = _x0(output, y, process, k, prediction)
        log_var = log_variance(share, process, places)
        mean = posterior_mean(x0, y, process, places)
        if guide is not None:
            mean = mean + log_var.exp() * guide(y, process.steps[k])
        y = mean + (0.5 * log_var).exp() * noise(k) if k else mean
    return y


def ddim(
    ask: Ask,
    y: Tensor,
    process: Discrete,
    noise: Noise,  # noqa: ARG001
    *,
    prediction: Prediction = "epsilon",
    guide: Ask | None = None,
) -> Tensor:
    """Return x0 by DDIM with η = 0; the learned variance is not used.

    Guidance takes √(1-ᾱ)·s·∇ log p from ε (Dhariwal and Nichol 2021, algorithm 2).
    """
    for k in reversed(range(len(process.steps))):
        gamma, before = float(process.gamma[k]), float(process.before[k])
        x0 = _x0(ask(y, process.steps[k]).float(), y, process, k, prediction)
        epsilon = (y - gamma**0.5 * x0) / (1 - gamma) ** 0.5
        if guide is not None:
            epsilon = epsilon - (1 - gamma) ** 0.5 * guide(y, process.steps[k])
            x0 = (y - (1 - gamma) ** 0.5 * epsilon) / gamma**0.5
        y = before**0.5 * x0 + (1 - before) ** 0.5 * epsilon
    return y


def _x0(output: Tensor, y: Tensor, process: Discrete, k: int, prediction: Prediction) -> Tensor:
    gamma = process.gamma[k].float().to(y.device).reshape(1)
    return to_x0(prediction, output.chunk(2, dim=1)[0], y, gamma).clamp(-1, 1)


SAMPLERS = {"ancestral": ancestral, "ddim": ddim}
