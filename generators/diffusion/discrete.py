"""The discrete process of DDPM and ADM: β_t of T steps, its posterior, respaced to fewer steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from generators.errors import ConfigError

Betas = Literal["linear", "cosine"]
MOST = 0.999  # β of the cosine schedule is kept below (Nichol and Dhariwal 2021, section 3.2)


def betas(kind: Betas, steps: int) -> Tensor:
    """Return β_1 … β_T, ``(T,)`` float64.

    `linear` is DDPM's 1e-4 to 0.02 of 1,000 steps, scaled to `steps`; `cosine` is Improved DDPM's.
    """
    if kind == "linear":
        scale = 1000 / steps
        return torch.linspace(scale * 1e-4, scale * 0.02, steps, dtype=torch.float64)
    share = torch.arange(steps + 1, dtype=torch.float64) / steps
    kept = torch.cos((share + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - kept[1:] / kept[:-1]).clamp(max=MOST)


def strided(steps: int, sections: Sequence[int]) -> list[int]:
    """Return the steps, from 0 to T - 1, that are visited: each section of T by its own stride.

    T is cut into as many equal sections as there are counts, and each count's steps are spread
    evenly over its section, its first and last step among them (Improved DDPM, section 4; the
    first T mod len(sections) sections are one longer). Raises `ConfigError` where a section has
    fewer steps than asked for.
    """
    size, longer = divmod(steps, len(sections))
    first, found = 0, []
    for number, count in enumerate(sections):
        length = size + (number < longer)
        if not 1 <= count <= length:
            raise ConfigError(f"{count} of {length} steps: expected a count from 1 to {length}")
        stride = (length - 1) / (count - 1) if count > 1 else 1.0
        found += [first + round(k * stride) for k in range(count)]
        first += length
    return found


def ddim_strided(steps: int, count: int) -> list[int]:
    """Return every n-th step from 0, as DDIM visits them. Raises `ConfigError` if no n gives that.

    With 1,000 steps and 25 evaluations: 0, 40, … 960.
    """
    for stride in range(1, steps + 1):
        if len(range(0, steps, stride)) == count:
            return list(range(0, steps, stride))
    raise ConfigError(f"no whole stride visits {count} of {steps} steps (25, 50, 100, 250 do)")


@dataclass(frozen=True, eq=False)
class Discrete:
    """A process: β of each of its steps (float64, ``(K,)``), and which training steps they are."""

    beta: Tensor
    steps: tuple[int, ...]

    @cached_property
    def gamma(self) -> Tensor:
        """ᾱ of each step: the square of the image's share."""
        return torch.cumprod(1 - self.beta, 0)

    @cached_property
    def before(self) -> Tensor:
        """ᾱ of the step before each; 1 before the first."""
        return torch.cat([torch.ones(1, dtype=torch.float64), self.gamma[:-1]])

    @cached_property
    def posterior_variance(self) -> Tensor:
        """β̃ of each step: the variance of q(x_{t-1} | x_t, x_0); 0 for the first."""
        return self.beta * (1 - self.before) / (1 - self.gamma)

    @cached_property
    def log_bounds(self) -> tuple[Tensor, Tensor]:
        """log β̃ and log β, between which the learned variance lies; β̃_1 = 0 is taken as β̃_2."""
        least = self.posterior_variance.clone()
        least[0] = least[1] if len(least) > 1 else self.beta[0]
        return least.log(), self.beta.log()

    @cached_property
    def weights(self) -> tuple[Tensor, Tensor]:
        """What x0 and x_t count in the mean of q(x_{t-1} | x_t, x_0) (DDPM, equation 7)."""
        left = 1 - self.gamma
        return (
            self.beta * self.before.sqrt() / left,
            (1 - self.before) * (1 - self.beta).sqrt() / left,
        )


def whole(kind: Betas, steps: int) -> Discrete:
    """Return the process that a net is trained on."""
    return Discrete(betas(kind, steps), tuple(range(steps)))


def respaced(process: Discrete, visited: Sequence[int]) -> Discrete:
    """Return the process of only these steps: their ᾱ stay, and β follows from them."""
    kept = process.gamma[list(visited)]
    before = torch.cat([torch.ones(1, dtype=torch.float64), kept[:-1]])
    return Discrete(1 - kept / before, tuple(process.steps[k] for k in visited))


def at(table: Tensor, places: Tensor) -> Tensor:
    """Return the table's values of each example, float32, ``(N, 1, 1, 1)`` to multiply images."""
    return table.to(places.device)[places].float().reshape(-1, 1, 1, 1)
