"""Conditions compared with each other.

Differences are two-way cluster-robust (`difference`); p-values are adjusted within one task's
family (Holm by default). Against 50 %: `against_half`; against real photos: `real_or_fake`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.comparisons.verdict import MARGIN
from analysis.errors import DesignError
from analysis.inference.clustered.crossed_design import Array, Codes, Mask, design
from analysis.inference.clustered.difference import Difference, difference
from analysis.inference.clustered.permutation import PERMUTATION_ESTIMAND, permutation_p
from analysis.inference.clustered.share import equal_raters
from analysis.inference.multiplicity import adjusted
from analysis.judgments.table import cells, known_conditions
from analysis.rates.informative_counts import counts_follow_rates

_NO_TESTS: dict[str, Any] = dict.fromkeys(
    ("low", "high", "se", "df", "p", "p_superior", "p_noninferior", "p_equivalent")
)


@dataclass(frozen=True)
class Comparison:
    """The fool rate of ``first`` minus that of ``second``, in shares.

    ``p`` tests no difference; ``p_adjusted`` within the family. ``p_superior`` tests first >
    second, ``p_noninferior`` first > second - margin, ``p_equivalent`` |difference| < margin
    (TOST). ``shared_raters`` and ``shared_items`` count those that judged, or were judged in, both.
    ``p_permutation`` holds for new raters on *these* images (`permutation`), whatever the estimand:
    ``permutation_estimand`` says so, or ``permutation_refused`` why there is none.
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
    permutation_estimand: str | None = None
    permutation_refused: str = ""
    simulated: bool = False
    flags: tuple[str, ...] = ()


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
    estimand: str = "population",
) -> list[Comparison]:
    """Return every pair of conditions within each task, or each against ``baseline``.

    Empty where no task has two conditions with answers.

    Raises
    ------
    DesignError
        A name in ``baseline`` or ``family`` is not a condition.
    """
    how = _How(margin, alpha, estimand, permutations, seed)
    tables = _tables(judgments, family, baseline)
    out: list[Comparison] = []
    for task, rows in tables.items():
        pairs = _pairs(sorted(rows), baseline)
        made = [_compare_two((a, b, task), (rows[a], rows[b]), how) for a, b in pairs]
        values = adjusted([each.p for each in made], correction)
        out += [replace(each, p_adjusted=p) for each, p in zip(made, values, strict=True)]
    if baseline is not None and not out:
        raise DesignError(f"no other condition with answers to compare with {baseline!r}")
    return out


@dataclass(frozen=True)
class _How:
    """The settings of a comparison."""

    margin: float
    alpha: float
    estimand: str
    permutations: int
    seed: int


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
    known_conditions([*family, *([baseline] if baseline else [])], names)
    return tables


def _pairs(names: list[str], baseline: str | None) -> list[tuple[str, str]]:
    if baseline is None:
        return list(itertools.combinations(names, 2))
    return [(name, baseline) for name in names if name != baseline and baseline in names]


def _compare_two(
    names: tuple[str, str, str],
    tables: tuple[pd.DataFrame, pd.DataFrame],
    how: _How,
) -> Comparison:
    """Return the unadjusted comparison of two conditions' answered rows."""
    rows = pd.concat(tables)
    y = rows["fooled"].to_numpy(dtype=np.float64)
    first = np.arange(len(rows)) < len(tables[0])
    codes = [rows[name].cat.codes.to_numpy() for name in ("rater_id", "item_id")]
    shared = [len(np.intersect1d(code[first], code[~first])) for code in codes]
    weights = trial_weights(first, codes, how.estimand)
    known: dict[str, Any] = {
        "first": names[0],
        "second": names[1],
        "task": names[2],
        "difference": float(weights[0] @ y[first] - weights[1] @ y[~first]),
        "margin": how.margin,
        "shared_raters": shared[0],
        "shared_items": shared[1],
        "simulated": bool(rows["simulated"].any()),
        "p_adjusted": None,
    }
    if how.permutations:
        known |= _permuted(permutation_p(y, first, codes[0], how.permutations, how.seed))
    population = how.estimand != "fixed-images"
    refusal = _too_small(first, codes if population else codes[:1])
    gap = (
        None
        if refusal
        else difference(y, first, codes[0], codes[1] if population else None, weights)
    )
    if gap is None or float(gap.se) == 0:
        why = refusal or "no judgment varied in either condition: there is no error to test against"
        return Comparison(**known, **_NO_TESTS, flags=(why,))
    return Comparison(
        **known,
        **_tests(gap, how.margin, how.alpha),
        flags=(*_unvaried(y, first), *_counts(y, first, codes, how.estimand)),
    )


def trial_weights(first: Mask, codes: list[Codes], estimand: str) -> tuple[Array, Array]:
    """Return the weights of each condition's trials, which sum to 1."""
    one, two = (design(*(code[mask] for code in codes)) for mask in (first, ~first))
    if estimand == "rater-average":
        return equal_raters(one), equal_raters(two)
    return np.full(one.trials, 1 / one.trials), np.full(two.trials, 1 / two.trials)


def _permuted(p: float | None) -> dict[str, Any]:
    if p is None:
        return {"permutation_refused": "some raters judged both conditions and others only one"}
    return {"p_permutation": p, "permutation_estimand": PERMUTATION_ESTIMAND}


def _too_small(first: Mask, codes: list[Codes]) -> str:
    for mask, which in ((first, "first"), (~first, "second")):
        for code, what in zip(codes, ("rater", "image"), strict=False):
            if len(np.unique(code[mask])) < 2:
                return f"the {which} condition has 1 {what}, at least 2 are needed"
    return ""


def _unvaried(y: Array, first: Mask) -> tuple[str, ...]:
    """Return a caution for a condition in which nobody or everybody was fooled."""
    found = [
        f"no judgment of the {which} condition varied: the interval counts no error of its share"
        for mask, which in ((first, "first"), (~first, "second"))
        if y[mask].min() == y[mask].max()
    ]
    return tuple(found)


def _counts(y: Array, first: Mask, codes: list[Codes], estimand: str) -> tuple[str, ...]:
    """Return what to tell of a condition whose numbers of trials go with their own rates."""
    return tuple(
        f"{which} condition: {said}"
        for mask, which in ((first, "first"), (~first, "second"))
        for said in counts_follow_rates(y[mask], design(*(code[mask] for code in codes)), estimand)
    )


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
