"""Conditions compared with each other and with 50 %.

Differences are two-way cluster-robust (`difference`), p-values are adjusted within one task's
family (Holm by default), and "indistinguishable from real" is claimed only when both one-sided
tests of TOST reject a rate outside 50 % ± margin, the margin fixed beforehand.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.errors import DesignError
from analysis.inference.difference import Difference, difference
from analysis.inference.multiplicity import adjusted
from analysis.inference.permutation import permutation_p
from analysis.rates.fool_rates import FoolRate, cells, fool_rates

MARGIN = 0.05
_NO_TESTS: dict[str, Any] = dict.fromkeys(
    ("low", "high", "se", "df", "p", "p_superior", "p_noninferior", "p_equivalent")
)


@dataclass(frozen=True)
class Comparison:
    """The fool rate of ``first`` minus that of ``second``, in shares.

    ``p`` tests no difference; ``p_adjusted`` within the family. ``p_superior`` tests first >
    second, ``p_noninferior`` first > second - margin, ``p_equivalent`` |difference| < margin
    (TOST). ``shared_raters`` and ``shared_items`` count those that judged, or were judged in, both.
    """

    first: str
    second: str
    task: str
    difference: float
    low: float | None
    high: float | None
    se: float | None
    df: float | None
    p: float | None
    p_adjusted: float | None
    p_superior: float | None
    p_noninferior: float | None
    p_equivalent: float | None
    margin: float
    shared_raters: int
    shared_items: int
    p_permutation: float | None = None
    simulated: bool = False
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class AgainstHalf:
    """One condition against 50 %: two-sided test and TOST with a margin fixed beforehand.

    ``verdict`` is "below", "above", "indistinguishable" or "undecided"; the first two need the
    adjusted p below alpha, the third TOST's. A rate may differ from 50 % and still lie inside the
    margin: then ``verdict`` is "indistinguishable" and ``p_adjusted`` stays small.
    """

    condition: str
    task: str
    rate: float | None
    p: float | None
    p_adjusted: float | None
    p_equivalent: float | None
    margin: float
    verdict: str
    simulated: bool = False


def compare(
    judgments: pd.DataFrame,
    *,
    baseline: str | None = None,
    family: Sequence[str] = (),
    correction: str = "holm",
    margin: float = MARGIN,
    alpha: float = 0.05,
    permutations: int = 0,
    seed: int = 0,
) -> list[Comparison]:
    """Return every pair of conditions within each task, or each against ``baseline``.

    Raises
    ------
    DesignError
        A name in ``baseline`` or ``family`` is no condition, or there are fewer than two.
    """
    tables = _tables(judgments, family, baseline)
    out: list[Comparison] = []
    for task, rows in tables.items():
        pairs = _pairs(sorted(rows), baseline)
        made = [
            _compare_two((a, b, task), (rows[a], rows[b]), margin, alpha, (permutations, seed))
            for a, b in pairs
        ]
        values = adjusted([each.p for each in made], correction)
        out += [replace(each, p_adjusted=p) for each, p in zip(made, values, strict=True)]
    return out


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
        _known(family, {record.condition for record in records})
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
                verdict=_verdict(record, value, tost, alpha),
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
    # The test's variance is that of the null rate (as Wilson's interval inverts it), through deff.
    n_eff = record.n_eff or float(record.trials)
    ends = (0.5 - margin, 0.5, 0.5 + margin)
    t = [(record.rate - end) / np.sqrt(end * (1 - end) / n_eff) for end in ends]
    if record.estimand != "population":
        t = [(record.rate - end) / record.se for end in ends]
    tost = max(float(stats.t.sf(t[0], record.df)), float(stats.t.cdf(t[2], record.df)))
    return float(2 * stats.t.sf(abs(t[1]), record.df)), tost


def _verdict(record: FoolRate, p: float | None, tost: float | None, alpha: float) -> str:
    if tost is not None and tost < alpha:
        return "indistinguishable"
    if p is None or p >= alpha or record.rate is None:
        return "undecided"
    return "below" if record.rate < 0.5 else "above"


def _tables(
    judgments: pd.DataFrame, family: Sequence[str], baseline: str | None
) -> dict[str, dict[str, pd.DataFrame]]:
    """Return task -> condition -> answered rows."""
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    names: set[str] = set()
    for key, rows in cells(judgments):
        names.add(key["condition"])
        if not family or key["condition"] in (*family, baseline):
            answered = rows[rows["fooled"].notna()]
            if len(answered):
                tables.setdefault(key["task"], {})[key["condition"]] = answered
    _known([*family, *([baseline] if baseline else [])], names)
    if all(len(conditions) < 2 for conditions in tables.values()):
        found = ", ".join(sorted(names))
        raise DesignError(f"a comparison needs two conditions with answers, found {found}")
    return tables


def _known(asked: Sequence[str], names: set[str]) -> None:
    strangers = [name for name in asked if name not in names]
    if strangers:
        raise DesignError(f"no condition {strangers[0]!r}, found {', '.join(sorted(names))}")


def _pairs(names: list[str], baseline: str | None) -> list[tuple[str, str]]:
    if baseline is None:
        return list(itertools.combinations(names, 2))
    return [(name, baseline) for name in names if name != baseline and baseline in names]


def _compare_two(
    names: tuple[str, str, str],
    tables: tuple[pd.DataFrame, pd.DataFrame],
    margin: float,
    alpha: float,
    permutations: tuple[int, int],
) -> Comparison:
    """Return the unadjusted comparison of two conditions' answered rows."""
    rows = pd.concat(tables)
    y = rows["fooled"].to_numpy(dtype=np.float64)
    first = np.arange(len(rows)) < len(tables[0])
    codes = [rows[name].cat.codes.to_numpy() for name in ("rater_id", "item_id")]
    shared = [len(np.intersect1d(code[first], code[~first])) for code in codes]
    known: dict[str, Any] = {
        "first": names[0],
        "second": names[1],
        "task": names[2],
        "difference": float(y[first].mean() - y[~first].mean()),
        "margin": margin,
        "shared_raters": shared[0],
        "shared_items": shared[1],
        "simulated": bool(rows["simulated"].any()),
        "p_adjusted": None,
    }
    if permutations[0]:
        known["p_permutation"] = permutation_p(y, first, codes[0], *permutations)
    refusal = _too_small(first, codes)
    gap = None if refusal else difference(y, first, codes[0], codes[1])
    if gap is None or float(gap.se) == 0:
        why = refusal or "no judgment varied in either condition: there is no error to test against"
        return Comparison(**known, **_NO_TESTS, flags=(why,))
    return Comparison(**known, **_tests(gap, margin, alpha))


def _too_small(first: Any, codes: list[Any]) -> str:
    for mask, which in ((first, "first"), (~first, "second")):
        for code, what in zip(codes, ("rater", "image"), strict=True):
            if len(np.unique(code[mask])) < 2:
                return f"the {which} condition has 1 {what}, at least 2 are needed"
    return ""


def _tests(gap: Difference, margin: float, alpha: float) -> dict[str, Any]:
    low, high = gap.interval(alpha)
    lower, upper = gap.p_value(-margin, "greater"), gap.p_value(margin, "less")
    return {
        "low": float(low),
        "high": float(high),
        "se": float(gap.se),
        "df": float(gap.df),
        "p": float(gap.p_value()),
        "p_superior": float(gap.p_value(0.0, "greater")),
        "p_noninferior": float(lower),
        "p_equivalent": float(max(lower, upper)),
    }
