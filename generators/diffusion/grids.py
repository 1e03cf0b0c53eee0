"""Grids: the few noise levels that a sampler visits. They matter more than the solver."""

from __future__ import annotations

import math

from generators.diffusion.schedule import ScheduleConfig, gammas
from generators.errors import ConfigError

LAST = 0.9999  # the last level at which the net is asked


def training_grid(schedule: ScheduleConfig, evaluations: int) -> list[float]:
    """Return levels evenly spaced in the training's t, then 1: ``evaluations + 1`` rising γ."""
    table = gammas(schedule)
    picks = [round(schedule.steps * (1 - k / evaluations)) for k in range(evaluations)]
    return [float(table[t]) for t in picks] + [1.0]


def log_snr_grid(schedule: ScheduleConfig, evaluations: int) -> list[float]:
    """Return levels evenly spaced in log(γ / (1-γ)) from γ_T to .9999 (or γ_0), then 1."""
    table = gammas(schedule)
    first, last = _logit(float(table[-1])), _logit(min(LAST, float(table[0])))
    share = [k / max(1, evaluations - 1) for k in range(evaluations)]
    return [1 / (1 + math.exp(-(first + (last - first) * s))) for s in share] + [1.0]


def rising(levels: tuple[float, ...]) -> bool:
    """Return whether these can be the levels of a grid: rising, between 0 and 1."""
    return bool(levels) and list(levels) == sorted(set(levels)) and 0 < levels[0] <= levels[-1] < 1


def searched_grid(levels: tuple[float, ...]) -> list[float]:
    """Return levels chosen elsewhere (`schedule search`), then 1. Raises `ConfigError`."""
    if not rising(levels):
        raise ConfigError(f"grid levels {levels}: expected rising values between 0 and 1")
    return [*levels, 1.0]


GRIDS = {"training": training_grid, "log_snr": log_snr_grid}


def _logit(gamma: float) -> float:
    return math.log(gamma / (1 - gamma))
