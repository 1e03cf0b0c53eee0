"""Plans checked by simulation: the shipped interval on simulated studies of that design."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.errors import DesignError
from analysis.inference.clustered.crossed_design import design
from analysis.models.simulation import crossed_judgments, random_design
from analysis.rates.fool_rates import share_intervals

BATCH = 100


@dataclass(frozen=True)
class Simulated:
    """What came out of ``sets`` simulated studies of one design, all as shares."""

    sets: int
    half_width: float
    coverage: float
    excludes_half: float


def simulate_plan(
    *,
    rate: float,
    design_size: tuple[int, int, int],
    sds: tuple[float, float],
    sets: int,
    seed: int = 0,
    alpha: float = 0.05,
) -> Simulated:
    """Return the mean half-width, the coverage of ``rate``, and how often 50 % is left out.

    ``design_size`` is (raters, images, trials of each rater); images are drawn anew for each
    batch of 100 studies. Studies in which nobody or everybody was fooled are left out.
    """
    if sets < 1:
        raise DesignError(f"sets is {sets}, expected at least 1")
    rng = np.random.default_rng(seed)
    lows, highs = [], []
    for start in range(0, sets, BATCH):
        codes = random_design(rng, *design_size)
        y = crossed_judgments(rng, codes, rate=rate, sds=sds, sets=min(BATCH, sets - start))
        y = y[:, (y.min(axis=0) < y.max(axis=0))]
        _, low, high = share_intervals(y, design(*codes), alpha=alpha)
        lows.append(low)
        highs.append(high)
    low, high = np.concatenate(lows), np.concatenate(highs)
    return Simulated(
        sets=len(low),
        half_width=float((high - low).mean() / 2),
        coverage=float(((low <= rate) & (rate <= high)).mean()),
        excludes_half=float(((low > 0.5) | (high < 0.5)).mean()),
    )
