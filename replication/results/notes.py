"""Words under a table of scores: what a reader must know of its columns."""

from __future__ import annotations

from collections.abc import Sequence

from metrics.catalogue import METRICS


def score_notes(names: Sequence[str]) -> list[str]:
    """Return what a reader must know of the columns that are there, and of those that are not."""
    notes = []
    if "fid" not in names:
        notes.append(
            "FID and Inception Score need Inception's weights "
            "(python manage.py metrics weights import inception FILE)."
        )
    if not all(METRICS[name].comparable for name in names):
        notes.append(
            "No paper prints values by EffNet-lite0, whose weights need no download: compare the "
            "rows here only."
        )
    return notes
