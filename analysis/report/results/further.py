"""What else was asked of a photo and an output, as values of results.json."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from analysis.judgments.study import DeclaredAnalysis
from analysis.raters.exclusions import Exclusions
from analysis.rates.picked import picked_shares
from analysis.report.results.inputs.sources import Merged
from analysis.report.results.preferences import wording
from analysis.report.results.values import PickedShare


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
        prefix = f"{source.name}/" if len(merged.sources) > 1 else ""
        out = (prefix + source.further["rater_id"]).isin(list(found.reasons))
        kept = source.further.assign(excluded=source.further["excluded"].where(~out, "1"))
        for each in picked_shares(kept, estimand=declared.estimand, alpha=declared.alpha):
            fields = asdict(each) | {"condition": names[index, each.condition]}
            yield PickedShare(words=wording(each.question, source.study), **fields)
