"""The paired metrics as tasks of the one pass, and their scores: a mean, an interval, a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.reductions import DEFAULT, REDUCTIONS
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


def settings(metric: Metric, border: int, reduction: str = DEFAULT) -> dict[str, Any]:
    """Return what decides the values of a paired metric besides its weights and kernel."""
    if metric.kind == "input":
        return dict(metric.settings) | {"rounding": REDUCTIONS[reduction].rounding}
    return dict(metric.settings) | {"border": border}


def kernel_of(metric: Metric, reduction: str) -> str | None:
    """Return the kernel that a metric resizes outputs with, in words."""
    return REDUCTIONS[reduction].kernel if metric.kind == "input" else metric.resize


def light_task(metric: Metric, border: int, reduction: str, cache: Path) -> Task:
    """Return the task of a metric that needs no network."""
    function = metric.load()
    if metric.kind == "input":
        function, border = partial(function, reduction=reduction), 0

    def compute(batch: Sequence[ImageTuple]) -> NDArray[Any]:
        return np.array([[function(*(crop(image, border) for image in pair))] for pair in batch])

    space = {"metric": metric.name, "definition": DEFINITIONS + metric.changed}
    if kernel := kernel_of(metric, reduction):
        space["resize"] = kernel
    space |= settings(metric, border, reduction)
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
