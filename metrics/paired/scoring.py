"""The paired metrics as tasks of the one pass, and their scores: a mean, an interval, a column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.catalogue import METRICS
from metrics.errors import counted
from metrics.extraction.one_pass import Pixels, Task
from metrics.extraction.row_store import RowStore
from metrics.images.decode import Image
from metrics.intervals import mean_interval
from metrics.paired import consistency, psnr, ssim
from metrics.scores import Score

# Values are kept on disk under this number; raise it when all definitions change, and a metric's
# own number when only its definition changes.
DEFINITIONS = 1
_CHANGED = {"consistency": consistency.CHANGED}

# The paper's Table 1 prints the mean squared error in units of 1e-5.
CONSISTENCY_UNIT = 1e-5

LIGHT: dict[str, Callable[[Image, Image], float]] = {
    "psnr": psnr.psnr,
    "psnr_y": psnr.psnr_y,
    "ssim": ssim.ssim,
    "ms_ssim": ssim.ms_ssim,
    "consistency": lambda output, low: consistency.consistency(output, low) / CONSISTENCY_UNIT,
}

SMALLEST = {"ssim": ssim.WINDOW, "ms_ssim": ssim.SMALLEST_MS_SSIM}

_SETTINGS: dict[str, dict[str, Any]] = {
    "psnr": {"channels": "RGB", "peak": 255},
    "psnr_y": {"channels": "Y (BT.601, 16..235)", "peak": 255},
    "ssim": {"window": "Gaussian 11, sigma 1.5", "covariance": "population", "channels": "RGB"},
    "ms_ssim": {"window": "Gaussian 11, sigma 1.5", "scales": 5, "channels": "RGB"},
    "consistency": {
        "range": consistency.RANGE,
        "rounding": consistency.ROUNDING,
        "unit": CONSISTENCY_UNIT,
    },
}


def settings(name: str, border: int) -> dict[str, Any]:
    """Return what decides the values of a paired metric besides its weights."""
    extra = {} if name == "consistency" else {"border": border}
    return _SETTINGS.get(name, {}) | extra


def light_task(name: str, border: int, cache: Path) -> Task:
    """Return the task of one of the metrics that need no network."""
    function = LIGHT[name]

    def compute(batch: Sequence[Pixels]) -> NDArray[Any]:
        return np.array([[_apply(name, function, pixels, border)] for pixels in batch])

    space = {"metric": name, "definition": DEFINITIONS + _CHANGED.get(name, 0)}
    space |= settings(name, border)
    return Task(name, RowStore(cache, space, 1, "<f8"), compute)


def _apply(
    name: str, function: Callable[[Image, Image], float], pixels: Pixels, border: int
) -> float:
    x, y = pixels
    if name != "consistency":
        x, y = psnr.crop(x, border), psnr.crop(y, border)
    return function(x, y)


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
