"""Scores from the metrics package, matched to the judged conditions by digest, kept comparable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis.errors import TableError
from analysis.rankings.correlation import unvalued
from analysis.report.results.inputs.sources import Merged
from analysis.report.results.schema import MetricTable, MetricValue
from metrics.errors import MetricError
from metrics.scores import PER_IMAGE, Score, ScoreFile, difference, read_scores, values_of


@dataclass(frozen=True)
class Measured:
    """The scores of a report, and the per-image values where they were written."""

    table: MetricTable = field(default_factory=MetricTable)
    per_image: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    # ^ condition -> metric -> item id -> value


def read_measured(
    paths: Sequence[Path],
    merged: Merged,
    digests: dict[str, str | None],
    *,
    by_name: bool = False,
) -> Measured:
    """Return the scores of the judged conditions; `digests` is condition -> digest of its images.

    Scores belong to the conditions of their run's images, or to the condition with its name, which
    they do in any case where `by_name` says so.

    Raises `TableError` for a file that is not one, for a run that was not judged, and for scores of
    other images than those judged. A metric whose settings differ between runs is not shown.
    """
    values: list[tuple[str, ScoreFile, Path]] = []
    per_image: dict[str, dict[str, dict[str, float]]] = {}
    for path in paths:
        scores = _read(path)
        for condition in _conditions(path, scores, digests, by_name=by_name):
            _check_new(path, scores, [(of, at) for name, of, at in values if name == condition])
            values.append((condition, scores, path))
            per_image.setdefault(condition, {}).update(_per_image(path, scores, merged, condition))
    per_image = {name: found for name, found in per_image.items() if found}
    return Measured(_with_gaps(_table(values), per_image, merged), per_image)


def _with_gaps(
    table: MetricTable, per_image: dict[str, dict[str, dict[str, float]]], merged: Merged
) -> MetricTable:
    """Return the table with a warning at each score whose judged images have no values, or few."""
    gaps = {
        (condition, metric): said
        for name, columns in per_image.items()
        for metric, column in columns.items()
        for condition, said in unvalued(merged.table, {name: column}, f" in {PER_IMAGE}")
    }
    values = [
        value.model_copy(update={"warnings": (*value.warnings, said)})
        if (said := gaps.get((value.key, value.name)))
        else value
        for value in table.values
    ]
    return table.model_copy(update={"values": tuple(values)})


def _check_new(path: Path, scores: ScoreFile, known: Sequence[tuple[ScoreFile, Path]]) -> None:
    """Raise `TableError` if a metric of a file stands in another file of the same condition."""
    for other, taken in known:
        names = {score.name for score in other.scores}
        twice = next((score.name for score in scores.scores if score.name in names), None)
        if twice is not None:
            raise TableError(f"{path}: {twice} of {scores.run.name} stands in {taken}, too")


def _read(path: Path) -> ScoreFile:
    try:
        return read_scores(path)
    except MetricError as error:
        raise TableError(str(error)) from None


def _conditions(
    path: Path, scores: ScoreFile, digests: dict[str, str | None], *, by_name: bool
) -> list[str]:
    digest, name = scores.run.digest, scores.run.name
    same = [condition for condition, known in digests.items() if known == digest]
    if same and not by_name:
        return [name] if name in same else same
    if name not in digests:
        known = f"the conditions are {', '.join(digests)}" if digests else "nothing was judged yet"
        raise TableError(f"{path}: scores of {name!r}, which was not judged; {known}")
    judged = digests[name]
    if judged is not None and digest and digest != judged:  # other programs name none
        raise TableError(
            f"{path}: scores of other images: run {name} has digest {digest[:12]}…, "
            f"condition {name} was judged with {judged[:12]}…"
        )
    return [name]


def _per_image(
    path: Path, scores: ScoreFile, merged: Merged, condition: str
) -> dict[str, dict[str, float]]:
    beside = (path if path.is_dir() else path.parent) / PER_IMAGE
    if not beside.is_file():
        return {}
    try:
        columns = values_of(scores, beside)
    except MetricError as error:
        raise TableError(str(error)) from None
    judged = merged.table.loc[merged.table["condition"] == condition, "item_id"].unique()
    names = {merged.items[str(item)]: str(item) for item in judged}
    return {
        metric: {names[item]: value for item, value in column.items() if item in names}
        for metric, column in columns.items()
    }


def _table(files: Sequence[tuple[str, ScoreFile, Path]]) -> MetricTable:
    first: dict[str, tuple[str, Score]] = {}
    refused: dict[str, str] = {}
    for condition, scores, _ in files:
        for score in scores.scores:
            other, known = first.setdefault(score.name, (condition, score))
            found = difference(known, score)
            if found:
                refused.setdefault(
                    score.name, f"{other} and {condition} are not comparable, {found}."
                )
    values = tuple(
        _value(condition, scores, score, path)
        for condition, scores, path in files
        for score in scores.scores
        if score.name not in refused
    )
    return MetricTable(values=values, refused=tuple(sorted(refused.items())))


def _value(condition: str, scores: ScoreFile, score: Score, path: Path) -> MetricValue:
    fields = score.model_dump(
        include={
            *("name", "direction", "unit", "n", "extractor", "weights_digest", "resize"),
            *("precision", "reference_digest", "settings"),
        }
    )
    numbers = {
        name: _finite(getattr(score, name)) for name in ("value", "low", "high", "noise_floor")
    }
    warnings = score.warnings
    if not math.isfinite(score.value):
        warnings = (*warnings, f"the value is {score.value} and is left out")
    return MetricValue.model_validate(
        {
            "key": condition,
            "run_digest": scores.run.digest,
            "source": f"{path.parent.name}/{path.name}" if path.is_file() else path.name,
            "warnings": warnings,
            **fields,
            **numbers,
        }
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
