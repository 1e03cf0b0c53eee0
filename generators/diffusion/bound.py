"""The variational bound with a learned variance, and the hybrid loss (Nichol and Dhariwal 2021).

A net's output holds the prediction and v, which says where the variance lies between β̃ and β:
log σ² = (v + 1)/2 · log β + (1 − v)/2 · log β̃.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from generators.diffusion.discrete import Discrete, at
from generators.diffusion.process import Prediction, diffuse, target, to_x0

HALF_LEVEL = 1 / 255  # half the distance of two pixel levels in -1..1
LAMBDA = 1e-3  # of the bound in the hybrid loss


def log_variance(share: Tensor, process: Discrete, places: Tensor) -> Tensor:
    """Return log σ² of the reverse step from the net's v (section 3.1, equation 15)."""
    least, most = (at(bound, places) for bound in process.log_bounds)
    part = (share.float() + 1) / 2
    return part * most + (1 - part) * least


def posterior_mean(x0: Tensor, y: Tensor, process: Discrete, places: Tensor) -> Tensor:
    """Return the mean of q(x_{t-1} | x_t = y, x_0)."""
    of_x0, of_y = (at(weight, places) for weight in process.weights)
    return of_x0 * x0 + of_y * y


def normal_kl(mean: Tensor, log_var: Tensor, other: Tensor, other_log_var: Tensor) -> Tensor:
    """Return KL(N(mean, e^log_var) || N(other, e^other_log_var)) of each element, in nats."""
    ratio = torch.exp(log_var - other_log_var)
    shift = (mean - other).square() * torch.exp(-other_log_var)
    return 0.5 * (other_log_var - log_var + ratio + shift - 1)


def log_likelihood(x: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Return the log-probability of each 8-bit level x in -1..1 under a Gaussian, in nats.

    A level is the interval between its neighbours' middles; the outermost reach to infinity (DDPM,
    equation 13).
    """
    scale = torch.exp(-0.5 * log_var)
    upper = torch.special.ndtr((x - mean + HALF_LEVEL) * scale)
    lower = torch.special.ndtr((x - mean - HALF_LEVEL) * scale)
    upper = torch.where(x > 0.999, torch.ones_like(upper), upper)
    lower = torch.where(x < -0.999, torch.zeros_like(lower), lower)
    return (upper - lower).clamp(min=1e-12).log()


def bound_term(
    process: Discrete,
    prediction: Prediction,
    output: Tensor,
    *,
    x0: Tensor,
    y: Tensor,
    places: Tensor,
) -> Tensor:
    """Return L_t of each example, ``(N,)``, in bits per dimension; L_0 at the first step.

    `output` ``(N, 6, H, W)`` is the net's for y = x_t; `places` ``(N,)`` numbers the steps from 0.
    """
    predicted, share = output.float().chunk(2, dim=1)
    gamma = at(process.gamma, places)
    mean = posterior_mean(to_x0(prediction, predicted, y, gamma), y, process, places)
    log_var = log_variance(share, process, places)
    true_mean = posterior_mean(x0, y, process, places)
    true_log_var = at(process.log_bounds[0], places).expand_as(mean)
    kl = normal_kl(true_mean, true_log_var, mean, log_var).flatten(1).mean(1)
    first = -log_likelihood(x0, mean, log_var).flatten(1).mean(1)
    return torch.where(places == 0, first, kl) / math.log(2)


def hybrid_loss(
    process: Discrete,
    prediction: Prediction,
    output: Tensor,
    *,
    x0: Tensor,
    noise: Tensor,
    places: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return L_simple and λ·L_vlb, whose sum is L_hybrid (equation 16).

    The bound teaches only the variance: its gradient does not reach the prediction. L_vlb is
    T times the mean of the terms of the drawn steps.
    """
    gamma = at(process.gamma, places)
    y = diffuse(x0, noise, gamma)
    predicted, share = output.float().chunk(2, dim=1)
    simple = (predicted - target(prediction, x0, noise, gamma)).square().mean()
    frozen = torch.cat([predicted.detach(), share], dim=1)
    terms = bound_term(process, prediction, frozen, x0=x0, y=y, places=places)
    return simple, LAMBDA * len(process.steps) * terms.mean()
