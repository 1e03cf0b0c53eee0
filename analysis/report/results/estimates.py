"""Fool rates, tests, differences and checks of a report, as the analysis gives them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from analysis.comparisons.against_half import against_half
from analysis.comparisons.comparisons import Comparison, compare
from analysis.comparisons.real_or_fake import AgainstReal, against_real
from analysis.comparisons.verdict import Verdict
from analysis.inference.agreement import judgments_alpha, split_half
from analysis.inference.binomial import pooled_wilson
from analysis.inference.clustered.bootstrap import bootstrap_rate
from analysis.judgments.study import DeclaredAnalysis
from analysis.judgments.table import cells, main_trials
from analysis.rates.dprime import d_prime, side_biases
from analysis.rates.fool_rates import FoolRate, fool_rates
from analysis.rates.rater_means import published_rate
from analysis.rates.shrinkage import item_rates
from analysis.report.results.inputs.plan import REPLICATES, SEED
from analysis.report.results.inputs.sources import Merged
from analysis.report.results.schema import Agreement, Bin, Diagnostic, Difference, ItemRate, Model
from analysis.report.results.values import Interval

FIFTHS = ("first", "second", "third", "fourth", "last")
SPEEDS = ("fastest", "fast", "middle", "slow", "slowest")


def key_of(condition: str, task: str, several: bool) -> str:
    """Return the key of a model: its condition, with the task where the report has several."""
    return f"{condition} · {task or 'no task'}" if several else condition


def several_tasks(table: pd.DataFrame) -> bool:
    """Return whether the main trials are of more than one task."""
    return bool(main_trials(table)["task"].nunique() > 1)


def models_of(merged: Merged, declared: DeclaredAnalysis) -> tuple[Model, ...]:
    """Return every condition's rate in each task, the most fooling first, with its tests."""
    table = merged.table
    claims = _claims(table, declared)
    records = fool_rates(table, estimand=declared.estimand, alpha=declared.alpha)
    several = several_tasks(table)
    found = []
    for record, (names, rows) in zip(records, cells(table), strict=True):
        key = key_of(names["condition"], names["task"], several)
        claim = claims.get((record.condition, record.task)) or _no_claim(record, declared)
        found.append(
            Model(
                **vars(record),
                key=key,
                label=f"{key} (real photos)" if record.condition == declared.real else key,
                study=merged.sources[merged.origins[record.condition].source].title,
                **_beside(rows, record, declared),
                **claim,
            )
        )
    return tuple(sorted(found, key=lambda model: (-(model.rate or 0.0), model.key)))


def _beside(rows: pd.DataFrame, record: FoolRate, declared: DeclaredAnalysis) -> dict[str, Any]:
    """Return the intervals shown beside the default one."""
    if not record.trials:
        return {}
    low, high = pooled_wilson(record.fooled, record.trials, declared.alpha)
    resampled = bootstrap_rate(rows, REPLICATES, SEED, declared.estimand, declared.alpha)
    means = published_rate(rows, declared.alpha)
    ends = (d_prime(record.rate), d_prime(record.high), d_prime(record.low))
    two_images = (
        {} if declared.real else {"d_prime": Interval(value=ends[0], low=ends[1], high=ends[2])}
    )
    return two_images | {
        "pooled": Interval(value=record.rate, low=float(low), high=float(high)),
        "bootstrap": Interval(value=record.rate, low=resampled.low, high=resampled.high),
        "rater_mean": Interval(value=means.mean, low=means.low, high=means.high),
    }


Claims = dict[tuple[str, str], dict[str, Any]]  # (condition, task) -> fields of a Model


def _claims(table: pd.DataFrame, declared: DeclaredAnalysis) -> Claims:
    """Return what is claimed of each tested condition: tests, d' and verdict."""
    shared: dict[str, Any] = {
        "family": declared.family,
        "correction": declared.correction,
        "margin": declared.margin,
        "alpha": declared.alpha,
        "estimand": declared.estimand,
    }
    if declared.real is None:
        return {
            (test.condition, test.task): {
                "p_chance": test.p,
                "p_adjusted": test.p_adjusted,
                "p_equivalence": test.p_equivalent,
                "verdict": test.verdict,
            }
            for test in against_half(table, **shared)
        }
    return {
        (test.condition, test.task): _claim_on_real(test)
        for test in against_real(table, declared.real, **shared)
    }


def _claim_on_real(test: AgainstReal) -> dict[str, Any]:
    names = {
        "d_prime": test.d_prime,
        "criterion": test.criterion,
        "human_error": test.human_error,
        "error_on_reals": test.error_on_reals,
        "above_real": test.difference,
    }
    return {
        "p_chance": test.p,
        "p_adjusted": test.p_adjusted,
        "p_equivalence": test.p_equivalent,
        "verdict": test.verdict,
        **{name: Interval.model_validate(vars(estimate)) for name, estimate in names.items()},
    }


def _no_claim(record: FoolRate, declared: DeclaredAnalysis) -> dict[str, Any]:
    """Return the verdict of a condition that was not tested."""
    if record.condition == declared.real:
        return {"verdict": Verdict.REFERENCE}
    return {"verdict": Verdict.UNDEFINED if record.low is None else Verdict.UNTESTED}


