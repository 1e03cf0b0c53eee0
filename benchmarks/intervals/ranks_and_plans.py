"""False claims of ranks among equal models, and plans that are numbers."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit

from analysis.errors import AnalysisError
from analysis.judgments.duels import Duels
from analysis.planning.plan import StudyDesign, plan
from analysis.rankings.ranking import Ranking, rank

CASES = (  # models, (raters, items, times), sd of each model's effects
    (2, (10, 7, 1), 0.0),
    (2, (60, 1, 1), 0.0),
    (2, (157, 1, 1), 0.0),
    (2, (10, 7, 1), 0.8),
    (3, (10, 7, 1), 0.0),
    (4, (10, 7, 1), 0.0),
    (5, (5, 5, 3), 0.0),
    (5, (12, 8, 3), 0.5),
    (8, (12, 8, 1), 0.0),
    (12, (12, 10, 1), 0.0),
    (12, (20, 15, 1), 0.5),
)


def equal_models(sets: int) -> list[dict[str, Any]]:
    """Return how often any rank is claimed, beside binomial tests of each pair."""
    rows = []
    for seed, (models, size, sd) in enumerate(CASES):
        rng = np.random.default_rng([25, seed])
        claims, pooled, hits = [], [], []
        for _ in range(sets):
            table = _duels(rng, models, size, sd)
            try:
                found = rank(Duels(table, 0, 0, False))
            except AnalysisError:
                continue
            claims.append(any((e.rank_low, e.rank_high) != (1, models) for e in found.models))
            pooled.append(_any_pair_differs(table))
            hits += _covered(found)
        share = float(np.mean(claims))
        rows.append(
            {
                "models": models,
                "raters x items x times": "{} x {} x {}".format(*size),
                "sd": sd,
                "claims a rank": share,
                "±": float(np.sqrt(share * (1 - share) / len(claims))),
                "binomial tests": float(np.mean(pooled)),
                "scores cover": float(np.mean(hits)),
            }
        )
    return rows


def _covered(found: Ranking) -> list[bool]:
    return [e.low <= 0 <= e.high for e in found.models if e.low is not None and e.high is not None]


def _duels(
    rng: np.random.Generator, models: int, size: tuple[int, int, int], sd: float
) -> pd.DataFrame:
    """Return comparisons of equal models; with one item, each comparison has its own."""
    raters, items, _ = np.indices(size).reshape(3, -1)
    if size[1] == 1:
        items = raters
    pair = np.array([rng.choice(models, 2, replace=False) for _ in raters])
    of_rater = sd * rng.standard_normal((int(raters.max()) + 1, models))
    of_item = sd * rng.standard_normal((int(items.max()) + 1, models))
    gap = of_rater[raters, pair[:, 0]] - of_rater[raters, pair[:, 1]]
    gap += of_item[items, pair[:, 0]] - of_item[items, pair[:, 1]]
    names = np.array([f"m{k}" for k in range(models)])
    return pd.DataFrame(
        {
            "rater_id": raters.astype(str),
            "item_id": items.astype(str),
            "model_a": names[pair[:, 0]],
            "model_b": names[pair[:, 1]],
            "score": (rng.random(len(gap)) < expit(gap)).astype(float),
        }
    )


def _any_pair_differs(table: pd.DataFrame) -> bool:
    """Return whether a binomial test of any pair of models rejects at 5 %."""
    swapped = table["model_a"] > table["model_b"]
    wins = table["score"].where(~swapped, 1 - table["score"])
    low = table["model_a"].where(~swapped, table["model_b"])
    high = table["model_b"].where(~swapped, table["model_a"])
    counts = wins.groupby([low, high]).agg(["sum", "count"])
    return any(
        stats.binomtest(int(k), int(n)).pvalue < 0.05
        for k, n in counts.itertuples(index=False, name=None)
    )


def plans_that_are_numbers() -> dict[str, int]:
    """Return how many ordinary designs were planned, and how many have a chance that is none."""
    grid = itertools.product(
        (10, 20, 30, 50, 100, 200, 400, 1000),
        (20, 50, 100),
        (20,),
        (0.02, 0.1, 0.2, 0.4, 0.5, 0.9),
        (0.3, 0.8, 1.3),
    )
    plans = [
        plan(
            StudyDesign(
                raters=raters, items=items, trials=trials, rate=rate, sd_rater=sd, sd_item=sd
            )
        )
        for raters, items, trials, rate, sd in grid
    ]
    bad = sum(
        not (math.isfinite(each.power_below_half) and math.isfinite(each.power_of_difference))
        for each in plans
    )
    return {"plans": len(plans), "not a number": bad}
