"""What images are like: arrays or folders in, scores out; and how well scores follow people."""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from analysis.errors import AnalysisError
from analysis.judgments.table import main_trials
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
from foolrate.tables import NAME, check_count, check_share
from metrics.catalogue import METRICS
from metrics.errors import InputError, MetricError
from metrics.scores import Score, ScoreFile, different_counts, refuse_incomparable

if TYPE_CHECKING:
    from metrics.weights.registry import WeightRegistry

Images = Path | str | Mapping[str, NDArray[np.uint8]]  # a folder, or item id -> (H, W, 3) uint8
_SAID = ("reference", "metrics", "lr", "cache", "registry")  # by arguments of their own
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

    if isinstance(options.get("classes"), str):
        options["classes"] = Path(options["classes"])
    _check_options(options)
    for name, value, kind in (("device", device, str), ("cache", cache, Path | str | None)):
        if not isinstance(value, kind):
            raise InputError(f"{name} is {value!r}, expected a name or path")
    given: dict[str, Any] = {
        "cache": Path(cache) if cache else default_folder(os.environ),
        "metrics": _words(metrics),
        "registry": registry or WeightRegistry(os.environ),
        "networks": NetworkSettings(precision, device=device),
        **options,
    }
    others = {"reference": reference, "lr": lr}
    sides = {role: side for role, side in others.items() if side is not None}
    with _folders({"run": outputs, **sides}) as (folders, said_here):
        request = Request(**(given | folders))
        outcome = compute(request)
        notes = tuple(map(said_here, outcome.notes))
    if outcome.failed:
        raise InputError("; ".join(f"{name}: {why}" for name, why in outcome.failed.items()))
    return Scores(outcome.scores, outcome.columns, notes)


def _words(metrics: Any) -> tuple[str, ...]:
    words = metrics.split(",") if isinstance(metrics, str) else metrics
    if not isinstance(words, Iterable) or not all(isinstance(word, str) for word in words):
        raise InputError(f"metrics is {metrics!r}, expected names, such as ['psnr', 'ssim']")
    return tuple(word.strip() for word in words)


def _check_options(options: Mapping[str, Any]) -> None:
    """Raise `InputError` for an option of another name or kind than `score` takes."""
    from metrics.compute.inputs import Naming
    from metrics.compute.request import Request
    from metrics.networks.registry import NetworkSettings

    known = [field.name for field in fields(Request) if field.name not in ("run", *_SAID)]
    for name, value in options.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(known)}"
            raise InputError(f"score takes no {name}, {hint}")
        if name in ("border", "k", "workers") and type(value) is not int:
            raise InputError(f"{name} is {value!r}, expected a whole number")
        kind = {"networks": NetworkSettings, "naming": Naming, "classes": Path}.get(name, str)
        if name not in ("border", "k", "workers") and not isinstance(value, kind | None):
            raise InputError(f"{name} is {value!r}, expected a {kind.__name__}")


@contextmanager
def _folders(
    given: Mapping[str, Images],
) -> Iterator[tuple[dict[str, Path], Callable[[str], str]]]:
    """Give each role's folder, and what says a sentence without the folder that is temporary."""
    with tempfile.TemporaryDirectory() as scratch:

        def said_here(words: str) -> str:
            return words.replace(f"{scratch}/", "")  # of arrays, what they are to whom

        try:
            folders = {
                role: Path(images)
                if isinstance(images, str | Path)
                else _written(images, Path(scratch) / role)
                for role, images in given.items()
            }
            yield folders, said_here
        except MetricError as error:
            raise InputError(said_here(str(error))) from None


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
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
            found = f"{array.dtype}{array.shape}"
            raise InputError(f"item {item!r} is {found}, expected uint8 (height, width, 3)")
        if (folder / f"{item}.png").exists():
            raise InputError(f"{folder.name}: item {item!r} stands there twice, as text and number")
        Image.fromarray(array).save(folder / f"{item}.png")
    return folder


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
    scores = checked_scores(checked, scores)
    refuse_incomparable(_of_condition(each, name).file for name, each in scores.items())
    answered = _answered(checked)
    metrics = {s.name: s.direction for each in scores.values() for s in each.file.scores}
    models, items, notes = [], [], []
    how: dict[str, Any] = {"alpha": alpha, "seed": seed}
    for name, direction in metrics.items():
        having = {c: each.file.score(name) for c, each in scores.items() if _has(each, name)}
        values = {c: score.value for c, score in having.items() if c in answered}
        if len(values) >= FEWEST_MODELS:
            models.append(model_correlation(checked, name, direction, values, **how))
        own = {c: e.per_image[name] for c, e in scores.items() if name in e.per_image}
        items += item_correlations(checked, name, direction, own, **how)
        notes += [f"{name}: {words}" for words in (different_counts(having),) if words]
        notes += [f"{name}: {words}" for _, words in unvalued(checked, own)]
    return Correlations(tuple(models), tuple(items), tuple(notes))


def _answered(checked: pd.DataFrame) -> set[str]:
    """Return the conditions of answered main trials. Raises `AnalysisError` for several tasks."""
    main = main_trials(checked)
    tasks = sorted(map(str, main["task"].unique()))
    if len(tasks) > 1:
        raise AnalysisError(
            f"{NAME} holds the tasks {', '.join(tasks)}, whose rates answer different questions, "
            f"expected one: table[table.task == {tasks[0]!r}]"
        )
    return set(main.loc[main["fooled"].notna(), "condition"].astype(str))


def checked_scores(checked: pd.DataFrame, scores: Any) -> dict[str, Scores]:
    """Return condition, as text, -> scores.

    Raises `AnalysisError` for what is none, and for scores of a condition that was not judged.
    """
    if not isinstance(scores, Mapping):
        found = type(scores).__name__
        raise AnalysisError(f"scores is a {found}, expected a dictionary: condition -> fr.Scores")
    if not scores:
        raise AnalysisError("there are no scores, expected condition -> fr.Scores")
    known = set(map(str, checked["condition"].unique()))
    if strangers := sorted(set(map(str, scores)) - known):
        raise AnalysisError(f"no condition {strangers[0]!r}, found {', '.join(sorted(known))}")
    for name, each in scores.items():
        if not isinstance(each, Scores):
            found = type(each).__name__
            raise AnalysisError(
                f"the scores of {name!r} are a {found}, expected what fr.score or fr.own_scores "
                "returns"
            )
    return {str(name): each for name, each in scores.items()}


def _of_condition(scores: Scores, condition: str) -> Scores:
    """Return the scores with the condition for the name of their run."""
    run = scores.file.run.model_copy(update={"name": condition})
    return replace(scores, file=scores.file.model_copy(update={"run": run}))


def _has(scores: Scores, name: str) -> bool:
    return any(score.name == name for score in scores.file.scores)
