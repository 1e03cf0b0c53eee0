"""SR3's Table 3 with our rows: errors of a classifier on enlarged photographs."""

from __future__ import annotations

from replication.results.measured import scores_of
from replication.results.schema import Table
from replication.results.tables import table_of
from replication.stages.commands import computable
from replication.stages.errors56 import METRICS, systems
from replication.stages.request import Request

NOTES = (
    "The images take the paper's way: 56 → 64 → 256 → 224 pixels. The photographs are Tiny "
    "ImageNet's, 64×64, of 24 classes, so the baseline is itself enlarged from 64; the paper's is "
    "the 224-pixel original.",
    "The classifier is EfficientNet-lite0 over all 1,000 classes; the paper's is a ResNet-50.",
)


def errors_table(request: Request) -> list[Table]:
    """Return the table, or none where it could not be made."""
    if not computable(METRICS, request.networks):
        return []
    folder = request.out / "errors"
    rows = systems()
    found = scores_of([folder / f"{one.name}.scores" for one in rows], METRICS)
    measured = list(zip(rows, found, strict=True))
    title = "ImageNet 56→224: classification error"
    return [table_of("classes-errors", title, measured, notes=NOTES)]
