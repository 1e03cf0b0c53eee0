"""Shares of further questions about a photo and an output, with ties: how often they cover."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd

from analysis.rates.picked import picked_shares
from study_server.simulation.preferences import chances, one_trial
from study_server.trial_kinds import REFERENCE

CASES = tuple(  # (raters, images, trials of a rater), the output's lead in log odds, Davidson's ν
    itertools.product(((10, 40, 40), (50, 40, 40), (50, 100, 50)), (0.0, -1.4), (0.0, 0.5, 2.0))
)
EFFECTS = 0.8  # sd of what raters, and images, add to the lead


def further_cover(sets: int) -> list[dict[str, Any]]:
    """Return how often the interval of a share holds the truth; raters and images are crossed."""
    return [_row(*case, sets, seed) for seed, case in enumerate(CASES)]


def _row(
    size: tuple[int, int, int], lead: float, tie: float, sets: int, seed: int
) -> dict[str, Any]:
    rng = np.random.default_rng([28, seed])
    picked, neither = chances(lead, tie)
    truth = picked + neither / 2
    found = [picked_shares(_answers(rng, size, lead, tie))[0] for _ in range(sets)]
    ends = [(each.low, each.high) for each in found]
    hits = [low <= truth <= high for low, high in ends if low is not None and high is not None]
    return {
        "raters x trials of images": "{0} x {2} of {1}".format(*size),
        "ν": tie,
        "share": truth,
        "neither": neither,
        "covers": float(np.mean(hits)),
        "±": float(np.sqrt(0.95 * 0.05 / len(hits))),
    }


def _answers(
    rng: np.random.Generator, size: tuple[int, int, int], lead: float, tie: float
) -> pd.DataFrame:
    """Return answers whose mean over new raters and images is Davidson's with this lead."""
    raters, images, trials = size
    rater = np.repeat(np.arange(raters), trials)
    image = np.concatenate([rng.permutation(images)[:trials] for _ in range(raters)])
    gap, nu = one_trial(lead, tie, float(np.hypot(EFFECTS, EFFECTS)), 0.0)
    liked = gap + EFFECTS * rng.standard_normal(raters)[rater]
    liked = liked + EFFECTS * rng.standard_normal(images)[image]
    output, photo = np.exp(liked / 2), np.exp(-liked / 2)
    draw = rng.random(len(liked)) * (output + photo + nu)
    choice = np.where(draw < output, "a", np.where(draw < output + photo, "b", "tie"))
    return pd.DataFrame(
        {
            "rater_id": rater.astype(str),
            "item_id": image.astype(str),
            "model_a": "model",
            "model_b": REFERENCE,
            "question": "sharper",
            "choice": choice,
            "answer": choice,
            "kind": "main",
            "excluded": "0",
            "simulated": "1",
        }
    )
