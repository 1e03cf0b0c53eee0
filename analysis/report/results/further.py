"""What else was asked besides which is real, as values of results.json."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from analysis.judgments.study import DeclaredAnalysis
from analysis.raters.exclusions import Exclusions
from analysis.rates.picked import picked_shares
from analysis.rates.ratings import answer_shares, mean_scores
from analysis.report.results.inputs.sources import Merged
from analysis.report.results.preferences import wording
from analysis.report.results.values import MeanRating, PickedShare, RatingShare


def further_of(
    merged: Merged, declared: DeclaredAnalysis, found: Exclusions
) -> tuple[PickedShare, ...]:
    """Return the share of each further question and model, of the raters whom the rules keep."""
    return tuple(_shares(merged, declared, found))


def _shares(merged: Merged, declared: DeclaredAnalysis, found: Exclusions) -> Iterator[PickedShare]:
    names = {(origin.source, origin.condition): name for name, origin in merged.origins.items()}
    for index, source in enumerate(merged.sources):
        if source.further is None:
            continue
        kept = _kept(source.further, merged, source.name, found)
        for each in picked_shares(kept, estimand=declared.estimand, alpha=declared.alpha):
            fields = asdict(each) | {"condition": names[index, each.condition]}
            yield PickedShare(words=wording(each.question, source.study), **fields)


def _kept(table: pd.DataFrame, merged: Merged, source: str, found: Exclusions) -> pd.DataFrame:
    """Return answers with those of raters whom a rule leaves out marked."""
    prefix = f"{source}/" if len(merged.sources) > 1 else ""
    out = (prefix + table["rater_id"]).isin(list(found.reasons))
    return table.assign(excluded=table["excluded"].where(~out, "1"))


def ratings_of(
    merged: Merged, declared: DeclaredAnalysis, found: Exclusions
) -> tuple[tuple[MeanRating, ...], tuple[RatingShare, ...]]:
    """Return how single images were rated by the raters whom the rules keep: scores, and shares."""
    names = {(origin.source, origin.condition): name for name, origin in merged.origins.items()}
    means, shares = [], []
    settled: dict[str, Any] = {"estimand": declared.estimand, "alpha": declared.alpha}
    for index, source in enumerate(merged.sources):
        if source.ratings is None:
            continue
        table = _kept(source.ratings.table, merged, source.name, found)
        kept = replace(source.ratings, table=table)
        for mean in mean_scores(kept, **settled):
            shown = asdict(mean) | {"condition": names[index, mean.condition]}
            means.append(MeanRating.model_validate(shown))
        for share in answer_shares(kept, **settled):
            shown = asdict(share) | {"condition": names[index, share.condition]}
            shares.append(RatingShare.model_validate(shown))
    return tuple(means), tuple(shares)
