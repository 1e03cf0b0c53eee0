"""scores.json and per_image.csv. A format module: downstream packages import only this one of ours.

A score is a metric's value on one run, with all that decides whether it may be compared with
another: the reference's digest, the extractor and its weights' digest, the resize mode, the
precision, the decoder and the metric's own settings. `refuse_incomparable` is called before scores
meet in one table.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from generators.errors import cause
from generators.files import utc_now, write_atomically, write_together
from generators.foreign_text import as_meant, inert
from metrics.catalogue import METRICS
from metrics.errors import ScoreError

FORMAT_VERSION = 1
SCORES = "scores.json"
PER_IMAGE = "per_image.csv"

# What must agree before two values of one metric may stand side by side.
COMPARED = (
    "direction",
    "unit",
    "reference_digest",
    "extractor",
    "weights_digest",
    "resize",
    "precision",
    "decoding",
    "settings",
)


class ScoredRun(BaseModel):
    """The run, or the reference, that a score was computed from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    folder: str
    digest: str
    generator: str | None = None


class Score(BaseModel):
    """One metric's value on one run."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    name: str
    value: float
    direction: Literal["higher", "lower"]  # which way is better
    unit: str
    n: int  # images of the run that the value rests on
    low: float | None = None  # 95 % interval over images
    high: float | None = None
    noise_floor: float | None = None  # what equal distributions would score at this n
    extractor: str | None = None
    weights_digest: str | None = None
    resize: str | None = None
    precision: str | None = None
    reference_digest: str | None = None
    decoding: int | None = None  # the decoder that read the images; None: from before it was said
    settings: dict[str, Any] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @field_validator("value", "n", "low", "high", "noise_floor", mode="before")
    @classmethod
    def _no_truth(cls, number: object) -> object:
        if isinstance(number, bool):  # which would be read as 1 or 0
            raise ValueError("expected a number")
        return number


class ScoreFile(BaseModel):
    """Everything in one ``scores.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    format_version: int = FORMAT_VERSION
    created_at: str = Field(default_factory=utc_now)
    run: ScoredRun
    reference: ScoredRun | None = None
    scores: tuple[Score, ...]

    def score(self, name: str) -> Score:
        """Return the score of one metric. Raises `ScoreError` naming those there are."""
        for score in self.scores:
            if score.name == name:
                return score
        present = ", ".join(score.name for score in self.scores)
        raise ScoreError(f"{self.run.name}: has no score {name!r}, it has {present}")


def write_scores(path: Path, scores: ScoreFile) -> None:
    """Write ``scores.json`` atomically. An infinite value (PSNR of equal images) is the string
    ``"Infinity"``, because JSON has no such number; `read_scores` gives the float back."""
    write_atomically(path, _json(scores))


def write_scored(
    path: Path, scores: ScoreFile, per_image: Path, columns: Mapping[str, Mapping[str, float]]
) -> None:
    """Write ``scores.json`` and, where there are columns, ``per_image.csv``: both or neither.

    Without columns, a ``per_image.csv`` of earlier scores goes.
    """
    values = {per_image: _csv(columns)} if columns else {}
    write_together({**values, path: _json(scores)})
    if not columns:
        per_image.unlink(missing_ok=True)


def _json(scores: ScoreFile) -> bytes:
    return (scores.model_dump_json(indent=1) + "\n").encode()


def read_scores(path: Path) -> ScoreFile:
    """Return the scores in a file, or in the ``scores.json`` of a folder. Raises `ScoreError`."""
    path = path / SCORES if path.is_dir() else path
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        found = fields.get("format_version") if isinstance(fields, dict) else None
        if found != FORMAT_VERSION:
            raise ScoreError(f"{path}: format_version is {found!r}, expected {FORMAT_VERSION}")
        file = ScoreFile.model_validate(fields)
    except FileNotFoundError:
        raise ScoreError(
            f"{path}: no such file, expected scores made by `metrics compute`"
        ) from None
    except OSError as error:
        raise ScoreError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ScoreError(f"{path}: not JSON ({error}), expected a scores file") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ScoreError(f"{path}: {where}: {first['msg']} (found {first['input']!r})") from None
    _check(path, file)
    return file


def _check(path: Path, file: ScoreFile) -> None:
    """Raise `ScoreError` for scores that no metric can have."""
    if not file.scores:
        raise ScoreError(f"{path}: scores is empty, expected one score or more")
    names = [score.name for score in file.scores]
    for score in file.scores:
        if names.count(score.name) > 1:
            raise ScoreError(f"{path}: {score.name} stands there twice, expected a score a metric")
        for fault in _faults(score):
            raise ScoreError(f"{path}: {score.name or 'a score'}: {fault}")


def _faults(score: Score) -> Iterator[str]:
    """Yield what is wrong with a score."""
    if not score.name.strip():
        yield f"name is {score.name!r}, expected a metric"
    for name in ("value", "low", "high", "noise_floor"):
        if (number := getattr(score, name)) is not None and math.isnan(number):
            yield f"{name} is NaN, expected a number"
    if (score.low is None) != (score.high is None):
        yield f"low is {score.low} and high is {score.high}, expected both or neither"
    if score.low is not None and score.high is not None and score.low > score.high:
        yield f"low is {score.low} and high is {score.high}, expected low to be the lower one"
    if score.n < 1:
        yield f"n is {score.n}, expected 1 image or more"
    if score.name in METRICS and score.direction != METRICS[score.name].direction:
        expected = METRICS[score.name].direction
        yield f"direction is {score.direction!r}, expected {expected!r} of this metric"


