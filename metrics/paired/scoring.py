"""The paired metrics as tasks of the one pass, and their scores: a mean, an interval, a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.catalogue import METRICS, Metric
from metrics.errors import counted
from metrics.extraction.one_pass import ImageTuple, Task
from metrics.extraction.row_store import RowStore
from metrics.intervals import mean_interval
from metrics.paired.psnr import crop
from metrics.scores import Score

# Values are kept on disk under this number; raise it when all definitions change, and a metric's
# own `changed` in the catalogue when only its definition changes.
DEFINITIONS = 1


def settings(metric: Metric, border: int) -> dict[str, Any]:
    """Return what decides the values of a paired metric besides its weights."""
    return dict(metric.settings) | ({} if metric.kind == "input" else {"border": border})


def light_task(metric: Metric, border: int, cache: Path) -> Task:
    """Return the task of a metric that needs no network."""
    function = metric.load()
    border = 0 if metric.kind == "input" else border

    def compute(batch: Sequence[ImageTuple]) -> NDArray[Any]:
        return np.array([[function(*(crop(image, border) for image in pair))] for pair in batch])

    space = {"metric": metric.name, "definition": DEFINITIONS + metric.changed}
    if metric.resize:
        space["resize"] = metric.resize
    space |= settings(metric, border)
    return Task(metric.name, RowStore(cache, space, 1, "<f8"), compute)


def paired_score(
    name: str, values: Mapping[str, float], reference_digest: str, **provenance: Any
) -> Score:
    """Return the mean over images of a paired metric, with its interval and warnings.

    `values` is item id -> value; `provenance` fills the score's other fields.
    """
    metric = METRICS[name]
    found = np.array([values[item] for item in sorted(values)])
    interval = mean_interval(found)
    equal = int(np.isinf(found).sum())
    words = counted(equal, "image equals its", "images equal their")
    warnings = [f"{words} reference, where PSNR is infinite"] if equal else []
    if interval is None:
        warnings.append("one image: no interval")
    return Score(
        name=name,
        value=float(found.mean()),
        direction=metric.direction,
        unit=metric.unit,
        n=len(found),
        low=None if interval is None else interval[0],
        high=None if interval is None else interval[1],
        reference_digest=reference_digest,
        warnings=tuple(warnings),
        **provenance,
    )