def differences_of(table: pd.DataFrame, declared: DeclaredAnalysis) -> tuple[Difference, ...]:
    """Return all pairwise differences, or none where there is only one model in each task."""
    several = several_tasks(table)
    pairs = compare(
        table[table["condition"] != declared.real],
        family=declared.family,
        correction=declared.correction,
        margin=declared.margin,
        alpha=declared.alpha,
        estimand=declared.estimand,
    )
    found = [
        Difference(
            a=key_of(pair.first, pair.task, several),
            b=key_of(pair.second, pair.task, several),
            task=pair.task or None,
            difference=pair.difference,
            low=pair.low,
            high=pair.high,
            se=pair.se,
            df=pair.df,
            p=pair.p,
            p_adjusted=pair.p_adjusted,
            shared_raters=pair.shared_raters,
            shared_items=pair.shared_items,
        )
        for pair in map(_oriented, pairs)
    ]
    return tuple(sorted(found, key=lambda pair: (pair.task or "", -(pair.difference or 0.0))))


def _oriented(pair: Comparison) -> Comparison:
    """Return the pair with the higher rate first, so that every difference reads as a gain."""
    if pair.difference >= 0:
        return pair
    low, high = pair.low, pair.high
    return replace(
        pair,
        first=pair.second,
        second=pair.first,
        difference=-pair.difference,
        low=None if high is None else -high,
        high=None if low is None else -low,
    )


def item_rates_of(merged: Merged, declared: DeclaredAnalysis) -> tuple[ItemRate, ...]:
    """Return every image's rate in every model, shrunken towards the model's own."""
    several = several_tasks(merged.table)
    found: list[ItemRate] = []
    for names, rows in cells(merged.table):
        if not rows["fooled"].notna().any():
            continue
        key = key_of(names["condition"], names["task"], several)
        table = item_rates(rows, declared.alpha).rename(
            columns={"trials": "judgments", "shrunken": "shrunk"}
        )
        found += [ItemRate.model_validate({"key": key, **row}) for row in table.to_dict("records")]
    return tuple(found)


def agreement_of(table: pd.DataFrame, declared: DeclaredAnalysis) -> dict[str, Agreement]:
    """Return model key -> agreement between raters, reliability of image rates, side bias."""
    several = several_tasks(table)
    sides = {(bias.condition, bias.task): bias for bias in side_biases(table, declared.alpha)}
    found = {}
    for names, rows in cells(table):
        pair = names["condition"], names["task"]
        key = key_of(*pair, several)
        side = sides.get(pair)
        left = Interval(value=side.left, low=side.low, high=side.high) if side else Interval()
        found[key] = Agreement(
            key=key,
            alpha=_defined(judgments_alpha(rows)),
            split_half=_defined(split_half(rows, seed=SEED)),
            left=left,
        )
    return found


def _defined(value: float) -> float | None:
    return value if math.isfinite(value) else None


def diagnostics_of(table: pd.DataFrame, declared: DeclaredAnalysis) -> tuple[Diagnostic, ...]:
    """Return the fool rate by place in the session, response time and side, where recorded."""
    main = main_trials(table)
    found = []
    if "position" in main:
        place = main.groupby(["rater_id", "condition"], observed=True)["position"].rank(pct=True)
        found.append(
            _check(main, _cut(place, FIFTHS), ("order", "Order", "fifth of the session"), declared)
        )
    if "rt_ms" in main:
        place = main["rt_ms"].rank(pct=True)
        found.append(
            _check(
                main,
                _cut(place, SPEEDS),
                ("time", "Response time", "fifth of the response times"),
                declared,
            )
        )
    if "model_side" in main:
        side = main["model_side"].astype(str).where(main["model_side"].isin(["left", "right"]), "")
        found.append(_check(main, side, ("side", "Side", "side of the output"), declared))
    return tuple(check for check in found if check is not None)


def _cut(share: pd.Series, names: Sequence[str]) -> pd.Series:
    filled = share.fillna(0.0)
    places = (filled * len(names) - 1e-9).astype(int).clip(0, len(names) - 1)
    return places.map(dict(enumerate(names))).where(share.notna(), "")


def _check(
    main: pd.DataFrame, bins: pd.Series, names: tuple[str, str, str], declared: DeclaredAnalysis
) -> Diagnostic | None:
    rows = main.assign(bin=bins)
    rows = rows[(rows["bin"] != "") & rows["fooled"].notna()]
    if rows.empty:
        return None
    several = several_tasks(main)
    records = fool_rates(rows, estimand=declared.estimand, by="bin", alpha=declared.alpha)
    order = {name: place for place, name in enumerate((*FIFTHS, *SPEEDS, "left", "right"))}
    made = [
        Bin(
            key=key_of(record.condition, record.task, several),
            name=record.group["bin"],
            trials=record.trials,
            rate=record.rate,
            low=record.low,
            high=record.high,
        )
        for record in sorted(records, key=lambda record: order[record.group["bin"]])
    ]
    name, title, unit = names
    return Diagnostic(name=name, title=title, unit=unit, bins=tuple(made))
