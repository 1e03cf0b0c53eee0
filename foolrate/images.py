"""What images are like: arrays or folders in, scores out; and how well scores follow people."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from analysis.errors import AnalysisError
from analysis.numerals import PAGE
from analysis.rankings.correlation import (
    FEWEST_MODELS,
    ItemCorrelation,
    ModelCorrelation,
    item_correlations,
    model_correlation,
)
from foolrate.people import judgments
from foolrate.shown import Result, View
from metrics.catalogue import METRICS
from metrics.errors import InputError
from metrics.intervals import mean_interval
from metrics.scores import Score, ScoredRun, ScoreFile, refuse_incomparable

if TYPE_CHECKING:
    from metrics.weights.registry import WeightRegistry

Images = Path | str | Mapping[str, NDArray[np.uint8]]  # a folder, or item id -> (H, W, 3) uint8
ARROWS = {"higher": "↑", "lower": "↓"}


@dataclass(frozen=True)
class Scores(Result):
    """The scores of one set of outputs, and each image's values of the paired metrics."""

    file: ScoreFile
    per_image: dict[str, dict[str, float]]  # metric -> item id -> value
    notes: tuple[str, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row for each metric, with all that decides its comparability."""
        return pd.DataFrame([score.model_dump() for score in self.file.scores])

    @property
    def images(self) -> pd.DataFrame:
        """Return one row for each image, one column for each paired metric."""
        return pd.DataFrame(self.per_image).rename_axis("item_id").sort_index()

    @property
    def view(self) -> View:
        """Return the scores with their intervals."""
        rows = [_score_row(score) for score in self.file.scores]
        notes = [f"{s.name}: {warning}" for s in self.file.scores for warning in s.warnings]
        head = ["Metric", "Value", "95 % interval", "Equal sets", "n"]
        return View("scores", f"Scores of {self.file.run.name}.", head, rows, [*self.notes, *notes])


def _score_row(score: Score) -> list[str]:
    title = METRICS[score.name].title if score.name in METRICS else score.name
    return [
        f"{title} {ARROWS[score.direction]}",
        f"{score.value:.5g}",
        "–" if score.low is None else f"{score.low:.5g} to {score.high:.5g}",
        "–" if score.noise_floor is None else f"{score.noise_floor:.5g}",
        str(score.n),
    ]


def score(
    outputs: Images,
    reference: Images | None = None,
    *,
    metrics: Sequence[str] = ("psnr", "ssim"),
    lr: Images | None = None,
    cache: Path | str | None = None,
    registry: WeightRegistry | None = None,
    **options: Any,
) -> Scores:
    """Return the scores of outputs, as `metrics compute` makes them.

    Images are folders or arrays by item id; they pair by id. ``options`` are those of
    `metrics.compute.request.Request`: ``border``, ``k``, ``networks``, ``naming``, …. Arrays pass
    through lossless files in a temporary folder. Raises `MetricError`.
    """
    from metrics.compute.compute import compute
    from metrics.compute.request import Request
    from metrics.folders import default_folder
    from metrics.weights.registry import WeightRegistry

    sides = {"run": outputs, "reference": reference, "lr": lr}
    given = {role: images for role, images in sides.items() if images is not None}
    fields: dict[str, Any] = {
        "cache": Path(cache) if cache else default_folder(os.environ),
        "metrics": tuple(metrics),
        "registry": registry or WeightRegistry(os.environ),
        **options,
    }
    with _folders(given) as folders:
        outcome = compute(Request(**(fields | folders)))
    if outcome.failed:
        raise InputError("; ".join(f"{name}: {why}" for name, why in outcome.failed.items()))
    return Scores(outcome.scores, outcome.columns, outcome.notes)


@contextmanager
def _folders(given: Mapping[str, Images]) -> Iterator[dict[str, Path]]:
    with tempfile.TemporaryDirectory() as scratch:
        yield {
            role: Path(images)
            if isinstance(images, str | Path)
            else _written(images, Path(scratch) / role)
            for role, images in given.items()
        }


def _written(images: Mapping[str, NDArray[np.uint8]], folder: Path) -> Path:
    folder.mkdir()
    for item, pixels in images.items():
        if not re.fullmatch(r"[^/\\\x00]{1,200}", item) or item.startswith("."):
            raise InputError(f"item id is {item!r}, expected a name that a file can have")
        array = np.asarray(pixels)
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
            found = f"{array.dtype}{array.shape}"
            raise InputError(f"item {item!r} is {found}, expected uint8 (height, width, 3)")
        Image.fromarray(array).save(folder / f"{item}.png")
    return folder


def own_scores(
    table: pd.DataFrame,
    *,
    direction: Literal["higher", "lower"],
    source: str,
    condition: str = "outputs",
) -> Scores:
    """Return scores that another program made: a table by item id, a column for each metric.

    ``source`` names the program and its version, as in `metrics add`. Raises `MetricError`.
    """
    columns = {str(name): values.to_dict() for name, values in table.items()}
    for name, values in columns.items():
        if name in METRICS:
            raise InputError(f"{name} is a metric of foolrate's own, expected another name")
        wrong = [item for item, value in values.items() if not np.isfinite(float(value))]
        if wrong or not values:
            raise InputError(f"{name}: no finite value of item {wrong[:1] or 'any'}")
    per_image = {n: {str(i): float(v) for i, v in c.items()} for n, c in columns.items()}
    found = [_own(name, values, direction, source) for name, values in per_image.items()]
    run = ScoredRun(name=condition, folder="", digest="")
    return Scores(ScoreFile(run=run, scores=tuple(found)), per_image)


def _own(
    name: str, values: Mapping[str, float], direction: Literal["higher", "lower"], source: str
) -> Score:
    array = np.array([values[item] for item in sorted(values)])
    low, high = mean_interval(array) or (None, None)
    return Score(
        name=name,
        value=float(array.mean()),
        direction=direction,
        unit="",
        n=len(array),
        low=low,
        high=high,
        settings={"source": source},
    )


@dataclass(frozen=True)
class Correlations(Result):
    """How well metrics follow people: over conditions, and within each over images."""

    models: tuple[ModelCorrelation, ...]
    items: tuple[ItemCorrelation, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row for each metric over conditions, and for each within a condition."""
        return pd.DataFrame([vars(each) for each in (*self.models, *self.items)])

    @property
    def view(self) -> View:
        """Return the agreement (Spearman's ρ, + where the metric ranks as people do)."""
        rows = [
            ["over conditions", e.metric, str(e.models), PAGE.number(e.agreement, 2), _span(e)]
            for e in self.models
        ]
        rows += [
            [e.condition, e.metric, str(e.items), PAGE.number(e.agreement, 2), _span(e)]
            for e in self.items
        ]
        simulated = any(e.simulated for e in self.models) or any(e.simulated for e in self.items)
        head = ["Where", "Metric", "n", "Agreement", "Interval"]
        caption = "Agreement of metrics with people (Spearman)."
        return View("agreement", caption, head, rows, self.notes, simulated)


def _span(each: ModelCorrelation | ItemCorrelation) -> str:
    return PAGE.span(each.low, each.high, 2)


def correlate(
    table: pd.DataFrame, scores: Mapping[str, Scores], *, alpha: float = 0.05, seed: int = 0
) -> Correlations:
    """Return how well each metric follows the fool rates; ``scores`` is condition -> its scores.

    Over conditions three or more are needed. Raises `AnalysisError`, and `MetricError` where two
    conditions' values of a metric are not comparable.
    """
    checked = judgments(table)
    known = set(map(str, checked["condition"].unique()))
    if strangers := sorted(set(scores) - known):
        raise AnalysisError(f"no condition {strangers[0]!r}, found {', '.join(sorted(known))}")
    refuse_incomparable(each.file for each in scores.values())
    metrics = {s.name: s.direction for each in scores.values() for s in each.file.scores}
    models, items = [], []
    how: dict[str, Any] = {"alpha": alpha, "seed": seed}
    for name, direction in metrics.items():
        values = {c: _value(each, name) for c, each in scores.items() if _has(each, name)}
        if len(values) >= FEWEST_MODELS:
            models.append(model_correlation(checked, name, direction, values, **how))
        own = {c: e.per_image[name] for c, e in scores.items() if name in e.per_image}
        items += item_correlations(checked, name, direction, own, **how)
    return Correlations(tuple(models), tuple(items))


def _has(scores: Scores, name: str) -> bool:
    return any(score.name == name for score in scores.file.scores)


def _value(scores: Scores, name: str) -> float:
    return scores.file.score(name).value
