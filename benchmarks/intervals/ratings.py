"""Mean scores and shares of rated single images, raters and items crossed: how often they cover.

Half of a rater's images are real photos, the others a model's; all are rated by the proportional
odds of simulated raters, whose effects move every rating of theirs, as an item's look moves those
of one image.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from analysis.judgments.ratings import Asked, Ratings
from analysis.rates.ratings import answer_shares, mean_scores
from study_server.simulation.ratings import cuts_of, true_shares
from study_server.trial_kinds import REAL

CASES = (
    tuple(  # (raters, items, trials of a rater), the model's score in logits, steps of the scale
        itertools.product(((10, 40, 40), (50, 40, 40), (50, 100, 50)), (-1.0, -3.0), (2, 5))
    )
)
PHOTOS = 0.5  # the score of the real photos, in logits
EFFECTS = 0.8  # sd of what raters, and images, add to a score


def ratings_cover(sets: int) -> list[dict[str, Any]]:
    """Return how often the intervals of a rating, and of its difference to the photos, hold it."""
    return [_row(*case, sets, seed) for seed, case in enumerate(CASES)]


def _row(
    size: tuple[int, int, int], score: float, steps: int, sets: int, seed: int
) -> dict[str, Any]:
    rng = np.random.default_rng([31, seed])
    truth, photos = (_truth(each, steps) for each in (score, PHOTOS))
    found = [rated(rng, size, score, steps) for _ in range(sets)]
    own = [(each.low, each.high) for each in found]
    gaps = [(each.above_real.low, each.above_real.high) for each in found]
    return {
        "raters x trials of items": "{0} x {2} of {1}".format(*size),
        "scale": f"{steps} steps" if steps > 2 else "yes or no",
        "truth": truth,
        "covers": _share(own, truth),
        "difference covers": _share(gaps, truth - photos),
        "±": float(np.sqrt(0.95 * 0.05 / sets)),
    }


def _share(ends: list[tuple[float | None, float | None]], truth: float) -> float:
    there = [(low, high) for low, high in ends if low is not None and high is not None]
    return float(np.mean([low <= truth <= high for low, high in there]))


def _truth(score: float, steps: int) -> float:
    """Return the mean score from 1; of two answers without an order, the share of the first."""
    shares = true_shares(score, float(np.hypot(EFFECTS, EFFECTS)), 0.0, steps)
    return shares[0] if steps == 2 else float(np.dot(range(1, steps + 1), shares))


def rated(rng: np.random.Generator, size: tuple[int, int, int], score: float, steps: int) -> Any:
    """Return the model's `MeanScore`, or of two answers the first's `AnswerShare`, of one study."""
    raters, items, trials = size
    rater = np.repeat(np.arange(raters), trials)
    item = np.concatenate([rng.permutation(items)[:trials] for _ in range(raters)])
    real = np.tile(np.arange(trials) % 2 == 0, raters)
    latent = np.where(real, PHOTOS, score) + EFFECTS * rng.standard_normal(raters)[rater]
    looks = EFFECTS * rng.standard_normal((2, items))
    latent = latent + looks[real.astype(int), item]
    draw = rng.random(len(latent))
    step = sum((draw < expit(latent - cut)).astype(int) for cut in cuts_of(steps))
    table = pd.DataFrame(
        {
            "rater_id": rater.astype(str),
            "item_id": item.astype(str),
            "condition": np.where(real, REAL, "model"),
            "question": "asked",
            "rating": np.asarray(step).astype(str),
            "kind": "main",
            "excluded": "0",
        }
    )
    options = {str(each): str(each) for each in range(steps)}
    asked = Asked("asked", "Asked?", "ordinal" if steps > 2 else "nominal", options)
    found = (mean_scores if steps > 2 else answer_shares)(Ratings(table, (asked,)))
    return next(each for each in found if each.condition == "model")
