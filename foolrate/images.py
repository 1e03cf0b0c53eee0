"""What images are like: arrays or folders in, scores out; and how well scores follow people."""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

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
    unvalued,
)
from foolrate.people import judgments
from foolrate.shown import Result, View
from foolrate.tables import check_count, check_share
from metrics.catalogue import METRICS
from metrics.compute.foreign import own_score
from metrics.compute.foreign_table import LARGEST, check_names, faults_of
from metrics.errors import InputError, MetricError
from metrics.scores import (
    Score,
    ScoredRun,
    ScoreFile,
    different_counts,
    refuse_incomparable,
)

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
    metrics: str | Sequence[str] = ("psnr", "ssim"),
    lr: Images | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    cache: Path | str | None = None,
    registry: WeightRegistry | None = None,
    **options: Any,
) -> Scores:
    """Return the scores of outputs, as `metrics compute` makes them.

    Images are folders or arrays by item id; they pair by id. ``metrics`` are names or groups.
    ``options`` are those of `metrics.compute.request.Request`: ``border``, ``k``, ``workers``, ….
    Arrays pass through lossless files in a temporary folder. Raises `MetricError`.
    """
    from metrics.compute.compute import compute
    from metrics.compute.request import Request
    from metrics.folders import default_folder
    from metrics.networks.registry import NetworkSettings
    from metrics.weights.registry import WeightRegistry

    _check_options(options, [field.name for field in fields(Request)])
    words = metrics.split(",") if isinstance(metrics, str) else metrics
    given: dict[str, Any] = {
        "cache": Path(cache) if cache else default_folder(os.environ),
        "metrics": tuple(word.strip() for word in words),
        "registry": registry or WeightRegistry(os.environ),
        "networks": NetworkSettings(precision, device=device),
        **options,
    }
    sides = {"run": outputs, "reference": reference, "lr": lr}
    with _folders({role: side for role, side in sides.items() if side is not None}) as folders:
        request = Request(**(given | folders))
        outcome = compute(request)
    if outcome.failed:
        raise InputError("; ".join(f"{name}: {why}" for name, why in outcome.failed.items()))
    return Scores(outcome.scores, outcome.columns, outcome.notes)


def _check_options(options: Mapping[str, Any], known: Sequence[str]) -> None:
    for name, value in options.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(known)}"
            raise InputError(f"score takes no {name}, {hint}")
        if name in ("border", "k", "workers") and type(value) is not int:
            raise InputError(f"{name} is {value!r}, expected a whole number")


@contextmanager
def _folders(given: Mapping[str, Images]) -> Iterator[dict[str, Path]]:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            yield {
                role: Path(images)
                if isinstance(images, str | Path)
                else _written(images, Path(scratch) / role)
                for role, images in given.items()
            }
        except MetricError as error:
            said = str(error).replace(f"{scratch}/", "")  # of arrays, what they are to whom
            raise InputError(said) from None


def _written(images: Any, folder: Path) -> Path:
    if not isinstance(images, Mapping):
        found = type(images).__name__
        raise InputError(f"{folder.name} is a {found}, expected a folder or arrays by item id")
    folder.mkdir()
    for key, pixels in images.items():
        item = str(key)
        if not re.fullmatch(r"[^/\\\x00]{1,200}", item) or item.startswith("."):
            raise InputError(f"item id is {item!r}, expected a name that a file can have")
        array = np.asarray(pixels)
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
            found = f"{array.dtype}{array.shape}"
            raise InputError(f"item {item!r} is {found}, expected uint8 (height, width, 3)")
        Image.fromarray(array).save(folder / f"{item}.png")
    return folder


@overload
def own_scores(
    table: pd.DataFrame | pd.Series,
    *,
    direction: Literal["higher", "lower"],
    source: str,
    condition: str = ...,
    runs: None = None,
) -> Scores: ...


@overload
def own_scores(
    table: pd.DataFrame | pd.Series,
    *,
    direction: Literal["higher", "lower"],
    source: str,
    runs: str,
) -> dict[str, Scores]: ...


def own_scores(
    table: pd.DataFrame | pd.Series,
    *,
    direction: Literal["higher", "lower"],
    source: str,
    condition: str = "outputs",
    runs: str | None = None,
) -> Scores | dict[str, Scores]:
    """Return scores that another program made: a table by item id, a column for each metric.

    The ids are the index, or a column ``item_id``. ``source`` names the program and its version,
    as in `metrics add`. Where the table holds several runs, ``runs`` names the column, or the level
    of the index, that says whose each row is: then condition -> scores is returned, as `correlate`
    and `report` take them. Raises `MetricError`.
    """
    if runs is None:
        return _own_scores(table, condition, direction, source)
    found = {}
    for name, part in _by_run(table, runs):
        try:
            found[name] = _own_scores(part, name, direction, source)
        except InputError as error:
            raise InputError(f"{runs} {name!r}: {error}") from None
    return found


