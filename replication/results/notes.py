"""Words under a table of scores: what a reader must know of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from generators.manifest import open_run
from metrics.catalogue import METRICS
from replication.stages.systems import System


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


def shortfall_notes(folder: Path, systems: Sequence[System]) -> list[str]:
    """Return, for each system with outputs that fall short of what was sought, how many do."""
    said = [(system.title, open_run(folder / system.name).manifest) for system in systems]
    return [f"{title}: {made.shortfalls}." for title, made in said if made and made.shortfalls]
