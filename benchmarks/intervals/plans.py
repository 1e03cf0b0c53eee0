"""Plans of preference and single-image studies, held against simulated studies of that design.

The trials are planned as the site plans them; raters and images are crossed, with a known truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from analysis.comparisons.real_or_fake import Estimate, against_real
from analysis.errors import AnalysisError
from analysis.judgments.duels import Duels
from analysis.planning.preferences import PreferenceDesign, plan_preferences
from analysis.planning.single_images import SingleDesign, plan_single
from analysis.rankings.ranking import rank
from analysis.report.results.preferences import win_share
from benchmarks.intervals.detections import D_PRIMES, PER_DESIGN, PHOTOS, Case, simulated_study
from study_server.simulation.detections import called_real
from study_server.simulation.preferences import chances, one_trial
from study_server.studies.contests import AGAINST
from study_server.studies.design import DesignCell, plan_blocks
from study_server.trial_kinds import REAL, pairs_of

PREFERENCES = (
    PreferenceDesign(models=2, raters=20, items=40, trials=20),
    PreferenceDesign(models=2, raters=50, items=100, trials=50, ties=0.2),
    PreferenceDesign(models=4, raters=30, items=60, trials=30, ties=0.2),
    PreferenceDesign(models=6, raters=40, items=80, trials=40, baseline=True),
    PreferenceDesign(models=6, raters=30, items=60, trials=10, share=0.65),
)
SINGLE = (Case(20, 40, 40, 1), Case(50, 48, 96, 2))


@dataclass(frozen=True)
class Seen:
    """What one simulated study showed: half-widths, and whether 50 % was left out."""

    pair: float | None
    model: float | None
    score: float | None
    told: bool


def preference_plans_hold(sets: int) -> list[dict[str, Any]]:
    """Return planned and simulated half-widths and power of preference studies."""
    rows = []
    for number, of in enumerate(PREFERENCES):
        rng = np.random.default_rng([28, number])
        found = [preference_seen(rng, of, study) for study in range(sets)]
        made = plan_preferences(of)
        told = float(np.mean([each.told for each in found]))
        rows.append(
            {
                "models": f"{of.models}{', one baseline' if of.baseline else ''}",
                "raters x trials of items": f"{of.raters} x {of.trials} of {of.items}",
                "win share": of.share,
                "ties": of.ties,
                "pair": made.pair_half_width,
                "pair, simulated": _mean([each.pair for each in found]),
                "model": made.model_half_width,
                "model, simulated": _mean([each.model for each in found]),
                "score": made.score_half_width,
                "score, simulated": _mean([each.score for each in found]),
                "power": made.power_below_half,
                "power, simulated": told,
                "±": float(np.sqrt(told * (1 - told) / sets)),
            }
        )
    return rows


def single_plans_hold(sets: int) -> list[dict[str, Any]]:
    """Return planned and simulated half-widths of studies of single images."""
    rows = []
    for number, case in enumerate(SINGLE):
        rng = np.random.default_rng([29, number])
        found = [single_seen(rng, case, study) for study in range(sets)]
        made = plan_single(single_design(case))
        row: dict[str, Any] = {"raters x trials of items": case.name, "models": case.models}
        planned = {
            "error_on_fakes": made.fakes_half_width,
            "error_on_reals": made.reals_half_width,
            "human_error": made.human_half_width,
            "d_prime": made.d_prime_half_width,
            "criterion": made.criterion_half_width,
        }
        for name, value in planned.items():
            row[name] = value
            row[f"{name}, simulated"] = _mean([each[name] for each in found])
        rows.append(row)
    return rows


def single_design(case: Case) -> SingleDesign:
    """Return the design of a case of `detections`, with the truth of its first model."""
    return SingleDesign(
        models=case.models, raters=case.raters, items=case.items, trials=case.trials,
        error_on_fakes=called_real(PHOTOS, D_PRIMES[0]), error_on_reals=1 - PHOTOS,
    )  # fmt: skip


def single_seen(rng: np.random.Generator, case: Case, study: int) -> dict[str, float | None]:
    """Return the half-width of each estimate of the first model in one simulated study."""
    first = against_real(simulated_study(rng, case, study), REAL)[0]
    names = ("error_on_fakes", "error_on_reals", "human_error", "d_prime", "criterion")
    return {name: _half(getattr(first, name)) for name in names}


def preference_seen(rng: np.random.Generator, of: PreferenceDesign, study: int) -> Seen:
    """Return what one study shows, in which the first model is better than all others."""
    table = _comparisons(rng, of, study)
    last = f"m{of.models - 1}"
    pair = table[table["model_a"].isin(["m0", "m1"]) & table["model_b"].isin(["m0", "m1"])]
    share = win_share(pair, "m0", of.alpha)
    told = share.low is not None and share.high is not None and not share.low <= 0.5 <= share.high
    try:
        scores = {each.model: each for each in rank(Duels(table, 0, 0, False)).models}
    except AnalysisError:
        return Seen(_half(share), _half(win_share(table, last, of.alpha)), None, told)
    return Seen(_half(share), _half(win_share(table, last, of.alpha)), _half(scores[last]), told)


def _half(found: Estimate | Any) -> float | None:
    return None if found.low is None or found.high is None else (found.high - found.low) / 2


def _mean(values: list[float | None]) -> float:
    return float(np.mean([value for value in values if value is not None]))


def _comparisons(rng: np.random.Generator, of: PreferenceDesign, study: int) -> pd.DataFrame:
    cells = _cells(of, study // PER_DESIGN)
    pairs = np.array([[int(name[1:]) for name in cell.condition.split(AGAINST)] for cell in cells])
    rater = np.array([cell.rater for cell in cells])
    item = np.array([int(cell.item) for cell in cells])
    theta = np.zeros(of.models)
    nu = 2 * of.ties / (1 - of.ties) if of.ties else 0.0  # Davidson's, of equal models
    theta[0] = brentq(lambda gap: _share(gap, nu) - of.share, 0, 10)
    spread = float(np.hypot(of.sd_rater, of.sd_item))
    solved = [one_trial(float(theta[a] - theta[b]), nu, spread, 0.0) for a, b in pairs]
    gap, own_nu = np.array(solved).T
    for codes, count, sd in ((rater, of.raters or 0, of.sd_rater), (item, of.items, of.sd_item)):
        liking = sd / np.sqrt(2) * rng.standard_normal((count, of.models))
        gap = gap + liking[codes, pairs[:, 0]] - liking[codes, pairs[:, 1]]
    first, second = np.exp(gap / 2), np.exp(-gap / 2)
    draw = rng.random(len(gap)) * (first + second + own_nu)
    score = np.where(draw < first, 1.0, np.where(draw < first + second, 0.0, 0.5))
    names = np.array([f"m{k}" for k in range(of.models)])
    return pd.DataFrame(
        {
            "rater_id": rater.astype(str), "item_id": item.astype(str), "score": score,
            "model_a": names[pairs[:, 0]], "model_b": names[pairs[:, 1]],
        }
    )  # fmt: skip


def _share(gap: float, nu: float) -> float:
    win, tie = chances(gap, nu)
    return win + tie / 2


@lru_cache(maxsize=1)
def _cells(of: PreferenceDesign, number: int) -> list[DesignCell]:
    names = [f"m{model}" for model in range(of.models)]
    pairs = pairs_of(names, "all", names[0] if of.baseline else None)
    plans = plan_blocks(
        items=[str(item) for item in range(of.items)],
        practice=(),
        catch=(),
        mixes={None: [AGAINST.join(pair) for pair in pairs]},
        tasks=("preference",),
        raters=of.raters or 0,
        trials=of.trials,
        key=("benchmark", str(number)),
        pairs=True,
    )
    return [cell for plan in plans for cell in plan.trials]
