"""Conditions of two images a trial held against 50 %: a two-sided test, and equivalence by TOST.

"Indistinguishable from real" is claimed only when both one-sided tests reject a rate outside
50 % ± margin, the margin fixed beforehand (`verdict`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.comparisons.verdict import MARGIN, Verdict, decide
from analysis.inference.clustered.share import variance_at
from analysis.inference.multiplicity import adjusted
from analysis.judgments.table import known_conditions
from analysis.rates.fool_rates import FoolRate, fool_rates


@dataclass(frozen=True)
class AgainstHalf:
    """One condition against 50 %: two-sided test and TOST with a margin fixed beforehand.

    ``verdict`` follows `verdict.decide`: a difference needs the adjusted p below alpha,
    "indistinguishable" that of TOST; a rate that has both is "close".
    """

    condition: str
    task: str
    rate: float | None
    p: float | None
    p_adjusted: float | None
    p_equivalent: float | None
    margin: float
    verdict: Verdict
    simulated: bool = False


def against_half(
    judgments: pd.DataFrame,
    *,
    family: Sequence[str] = (),
    correction: str = "holm",
    margin: float = MARGIN,
    alpha: float = 0.05,
    estimand: str = "population",
) -> list[AgainstHalf]:
    """Return each condition's test against 50 % and its TOST, adjusted within each task."""
    records = fool_rates(judgments, estimand=estimand, alpha=alpha)
    if family:
        known_conditions(family, {record.condition for record in records})
        records = [record for record in records if record.condition in family]
    out: list[AgainstHalf] = []
    for task in dict.fromkeys(record.task for record in records):
        some = [record for record in records if record.task == task]
        tests = [_half_tests(record, margin) for record in some]
        values = adjusted([two_sided for two_sided, _ in tests], correction)
        out += [
            AgainstHalf(
                condition=record.condition,
                task=task,
                rate=record.rate,
                p=two_sided,
                p_adjusted=value,
                p_equivalent=tost,
                margin=margin,
                verdict=decide(
                    None if record.rate is None else record.rate - 0.5, value, tost, alpha
                ),
                simulated=record.simulated,
            )
            for record, (two_sided, tost), value in zip(some, tests, values, strict=True)
        ]
    return out


def _half_tests(record: FoolRate, margin: float) -> tuple[float | None, float | None]:
    """Return (two-sided p against 50 %, TOST p); the exact test on raters where nobody varied."""
    if record.rate is None or record.low is None:
        return None, None
    if record.se is None or record.df is None:
        sign = stats.binomtest(round(record.rate * record.raters), record.raters, 0.5)
        return float(sign.pvalue), 1.0
    # The test's variance is that of the null rate, as in the test that the interval inverts.
    ends = np.array([0.5 - margin, 0.5, 0.5 + margin])
    at_null = variance_at(ends, record.rate, record.se**2, record.clustered or 0.0)
    t = (record.rate - ends) / np.sqrt(at_null)
    tost = max(float(stats.t.sf(t[0], record.df)), float(stats.t.cdf(t[2], record.df)))
    return float(2 * stats.t.sf(abs(t[1]), record.df)), tost
