"""Metrics against people: over models, within models over images, and the 2AFC score."""

from __future__ import annotations

import pandas as pd

from analysis.judgments.study import DeclaredAnalysis
from analysis.judgments.table import main_trials
from analysis.rankings.correlation import (
    FEWEST_MODELS,
    ItemCorrelation,
    ModelCorrelation,
    item_correlations,
    model_correlation,
    pair_score,
)
from analysis.report.results.estimates import key_of, several_tasks
from analysis.report.results.inputs.plan import REPLICATES, SEED
from analysis.report.results.inputs.scores import Measured
from analysis.report.results.schema import Correlation, PairScore

IMAGE_RESAMPLES = 500


def correlations_of(
    table: pd.DataFrame, measured: Measured, declared: DeclaredAnalysis
) -> tuple[Correlation, ...]:
    """Return each comparable metric's correlation with fool rates, in each task."""
    several = several_tasks(table)
    found: list[Correlation] = []
    for task, rows in _tasks(table).items():
        for metric, direction in _metrics(measured).items():
            values = _values(measured, metric)
            present = set(map(str, rows["condition"].unique())) & set(values)
            if len(present) >= FEWEST_MODELS:
                over = model_correlation(
                    rows, metric, direction, values, resamples=REPLICATES, seed=SEED,
                    alpha=declared.alpha,
                )  # fmt: skip
                found.append(_over_models(over, task))
            within = item_correlations(
                rows, metric, direction, _item_values(measured, metric), resamples=IMAGE_RESAMPLES,
                seed=SEED, alpha=declared.alpha,
            )  # fmt: skip
            found += [_over_images(each, key_of(each.condition, task, several)) for each in within]
    return tuple(found)


def pair_scores_of(table: pd.DataFrame, measured: Measured) -> tuple[PairScore, ...]:
    """Return each metric's 2AFC score with its ceiling, where two models have per-image values."""
    found = []
    for task, rows in _tasks(table).items():
        for metric, direction in _metrics(measured).items():
            values = _item_values(measured, metric)
            if len(set(map(str, rows["condition"].unique())) & set(values)) < 2:
                continue
            score = pair_score(rows, metric, direction, values)
            found.append(
                PairScore(
                    metric=metric,
                    task=task or None,
                    pairs=score.pairs,
                    score=score.score,
                    ceiling=score.ceiling,
                )
            )
    return tuple(found)


def _tasks(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    main = main_trials(table)
    answered = main[main["fooled"].notna()]
    return {str(task): rows for task, rows in answered.groupby("task", observed=True, sort=True)}


def _metrics(measured: Measured) -> dict[str, str]:
    return {value.name: value.direction for value in measured.table.values}


def _values(measured: Measured, metric: str) -> dict[str, float]:
    mine = [value for value in measured.table.values if value.name == metric]
    return {value.key: value.value for value in mine if value.value is not None}


def _item_values(measured: Measured, metric: str) -> dict[str, dict[str, float]]:
    return {
        condition: columns[metric]
        for condition, columns in measured.per_image.items()
        if metric in columns
    }


def _over_models(found: ModelCorrelation, task: str) -> Correlation:
    return Correlation(
        metric=found.metric,
        level="model",
        task=task or None,
        n=found.models,
        value=found.agreement,
        low=found.low,
        high=found.high,
        kendall=found.kendall,
        p=found.p,
        exact=found.exact,
    )


def _over_images(found: ItemCorrelation, key: str) -> Correlation:
    return Correlation(
        metric=found.metric,
        level="image",
        key=key,
        task=found.task or None,
        n=found.items,
        value=found.agreement,
        low=found.low,
        high=found.high,
        reliability=found.reliability,
        disattenuated=found.disattenuated,
    )
