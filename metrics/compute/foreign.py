"""Scores that other packages made of a run's images, taken into its scores.json and per_image.csv.

foolrate has not computed them and cannot check them. It holds what it can: each value belongs to an
image of the run, each metric has one direction and one source, and two sources never meet in one
table. Their names are those that `metrics.catalogue` does not know.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from generators.pairing import IdRule, pair_ids
from metrics.catalogue import METRICS
from metrics.compute.request import Outcome
from metrics.errors import ScoreError, counted, few
from metrics.images.pairing import ImageFiles, open_images
from metrics.intervals import mean_interval
from metrics.scores import (
    Score,
    ScoreFile,
    read_per_image,
    read_scores,
    write_scored,
)

COLUMNS = ("item", "metric", "value", "direction", "source")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*")

Columns = Mapping[str, Mapping[str, float]]  # metric -> item id -> value


@dataclass
class _Column:
    """One metric of a file."""

    direction: str
    source: str
    values: dict[str, float] = field(default_factory=dict)


def add_scores(
    run: Path, table: Path, scores: Path, per_image: Path, ids: IdRule | None = None
) -> ScoreFile:
    """Write a table's metrics into a run's files of scores, and return all that they hold then.

    `table` is a CSV of `COLUMNS`, a row for each image and metric. A metric that was added before
    is replaced. Raises `ScoreError`, and writes nothing, for a row that cannot be right, an image
    without a value, or files of scores that are of other images.
    """
    images = open_images(run, ids=ids)
    found = _read(table)
    _check_items(table, found, images)
    before = _read_before(scores, images)
    added = tuple(_score(name, column) for name, column in found.items())
    kept = [score for score in before.scores if score.name not in found] if before else []
    reference = before.reference if before else None
    file = ScoreFile(run=images.scored, reference=reference, scores=(*kept, *added))
    columns = dict(read_per_image(per_image)) if before and per_image.is_file() else {}
    new = {name: column.values for name, column in found.items()}
    columns |= _under_ids_of(new, columns)
    write_scored(scores, file, per_image, columns)
    return file


def keep_added(outcome: Outcome, scores: Path, per_image: Path) -> Outcome:
    """Return an outcome with the added scores of the file that it is about to replace.

    Scores of other images than the outcome's are not kept.
    """
    if not scores.is_file():
        return outcome
    try:
        before = read_scores(scores)
        columns = read_per_image(per_image) if per_image.is_file() else {}
    except ScoreError as error:
        said = f"scores that were added before are lost, the file cannot be read: {error}"
        return replace(outcome, notes=(*outcome.notes, said))
    added = [score for score in before.scores if score.name not in METRICS]
    if not added or before.run.digest != outcome.scores.run.digest:
        return outcome
    file = outcome.scores.model_copy(update={"scores": (*outcome.scores.scores, *added)})
    own = {score.name: columns[score.name] for score in added if score.name in columns}
    kept = _under_ids_of(own, outcome.columns)
    return replace(outcome, scores=file, columns=outcome.columns | kept)


def _under_ids_of(new: Columns, others: Columns) -> dict[str, dict[str, float]]:
    """Return columns under the ids that other columns have, where they pair by one pattern."""
    theirs = list(next(iter(others.values()), {}))
    result = {}
    for name, values in new.items():
        pairing = pair_ids(list(values), theirs)
        names = pairing.partner if pairing else {item: item for item in values}
        result[name] = {names[item]: value for item, value in values.items()}
    return result


def _read_before(scores: Path, images: ImageFiles) -> ScoreFile | None:
    if not scores.is_file():
        return None
    before = read_scores(scores)
    if before.run.digest != images.digest:
        raise ScoreError(
            f"{scores}: holds scores of images with digest {before.run.digest[:12]}…, those of "
            f"{images.folder} have {images.digest[:12]}…; `metrics compute` scores them anew"
        )
    return before


def _read(path: Path) -> dict[str, _Column]:
    """Return metric -> column of a table. Raises `ScoreError` naming the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ScoreError(f"{path}: cannot be read ({error})") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: dict[str, _Column] = {}
    try:
        header = next(rows, [])
        if sorted(header) != sorted(COLUMNS):
            expected = ",".join(COLUMNS)
            raise ScoreError(f"{path}: the columns are {','.join(header)!r}, expected {expected!r}")
        for row in rows:
            if row:
                _take(f"{path}: line {rows.line_num}", header, row, found)
    except csv.Error as error:
        raise ScoreError(f"{path}: line {rows.line_num}: not CSV ({error})") from None
    if not found:
        raise ScoreError(f"{path}: holds no rows")
    return found


def _take(where: str, header: Sequence[str], row: list[str], found: dict[str, _Column]) -> None:
    if len(row) != len(header):
        raise ScoreError(f"{where} has {len(row)} cells, expected {len(header)}")
    cell = dict(zip(header, (each.strip() for each in row), strict=True))
    name, item = cell["metric"], cell["item"]
    _check_name(where, name)
    if cell["direction"] not in ("higher", "lower"):
        raise ScoreError(f"{where}: direction is {cell['direction']!r}, expected higher or lower")
    if not cell["source"]:
        raise ScoreError(f"{where}: the source is empty, expected a program with its version")
    column = found.setdefault(name, _Column(cell["direction"], cell["source"]))
    for key in ("direction", "source"):
        if cell[key] != getattr(column, key):
            first = getattr(column, key)
            raise ScoreError(f"{where}: {key} of {name} is {cell[key]!r}, above it is {first!r}")
    if item in column.values:
        raise ScoreError(f"{where}: {name} of item {item!r} stands there twice")
    column.values[item] = _number(where, cell["value"])


def _check_name(where: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ScoreError(f"{where}: metric is {name!r}, expected letters, digits and _ . + -")
    if name in METRICS:
        raise ScoreError(
            f"{where}: {name} is a metric that `metrics compute` makes; call another program's "
            f"by another name, such as pyiqa_{name}"
        )


def _number(where: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ScoreError(f"{where}: value is {text!r}, expected a finite number")
    return value


def _check_items(table: Path, found: Mapping[str, _Column], images: ImageFiles) -> None:
    for name, column in found.items():
        strange = [item for item in column.values if item not in images.files]
        if strange:
            known = few(list(images.files), most=3)
            raise ScoreError(
                f"{table}: {name} has {counted(len(strange), 'item', 'items')} that "
                f"{images.folder} has not: {few(strange)}; its items are {known}"
            )
        missing = [item for item in images.files if item not in column.values]
        if missing:
            words = counted(len(missing), "item has", "items have")
            raise ScoreError(f"{table}: {words} no value of {name}: {few(missing)}")


def _score(name: str, column: _Column) -> Score:
    values = np.array([column.values[item] for item in sorted(column.values)])
    interval = mean_interval(values)
    return Score(
        name=name,
        value=float(values.mean()),
        direction="higher" if column.direction == "higher" else "lower",
        unit="",
        n=len(values),
        low=None if interval is None else interval[0],
        high=None if interval is None else interval[1],
        settings={"source": column.source},
    )
