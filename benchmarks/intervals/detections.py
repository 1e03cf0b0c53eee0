"""Error rates, d' and criterion of single images, raters and items crossed: how often they cover.

Studies are planned as the site plans them and answered by the signal-detection model of simulated
raters: each rater has a criterion and a sensitivity of their own, each image its own look.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm

from analysis.comparisons.real_or_fake import Estimate, against_real
from analysis.judgments.table import check_judgments
from analysis.models.simulation import intercept_for
from study_server.simulation.detections import called_real
from study_server.studies.contests import with_photos
from study_server.studies.design import DesignCell, plan_blocks
from study_server.trial_kinds import REAL

PER_DESIGN = 20  # studies that share one plan
PHOTOS = 0.75  # that are called real
SD = 0.8  # of raters and of images, in logits
D_PRIMES = (1.0, 0.3, 1.8, 0.6)
ESTIMATES = ("error_on_fakes", "error_on_reals", "human_error", "d_prime", "criterion")


@dataclass(frozen=True)
class Case:
    """How many raters see how many trials of how many items, half of them of so many models."""

    raters: int
    trials: int
    items: int
    models: int

    @property
    def name(self) -> str:
        """Return it in words."""
        return f"{self.raters} x {self.trials} of {self.items}"


CASES = (
    Case(10, 40, 40, 1),
    Case(10, 60, 60, 2),
    Case(50, 40, 40, 1),
    Case(50, 50, 100, 1),
    Case(50, 48, 96, 2),
    Case(50, 48, 96, 4),
)


def detections_cover(sets: int) -> list[dict[str, Any]]:
    """Return how often the interval of each estimate holds its truth, over models and studies."""
    return [_row(case, sets, seed) for seed, case in enumerate(CASES)]


def _row(case: Case, sets: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([27, seed])
    hits: dict[str, list[bool]] = {name: [] for name in ESTIMATES}
    for study in range(sets):
        for found in against_real(simulated_study(rng, case, study), REAL):
            truth = _truth(D_PRIMES[int(found.condition.removeprefix("m"))])
            for name in ESTIMATES:
                covered = _covers(getattr(found, name), truth[name])
                if covered is not None:
                    hits[name].append(covered)
    shares = {name.replace("_", " "): float(np.mean(each)) for name, each in hits.items()}
    error = float(np.sqrt(0.95 * 0.05 / (sets * case.models)))
    return {"raters x trials of items": case.name, "models": case.models, **shares, "±": error}


def _covers(found: Estimate, truth: float) -> bool | None:
    """Return whether an interval holds the truth, None where all answers were alike."""
    if found.low is None or found.high is None:
        return None
    return found.low <= truth <= found.high


def _truth(d_prime: float) -> dict[str, float]:
    fakes = called_real(PHOTOS, d_prime)
    z_photos, z_fakes = norm.ppf([PHOTOS, fakes])
    return {
        "error_on_fakes": fakes,
        "error_on_reals": 1 - PHOTOS,
        "human_error": (fakes + 1 - PHOTOS) / 2,
        "d_prime": float(z_photos - z_fakes),
        "criterion": -float(z_photos + z_fakes) / 2,
    }


def simulated_study(rng: np.random.Generator, case: Case, number: int) -> pd.DataFrame:
    """Return the judgments of one study, `fooled` where an image was called real."""
    cells = _cells(case, number // PER_DESIGN)
    names = sorted({cell.condition for cell in cells})
    rater = np.array([cell.rater for cell in cells])
    item = np.array([int(cell.item) for cell in cells])
    condition = np.array([names.index(cell.condition) for cell in cells])
    real = condition == names.index(REAL)
    shares = [
        PHOTOS if name == REAL else called_real(PHOTOS, D_PRIMES[int(name[1:])]) for name in names
    ]
    start = np.array([intercept_for(share, float(np.hypot(SD, SD))) for share in shares])
    criterion, sensitivity = np.sqrt(0.5) * SD * rng.standard_normal((2, case.raters))
    look = SD * rng.standard_normal((case.items, len(names)))
    eta = start[condition] + criterion[rater] + look[item, condition]
    eta += np.where(real, 1, -1) * sensitivity[rater]
    said = (rng.random(len(eta)) < expit(eta)).astype(int)
    table = pd.DataFrame(
        {
            "rater_id": [f"r{each}" for each in rater],
            "item_id": [f"i{each}" for each in item],
            "condition": [names[each] for each in condition],
            "fooled": said.astype(str),
        }
    )
    return check_judgments(table, "simulated")


@lru_cache(maxsize=1)
def _cells(case: Case, number: int) -> list[DesignCell]:
    plans = plan_blocks(
        items=[str(item) for item in range(case.items)],
        practice=(),
        catch=(),
        mixes={None: with_photos([f"m{model}" for model in range(case.models)], 0.5)},
        tasks=("single",),
        raters=case.raters,
        trials=case.trials,
        key=("benchmark", str(number)),
    )
    return [cell for plan in plans for cell in plan.trials]
