"""Scores that other programs made: a table by item id in, scores as foolrate's own out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, overload

import numpy as np
import pandas as pd

from foolrate.images import Scores
from foolrate.tables import as_ids, from_other_library
from metrics.compute.foreign import own_score
from metrics.compute.foreign_table import LARGEST, check_names, faults_of
from metrics.errors import InputError
from metrics.scores import ScoredRun, ScoreFile


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
    frame = frame.assign(**{runs: as_ids(frame[runs])}) if isinstance(runs, str) else frame
    for name, part in frame.groupby(runs, sort=False, observed=True):
        yield str(name), part.drop(columns=runs)


def _own_scores(
    table: pd.DataFrame | pd.Series, condition: str, direction: str, source: str
) -> Scores:
    table = _by_item(table)
    items = _ids(table.index)
    if len(set(items)) < len(items):
        twice = next(item for item in items if items.count(item) > 1)
        raise InputError(f"item {twice!r} stands there twice, expected a row for each image")
    for fault in faults_of(direction, str(source or "")):
        raise InputError(fault)
    per_image: dict[str, dict[str, float]] = {}
    for name, column in table.items():
        check_names("the table", str(name), list(per_image))
        per_image[str(name)] = dict(zip(items, _numbers(str(name), column), strict=True))
    found = [own_score(name, values, direction, str(source)) for name, values in per_image.items()]
    run = ScoredRun(name=str(condition), folder="", digest="")
    return Scores(ScoreFile(run=run, scores=tuple(found)), per_image)


def _frame(table: Any) -> pd.DataFrame:
    table = from_other_library(table)
    frame = table.to_frame() if isinstance(table, pd.Series) else table
    if not isinstance(frame, pd.DataFrame) or frame.empty:
        raise InputError("the table is empty or no DataFrame, expected a column for each metric")
    names = [str(name) for name in frame]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"the table: there are two columns {twice[0]!r}, expected one")
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


def _ids(index: pd.Index) -> list[str]:
    """Return the item ids; whole numbers that pandas holds as floats are 7, and not 7.0."""
    if isinstance(index, pd.MultiIndex):
        levels = ", ".join(map(str, index.names))
        raise InputError(
            f"the index has {index.nlevels} levels ({levels}), expected item ids only: "
            "runs= names the level that says whose each row is"
        )
    if index.hasnans:
        raise InputError(f"the item id is missing in row {int(index.isna().argmax())}")
    return [str(item) for item in as_ids(index.to_series())]


def _numbers(name: str, column: pd.Series) -> list[float]:
    kinds = {"complex numbers": np.iscomplexobj(column)}
    kinds |= {"times": pd.api.types.is_datetime64_any_dtype(column.dtype)}
    kinds |= {"durations": pd.api.types.is_timedelta64_dtype(column.dtype)}
    for kind, found in kinds.items():
        if found:
            raise InputError(f"{name} holds {kind}, expected finite real numbers")
    try:
        values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    except OverflowError:
        raise InputError(f"{name} holds a number beyond {LARGEST:g}, expected smaller") from None
    for item, given, value in zip(column.index, column, values, strict=True):
        if not abs(value) < LARGEST:
            raise InputError(f"{name} of item {item!r} is {given!r}, expected a finite number")
    return [float(value) for value in values]
