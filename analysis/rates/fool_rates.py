"""Fool rates with two-way intervals: the number that a study is run for.

The interface, used by the command line and the report::

    from analysis.rates.fool_rates import fool_rates
    records = fool_rates(judgments)                 # a list of FoolRate, one per condition and task
    records = fool_rates(judgments, estimand="fixed-images", by="side")

``judgments`` is a table as `judgments.table.read_judgments` returns it; only main trials that are
not excluded count. ``dataclasses.asdict(record)`` is what ``--json`` writes. Where there is no
interval (`low` and `high` are None), `method` is ``"refused"`` or ``"none"`` and `flags` say why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import stats

from analysis.errors import DesignError
from analysis.inference.binomial import clopper_pearson
from analysis.inference.clustered.crossed_design import Array, Design, design
from analysis.inference.clustered.share import equal_raters, share_interval, share_variance
from analysis.judgments.table import cells
from analysis.rates.informative_counts import counts_follow_rates

Estimand = Literal["population", "fixed-images", "rater-average"]
ESTIMANDS: tuple[str, ...] = get_args(Estimand)
ESTIMAND_WORDS = {
    "population": "over new raters and new images",
    "fixed-images": "over new raters, on these images only",
    "rater-average": "over new raters and new images, each rater counting alike",
}
TWO_WAY = "two-way CR2, inverted t test, Satterthwaite t"
PER_RATER = "CR2 on raters, inverted t test, Satterthwaite t"
EXACT = "Clopper-Pearson on raters"
FEW = 10


@dataclass(frozen=True)
class FoolRate:
    """The fool rate of one condition in one task (and group), with its interval.

    ``fooled`` of ``trials`` answered trials picked the model's output; ``skipped`` ones are apart.
    ``rate``, ``low``, ``high`` and ``se`` are shares (0-1), None where they do not exist.
    ``n_eff`` is the number of independent trials that would say as much, ``deff`` = trials /
    n_eff. ``v_rater``, ``v_item`` and ``v_overlap``, which is in both, make the variance se²;
    ``clustered`` is the share of se² that raters and images bring, 0 to 1.
    """

    condition: str
    task: str
    estimand: str
    fooled: int
    trials: int
    skipped: int
    raters: int
    items: int
    rate: float | None
    low: float | None
    high: float | None
    se: float | None
    df: float | None
    n_eff: float | None
    deff: float | None
    method: str
    alpha: float = 0.05
    simulated: bool = False
    v_rater: float | None = None
    v_item: float | None = None
    v_overlap: float | None = None
    clustered: float | None = None
    group: dict[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


def fool_rates(
    judgments: pd.DataFrame,
    *,
    estimand: str = "population",
    by: str | Sequence[str] | None = None,
    alpha: float = 0.05,
) -> list[FoolRate]:
    """Return one FoolRate per condition, task and value of the grouping columns, in name order.

    Raises
    ------
    DesignError
        The estimand is unknown.
    TableError
        A grouping column is not in the table, or no main trial is left.
    """
    if estimand not in ESTIMANDS:
        raise DesignError(f"estimand is {estimand!r}, expected {' or '.join(ESTIMANDS)}")
    groups = [by] if isinstance(by, str) else list(by or ())
    return [
        one_fool_rate(rows, key, estimand=estimand, alpha=alpha)
        for key, rows in cells(judgments, groups)
    ]


def one_fool_rate(
    rows: pd.DataFrame, key: dict[str, str], *, estimand: str = "population", alpha: float = 0.05
) -> FoolRate:
    """Return the FoolRate of these rows, which are of one condition and task."""
    answered = rows[rows["fooled"].notna()]
    y = answered["fooled"].to_numpy(dtype=np.float64)
    who = design(
        answered["rater_id"].cat.codes.to_numpy(), answered["item_id"].cat.codes.to_numpy()
    )
    group = {name: value for name, value in key.items() if name not in ("condition", "task")}
    counts: dict[str, Any] = {
        "condition": key["condition"],
        "task": key["task"],
        "estimand": estimand,
        "fooled": int(y.sum()),
        "trials": len(y),
        "skipped": len(rows) - len(answered),
        "raters": who.raters,
        "items": who.items,
        "alpha": alpha,
        "simulated": bool(rows["simulated"].any()),
        "group": group,
    }
    return FoolRate(**counts, **_interval(y, who, estimand, alpha, len(rows)))


def _interval(y: Array, who: Design, estimand: str, alpha: float, asked: int) -> dict[str, Any]:
    """Return the fields of a FoolRate from rate to flags."""
    if who.trials == 0:
        return _without(None, "none", f"no answered trial: all {asked} were skipped")
    refusal = missing(who, estimand)
    if refusal:
        return _without(float(y.mean()), "refused", refusal)
    flags = warnings_of(who, estimand)
    if y.min() == y.max():
        return _exact(y, who, alpha, flags)
    return {
        **_between(y, who, estimand, alpha),
        "flags": (*flags, *counts_follow_rates(y, who, estimand)),
    }


def missing(who: Design, estimand: str) -> str:
    """Return what an interval for this estimand lacks, in words, or ""."""
    if who.raters < 2:
        return f"no interval over new raters: {who.raters} rater, at least 2 are needed"
    if estimand != "fixed-images" and who.items < 2:
        return (
            f"no interval over new images: {who.items} image, at least 2 are needed"
            " (or state the fixed-images estimand)"
        )
    return ""


def warnings_of(who: Design, estimand: str) -> tuple[str, ...]:
    """Return what a reader has to be told about a design this small."""
    few = (
        [f"only {who.raters} raters (fewer than {FEW}): the interval is rough"]
        if who.raters < FEW
        else []
    )
    if estimand != "fixed-images" and who.items < FEW:
        few.append(f"only {who.items} images (fewer than {FEW}): the interval is rough")
    return tuple(few)


def _without(rate: float | None, method: str, why: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("low", "high", "se", "df", "n_eff", "deff"))
    return {"rate": rate, **nothing, "method": method, "flags": (why,)}


def _exact(y: Array, who: Design, alpha: float, flags: tuple[str, ...]) -> dict[str, Any]:
    """Return the exact interval on raters, for 0 or N fooled: the data show no variance."""
    share = float(y[0])
    low, high = clopper_pearson(share * who.raters, who.raters, alpha)
    said = "never" if share == 0 else "always"
    flag = f"the output was {said} picked: exact interval, each of {who.raters} raters one trial"
    return {
        "rate": share,
        "low": float(low),
        "high": float(high),
        "se": None,
        "df": None,
        "n_eff": float(who.raters),
        "deff": who.trials / who.raters,
        "method": EXACT,
        "flags": (flag, *flags),
    }


def _between(y: Array, who: Design, estimand: str, alpha: float) -> dict[str, Any]:
    """Return the fields where some were fooled and some were not."""
    weights = equal_raters(who) if estimand == "rater-average" else None
    found = share_variance(y, who, weights)
    p, two_way = float(found.mean), estimand != "fixed-images"
    total, df, clustered = map(float, found.two_way if two_way else found.raters_only)
    low, high = share_interval(found.mean, total, clustered, stats.t.ppf(1 - alpha / 2, df))
    n_eff = p * (1 - p) / total
    return {
        "rate": p,
        "low": float(low),
        "high": float(high),
        "se": total**0.5,
        "df": df,
        "n_eff": n_eff,
        "deff": who.trials / n_eff,
        "method": TWO_WAY if two_way else PER_RATER,
        "v_rater": float(found.rater),
        "v_item": float(found.item) if two_way else None,
        "v_overlap": float(found.overlap) if two_way else None,
        "clustered": clustered,
    }


def share_intervals(
    y: Array, who: Design, estimand: str = "population", alpha: float = 0.05
) -> tuple[Array, Array, Array]:
    """Return (rate, low, high) of many data sets at once; ``y`` is (N, B), one design.

    Columns in which nobody or everybody was fooled have no such interval.
    """
    found = share_variance(y, who, equal_raters(who) if estimand == "rater-average" else None)
    total, df, clustered = found.raters_only if estimand == "fixed-images" else found.two_way
    quantile = stats.t.ppf(1 - alpha / 2, df)
    return found.mean, *share_interval(found.mean, total, clustered, quantile)
