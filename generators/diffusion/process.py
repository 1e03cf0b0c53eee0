"""The forward process and what the net predicts of it: ε, x0 or v.

With α = sqrt(γ) and σ = sqrt(1-γ): y = α x0 + σ ε and v = α ε - σ x0 (Salimans and Ho 2022).
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Prediction = Literal["epsilon", "x0", "v"]


def roots(gamma: Tensor) -> tuple[Tensor, Tensor]:
    """Return sqrt(γ) and sqrt(1-γ) of ``(N,)``, shaped ``(N, 1, 1, 1)`` to multiply images."""
    shaped = gamma.reshape(-1, 1, 1, 1)
    return shaped.sqrt(), (1 - shaped).sqrt()


def diffuse(x0: Tensor, noise: Tensor, gamma: Tensor) -> Tensor:
    """Return y = sqrt(γ) x0 + sqrt(1-γ) ε, one γ ``(N,)`` per example."""
    alpha, sigma = roots(gamma)
    return alpha * x0 + sigma * noise


def target(kind: Prediction, x0: Tensor, noise: Tensor, gamma: Tensor) -> Tensor:
    """Return what a net of this kind is trained to predict."""
    if kind == "epsilon":
        return noise
    if kind == "x0":
        return x0
    alpha, sigma = roots(gamma)
    return alpha * noise - sigma * x0


def to_x0(kind: Prediction, output: Tensor, y: Tensor, gamma: Tensor) -> Tensor:
    """Return the clean image that a prediction means."""
    if kind == "x0":
        return output
    alpha, sigma = roots(gamma)
    if kind == "epsilon":
        return (y - sigma * output) / alpha
    return alpha * y - sigma * output


def v_weight(gamma: Tensor, least: float = 0.05) -> Tensor:
    """Return 1 / (1-γ), ``(N,)``, which makes the L2 error of x0 that of v; `least` bounds 1-γ.

    A net that predicts x0 under this weight need not carry the noise through its channels, which
    a narrow net with a large patch cannot.
    """
    return 1 / (1 - gamma).clamp(min=least)


def loss(output: Tensor, wanted: Tensor, power: int, weight: Tensor | None = None) -> Tensor:
    """Return the mean L1 (`power` 1) or L2 (`power` 2) error in float32, weighted per example."""
    difference = output.float() - wanted.float()
    error = difference.abs() if power == 1 else difference.square()
    if weight is None:
        return error.mean()
    return (error * weight.reshape(-1, 1, 1, 1)).mean()