def _by_run(table: Any, runs: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each run's name and rows, without the column that says so."""
    frame = _frame(table)
    if runs in frame.index.names and len(frame.index.names) > 1:
        frame = frame.reset_index(level=runs)
    if runs not in frame:
        columns = [str(name) for name in (*filter(None, frame.index.names), *frame)]
        raise InputError(f"there is no column {runs!r} that names runs, found {', '.join(columns)}")
    if frame[runs].isna().any():
        raise InputError(f"{runs} is missing in row {int(frame[runs].isna().argmax())}")
    for name, part in frame.groupby(runs, sort=False, observed=True):
        yield str(name), part.drop(columns=runs)


def _own_scores(
    table: pd.DataFrame | pd.Series, condition: str, direction: str, source: str
) -> Scores:
    table = _by_item(table)
    items = [str(item) for item in table.index]
    if len(set(items)) < len(items):
        twice = next(item for item in items if items.count(item) > 1)
        raise InputError(f"item {twice!r} stands there twice, expected a row for each image")
    for fault in faults_of(direction, source):
        raise InputError(fault)
    per_image: dict[str, dict[str, float]] = {}
    for name, column in table.items():
        check_names("the table", str(name), list(per_image))
        per_image[str(name)] = dict(zip(items, _numbers(str(name), column), strict=True))
    found = [own_score(name, values, direction, source) for name, values in per_image.items()]
    run = ScoredRun(name=condition, folder="", digest="")
    return Scores(ScoreFile(run=run, scores=tuple(found)), per_image)


def _frame(table: Any) -> pd.DataFrame:
    frame = table.to_frame() if isinstance(table, pd.Series) else table
    if not isinstance(frame, pd.DataFrame) or frame.empty:
        raise InputError("the table is empty or no DataFrame, expected a column for each metric")
    return frame


def _by_item(table: Any) -> pd.DataFrame:
    frame = _frame(table)
    if "item_id" in frame:
        return frame.set_index("item_id")
    words = [name for name in frame if pd.api.types.is_string_dtype(frame[name].dtype)]
    if isinstance(frame.index, pd.RangeIndex) and words:
        raise InputError(
            f"there is no column 'item_id', found {', '.join(map(str, frame))}"
            " (table.rename(columns=…) renames)"
        )
    return frame


def _numbers(name: str, column: pd.Series) -> list[float]:
    if np.iscomplexobj(column):
        raise InputError(f"{name} holds complex numbers, expected finite real ones")
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    for item, given, value in zip(column.index, column, values, strict=True):
        if not abs(value) < LARGEST:
            raise InputError(f"{name} of item {item!r} is {given!r}, expected a finite number")
    return [float(value) for value in values]


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
    check_share("alpha", alpha, 0.5)
    check_count("seed", seed)
    checked = judgments(table)
    scores = {str(name): each for name, each in scores.items()}
    _check_scores(checked, scores)
    refuse_incomparable(_of_condition(each, name).file for name, each in scores.items())
    metrics = {s.name: s.direction for each in scores.values() for s in each.file.scores}
    models, items, notes = [], [], []
    how: dict[str, Any] = {"alpha": alpha, "seed": seed}
    for name, direction in metrics.items():
        having = {c: each.file.score(name) for c, each in scores.items() if _has(each, name)}
        if len(having) >= FEWEST_MODELS:
            values = {c: score.value for c, score in having.items()}
            models.append(model_correlation(checked, name, direction, values, **how))
        own = {c: e.per_image[name] for c, e in scores.items() if name in e.per_image}
        items += item_correlations(checked, name, direction, own, **how)
        notes += [f"{name}: {words}" for words in (different_counts(having),) if words]
        notes += [f"{name}: {words}" for _, words in unvalued(checked, own)]
    return Correlations(tuple(models), tuple(items), tuple(notes))


def _check_scores(checked: pd.DataFrame, scores: Mapping[str, Any]) -> None:
    known = set(map(str, checked["condition"].unique()))
    if strangers := sorted(set(scores) - known):
        raise AnalysisError(f"no condition {strangers[0]!r}, found {', '.join(sorted(known))}")
    if not scores:
        raise AnalysisError("there are no scores, expected condition -> fr.Scores")
    for name, each in scores.items():
        if not isinstance(each, Scores):
            found = type(each).__name__
            raise AnalysisError(
                f"the scores of {name!r} are a {found}, expected what fr.score or fr.own_scores "
                "returns"
            )


def _of_condition(scores: Scores, condition: str) -> Scores:
    """Return the scores with the condition for the name of their run."""
    run = scores.file.run.model_copy(update={"name": condition})
    return replace(scores, file=scores.file.model_copy(update={"run": run}))


def _has(scores: Scores, name: str) -> bool:
    return any(score.name == name for score in scores.file.scores)