def write_per_image(path: Path, columns: Mapping[str, Mapping[str, float]]) -> None:
    """Write ``per_image.csv``: ``item_id``, then one column per paired metric, rows in id order.

    `columns` is metric name -> item id -> value; values are written so that they read back exactly.
    An id that a spreadsheet would run as a formula has an apostrophe before it.
    """
    write_atomically(path, _csv(columns))


def _csv(columns: Mapping[str, Mapping[str, float]]) -> bytes:
    items = sorted({item for values in columns.values() for item in values})
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["item_id", *columns])
    for item in items:
        row = [values.get(item) for values in columns.values()]
        writer.writerow(
            [inert(item), *("" if value is None else repr(float(value)) for value in row)]
        )
    return stream.getvalue().encode()


def read_per_image(path: Path) -> dict[str, dict[str, float]]:
    """Return metric name -> item id -> value from ``per_image.csv``. Raises `ScoreError`."""
    path = path / PER_IMAGE if path.is_dir() else path
    header, rows = _rows(path)
    if not rows or header[0] != "item_id":
        found = header[0] if rows else "no rows"
        raise ScoreError(f"{path}: the first column is {found!r}, expected 'item_id'")
    items = [as_meant(row[0]) for row in rows]
    if len(set(items)) < len(items):
        twice = next(item for item in items if items.count(item) > 1)
        raise ScoreError(f"{path}: item {twice!r} stands there twice, expected a row an image")
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise ScoreError(f"{path}: there are two columns {twice!r}")
    return {
        name: _column(path, name, dict(zip(items, (row[at] for row in rows), strict=True)))
        for at, name in enumerate(header)
        if at
    }


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the header, and the rows that are not blank, each with as many cells."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            table = csv.reader(stream, strict=True)
            header, rows = next(table, [""]), []
            for row in table:
                if row and len(row) != len(header):
                    where = f"{path}: line {table.line_num}"
                    raise ScoreError(f"{where} has {len(row)} cells, expected {len(header)}")
                rows += [row] * bool(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScoreError(f"{path}: cannot be read ({cause(error)})") from None
    return header, rows


def values_of(file: ScoreFile, path: Path) -> dict[str, dict[str, float]]:
    """Return metric -> item id -> value of the images whose means are the scores of a file.

    `path` is a ``per_image.csv`` or its folder. A column that the file has no score of is left out:
    nobody knows by which settings it was made. Raises `ScoreError` for one whose mean is another
    than the score, which was therefore made by other settings, or of other images.
    """
    path = path / PER_IMAGE if path.is_dir() else path
    columns = read_per_image(path)
    found = {score.name: score for score in file.scores if score.name in columns}
    for name, score in found.items():
        values = list(columns[name].values())
        mean = sum(values) / len(values) if values else math.nan
        same = math.isclose(mean, score.value, rel_tol=1e-6, abs_tol=1e-12)
        if len(values) != score.n or not same:
            raise ScoreError(
                f"{path}: {name} of {len(values)} images has the mean {mean:.6g}, and "
                f"{SCORES} of {file.run.name} says {score.value:.6g} of {score.n}: they were not "
                "computed together"
            )
    return {name: columns[name] for name in found}


def different_counts(scores: Mapping[str, Score]) -> str | None:
    """Return on how many images each value of one metric rests, or None if on equally many.

    `scores` is run -> its score.
    """
    counts = {score.n for score in scores.values()}
    if len(counts) < 2:
        return None
    return "of " + ", ".join(f"{score.n} images in {run}" for run, score in scores.items())


def _column(path: Path, name: str, cells: Mapping[str, str]) -> dict[str, float]:
    """Return item id -> value of one column, without the cells that are empty."""
    try:
        column = {item: float(cell) for item, cell in cells.items() if cell}
    except ValueError as error:
        raise ScoreError(f"{path}: column {name!r}: {error}, expected a number") from None
    none = next((item for item, value in column.items() if math.isnan(value)), None)
    if none is not None:
        raise ScoreError(f"{path}: {name} of item {none!r} is NaN, expected a number")
    return column


def difference(first: Score, second: Score) -> str | None:
    """Return in words why two values of one metric must not be compared, or None if they may."""
    for field in COMPARED:
        mine, theirs = getattr(first, field), getattr(second, field)
        if field == "settings" and mine != theirs:
            key = next(k for k in sorted({*mine, *theirs}) if mine.get(k) != theirs.get(k))
            return f"setting {key} is {mine.get(key)!r} and {theirs.get(key)!r}"
        if mine != theirs:
            return f"{field} is {_short(mine)} and {_short(theirs)}"
    return None


def refuse_incomparable(files: Iterable[ScoreFile]) -> None:
    """Raise `ScoreError`, naming metric, runs and difference, unless all may be compared."""
    first_seen: dict[str, tuple[str, Score]] = {}
    for file in files:
        for score in file.scores:
            run, other = first_seen.setdefault(score.name, (file.run.name, score))
            found = difference(other, score)
            if found:
                raise ScoreError(
                    f"{score.name} of {run} and {file.run.name} cannot stand in one table: {found}"
                )


def _short(value: object) -> str:
    text = str(value)
    return f"{text[:12]}…" if len(text) == 64 else repr(value)
