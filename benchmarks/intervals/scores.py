"""Coverage of the intervals of Bradley-Terry scores; raters and items are crossed.

The intervals are those of `analysis rank`, without the ranges of ranks, which take longest.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from analysis.errors import AnalysisError
from analysis.inference.clustered.crossed_design import Array, Codes
from analysis.models.bradley_terry import Contests, fit_bradley_terry
from analysis.models.win_graph import places
from analysis.rankings.ranking import reach_of_intervals
from study_server.simulation.preferences import one_trial

WIDEST = 0.8  # the true scores lie between this and its negative
ALPHA = 0.05


@dataclass(frozen=True)
class Case:
    """A design: raters, items, trials of a rater; Davidson's ν.

    ``sd`` is that of what raters, and items, add to the gap of two models.
    """

    models: int
    size: tuple[int, int, int]
    tie: float
    sd: float
    seed: int


@dataclass(frozen=True)
class Study:
    """Comparisons by number: raters, items, models ``a`` and ``b``, the score of a; each (N,)."""

    rater: Codes
    item: Codes
    a: Codes
    b: Codes
    score: Array


SMALL, LARGE = (10, 40, 40), (50, 100, 40)
SCORED = tuple(
    Case(models, size, tie, 0.8, seed)
    for (models, size, tie), seed in zip(
        itertools.product((2, 6, 12), (SMALL, LARGE), (0.0, 0.5)),
        (1147, 1152, 1196, 1201, 1151, 1156, 1200, 1205, 1196, 1201, 1245, 1250),
        strict=True,
    )
)
HARDER = (
    Case(2, SMALL, 0.0, 0.0, 1093),
    Case(2, SMALL, 0.0, 1.5, 1099),
    Case(6, SMALL, 0.0, 0.0, 1097),
    Case(12, SMALL, 0.0, 0.0, 1142),
    Case(12, SMALL, 0.0, 0.4, 1146),
    Case(12, SMALL, 0.0, 1.5, 1148),
    Case(4, (5, 30, 30), 0.0, 0.8, 1057),
    Case(6, (20, 60, 10), 0.0, 0.8, 1105),
    Case(12, (20, 60, 20), 0.0, 0.8, 1151),
    Case(6, (100, 10, 10), 0.0, 0.8, 1147),
)


def scores_cover(sets: int) -> list[dict[str, Any]]:
    """Return how often the intervals of scores hold the truth, in each design."""
    return [scores_row(case, sets) for case in (*SCORED, *HARDER)]


def scores_row(case: Case, sets: int) -> dict[str, Any]:
    """Return the share of scores that are covered, averaged over studies, with its error."""
    rng = np.random.default_rng([0, case.seed])
    theta = np.linspace(-WIDEST, WIDEST, case.models)
    found = [covered(simulated(rng, theta, case), theta) for _ in range(sets)]
    hits = [each for each in found if each is not None]
    return {
        "models": case.models,
        "raters x items x trials": "{} x {} x {}".format(*case.size),
        "ν": case.tie,
        "sd": case.sd,
        "scores cover": float(np.mean(hits)),
        "±": float(np.std(hits) / np.sqrt(len(hits))),
        "no ranking": 1 - len(hits) / sets,
    }


def simulated(rng: np.random.Generator, theta: Array, case: Case) -> Study:
    """Return comparisons whose mean over new raters and items is Davidson's with these scores."""
    models, (raters, items, trials) = len(theta), case.size
    size = raters * trials
    rater = np.repeat(np.arange(raters), trials)
    item = np.argsort(rng.random((raters, items)), axis=1)[:, :trials].ravel()
    a = rng.integers(0, models, size)
    b = (a + rng.integers(1, models, size)) % models
    gaps, nus = trials_of(tuple(theta.tolist()), case.tie, float(np.hypot(case.sd, case.sd)))
    gap, nu = gaps[a, b], nus[a, b]
    for codes, count in ((rater, raters), (item, items)):
        liking = case.sd / np.sqrt(2) * rng.standard_normal((count, models))
        gap = gap + liking[codes, a] - liking[codes, b]
    first, second = np.exp(gap / 2), np.exp(-gap / 2)
    draw = rng.random(size) * (first + second + nu)
    score = np.where(draw < first, 1.0, np.where(draw < first + second, 0.0, 0.5))
    return Study(rater, item, a, b, score)


@lru_cache(maxsize=64)
def trials_of(theta: tuple[float, ...], tie: float, spread: float) -> tuple[Array, Array]:
    """Return (K, K) gaps and ν of single trials of each two models."""
    gaps, nus = np.zeros((2, len(theta), len(theta)))
    for i, j in itertools.permutations(range(len(theta)), 2):
        gaps[i, j], nus[i, j] = one_trial(round(theta[i] - theta[j], 12), tie, spread, 0.0)
    return gaps, nus


def covered(study: Study, theta: Array) -> float | None:
    """Return the share of the intervals that hold ``theta``; None where a model has no score."""
    models = len(theta)
    wins = np.zeros((models, models))
    np.add.at(wins, (study.a, study.b), study.score)
    np.add.at(wins, (study.b, study.a), 1 - study.score)
    contests = Contests(study.a, study.b, study.score, models)
    try:
        if len(places(wins, [str(k) for k in range(models)]).core) < models:
            return None
        fit = fit_bradley_terry(contests, study.rater, study.item)
    except AnalysisError:
        return None
    reach = reach_of_intervals(fit, study.rater, study.item, ALPHA)
    error = np.abs(fit.theta - theta)
    return float(np.mean([error[k] <= reach(np.eye(models)[k]) for k in range(models)]))
