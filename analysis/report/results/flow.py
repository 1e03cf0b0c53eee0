"""Rater flow: who is left out by the declared rules, and what that changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pandas as pd

from analysis.judgments.study import DeclaredAnalysis
from analysis.raters.exclusions import Exclusions, apply_exclusions, exclusions
from analysis.rates.fool_rates import FoolRate, fool_rates
from analysis.report.results.estimates import key_of, several_tasks
from analysis.report.results.inputs.sources import Merged
from analysis.report.results.schema import FlowStep, Model, Sensitivity
from analysis.report.results.values import Interval

WORDS = {
    "in the file": "In the file",
    "marked in the file": "Marked as excluded by the study site",
    "max_failed_catch": "More than {:g} of the catch trials failed",
    "max_skipped_share": "More than {:.0%} of the trials skipped",
    "min_main_trials": "Fewer than {:g} trials answered",
    "min_median_rt_ms": "Median response time below {:g} ms",
    "rt_tukey_factor": "Median response time above Tukey’s fence, {:g} × IQR",
    "side_bias_alpha": "One side favoured, adjusted p below {:g}",
    "max_same_side_run": "The same side more than {:g} times in a row",
    "min_repeat_consistency": "Fewer than {:.0%} of repeated trials answered alike",
    "max_sessions": "More sessions than {:g}",
}


def exclude(merged: Merged, declared: DeclaredAnalysis) -> tuple[Merged, Exclusions]:
    """Return the sources with the raters who break a declared rule marked, and who they are."""
    found = exclusions(merged.table, declared.rules)
    return replace(merged, table=apply_exclusions(merged.table, found)), found


def words_of(name: str, limit: float | None) -> str:
    """Return a rule in words with its limit."""
    words = WORDS.get(name, name)
    return words if limit is None else words.format(limit)


def flow_of(found: Exclusions) -> tuple[FlowStep, ...]:
    """Return the flow chart's lines, from everything in the file to what is analysed."""
    first = found.flow[0]
    steps = [
        FlowStep(step=words_of("in the file", None), raters=first.raters, trials=first.judgments)
    ]
    for before, after in pairwise(found.flow):
        steps.append(
            FlowStep(
                step=words_of(after.step, after.limit),
                raters=after.raters,
                trials=after.judgments,
                removed_raters=before.raters - after.raters,
                removed_trials=before.judgments - after.judgments,
            )
        )
    return tuple(steps)


def reasons_of(found: Exclusions) -> tuple[tuple[str, int], ...]:
    """Return (rule, raters who break it), each rater counted under every rule it breaks."""
    counts = Counter(rule for rules in found.reasons.values() for rule in rules)
    return tuple(
        (words_of(name, found.rules[name]), counts[name]) for name in found.rules if counts[name]
    )


def sensitivity_of(
    table: pd.DataFrame, models: Sequence[Model], declared: DeclaredAnalysis
) -> tuple[Sensitivity, ...]:
    """Return each model's rate with the exclusions and with nobody left out.

    Empty where nobody was left out, for then the two are one.
    """
    if not table["excluded"].any():
        return ()
    everybody = table.assign(excluded=False)
    several = several_tasks(everybody)
    without = {
        key_of(record.condition, record.task, several): record
        for record in fool_rates(everybody, estimand=declared.estimand, alpha=declared.alpha)
    }
    return tuple(
        Sensitivity(
            key=model.key,
            with_exclusions=Interval(value=model.rate, low=model.low, high=model.high),
            without_exclusions=_interval(without[model.key]),
        )
        for model in models
        if model.key in without
    )


def _interval(record: FoolRate) -> Interval:
    return Interval(value=record.rate, low=record.low, high=record.high)
