"""What a notebook hands over as a table, as the checks of files take it; and their words back."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import AnalysisError

NAME = "the table"
FLAGS = ("fooled", "excluded", "simulated")
IDS = ("rater_id", "item_id", "condition", "task", "model_a", "model_b", "trial_id")
_EXACT = 2**53  # from here on a float does not tell two whole numbers apart
# What only a command line has, in the words of a notebook.
_WORDS = (
    (r"\bline (\d+)", lambda found: f"row {int(found[1]) - 2}"),
    (r"`analysis import[^`]*` (renames|maps) columns", lambda _: "table.rename(columns=…) renames"),
    (r"`analysis import[^`]*` reads other words", lambda _: "table.replace(…) translates"),
    (
        r"`analysis import[^`]*` makes them one( \(\S+\))?",
        lambda _: "table.replace(…) makes them one",
    ),
    (r"--([a-z]+(?:-[a-z]+)*)", lambda found: f"{found[1].replace('-', '_')}="),
)


def frame_of(table: Any, what: str = NAME) -> pd.DataFrame:
    """Return a table as a DataFrame with rows from 0 and the named levels of its index as columns.

    What can become a DataFrame (``to_pandas``: polars, pyarrow) does, and so does a Series with
    levels. Raises `AnalysisError`.
    """
    if isinstance(table, pd.Series) and isinstance(table.index, pd.MultiIndex):
        table = table.to_frame()
    table = from_other_library(table, what)
    if not isinstance(table, pd.DataFrame):
        hint = "pandas.read_csv(…)" if isinstance(table, str) else "pandas.DataFrame(…)"
        hint = "table.collect()" if hasattr(table, "collect") else hint  # polars' lazy frames
        raise AnalysisError(f"{what} is a {type(table).__name__}, expected a DataFrame: {hint}")
    names = [str(name) for name in table.columns]
    inside = [name for name in table.index.names if name is not None and str(name) not in names]
    both = [*names, *map(str, inside)]
    twice = next((name for name in both if both.count(name) > 1), None)
    if twice is not None:
        raise AnalysisError(f"{what}: there are two columns {twice!r}, expected one")
    frame: pd.DataFrame = table.reset_index(level=inside) if inside else table
    return frame.reset_index(drop=True)


def from_other_library(table: Any, what: str = NAME) -> Any:
    """Return a frame of polars or pyarrow as one of pandas, and anything else as it is.

    Raises `AnalysisError` where a package is missing that it takes.
    """
    if isinstance(table, pd.DataFrame | pd.Series) or not hasattr(table, "to_pandas"):
        return table
    try:
        return table.to_pandas()
    except ImportError as error:
        kind = f"{type(table).__module__.partition('.')[0]} {type(table).__name__}"
        raise AnalysisError(
            f"{what} is a {kind}, which becomes no DataFrame here: {error}"
        ) from None


def numbered(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with True and False as the 1 and 0 of a file, and so their names.

    Whole numbers that pandas holds as floats, as it does where some are missing, are ids again: 7,
    not 7.0.
    """
    flags = [name for name in FLAGS if name in table]
    table = table.assign(**{name: table[name].astype("object").map(_as_digit) for name in flags})
    return table.assign(**{name: as_ids(table[name]) for name in IDS if name in table})


def as_ids(column: pd.Series) -> pd.Series:
    """Return a column with whole numbers that pandas holds as floats as whole numbers."""
    return column.astype("Int64") if _are_whole(column) else column


def with_groups(checked: pd.DataFrame, by: Sequence[Any], numbers: Collection[str]) -> pd.DataFrame:
    """Return the table with a missing group as the empty one that it is in a file.

    Raises `AnalysisError` for a group with a name of the result's ``numbers``.
    """
    for name in by:
        if name in numbers and name not in ("condition", "task"):
            raise AnalysisError(
                f"by is {name!r}, which the result has a column of: table.rename(columns=…) renames"
            )
        if name in checked and checked[name].isna().any():
            column = as_ids(checked[name]).astype("object")
            checked = checked.assign(**{name: column.where(column.notna(), "").astype(str)})
    return checked


def _are_whole(column: pd.Series) -> bool:
    if not pd.api.types.is_float_dtype(column.dtype):
        return False
    numbers = column.dropna().to_numpy(dtype=float)
    return bool(np.all((numbers % 1 == 0) & (abs(numbers) < _EXACT)))


def _as_digit(value: Any) -> Any:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return int(value.strip().lower() == "true")
    return int(value) if isinstance(value, bool | np.bool_) else value


def in_words(check: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what a check or command returns; its errors speak of rows and keywords."""
    try:
        return check(*arguments, **options)
    except AnalysisError as error:
        raise type(error)(said_here(str(error))) from None


def said_here(words: str) -> str:
    """Return a command's sentence in the words of a notebook."""
    for pattern, here in _WORDS:
        words = re.sub(pattern, here, words)
    return words


def as_text(name: Any) -> str | None:
    """Return a condition's name as the table has it: text, None for none."""
    return None if name is None else str(name)


def as_names(names: Any) -> list[Any]:
    """Return one name, or several, as a list; none of None."""
    if names is None:
        return []
    return list(names) if isinstance(names, Iterable) and not isinstance(names, str) else [names]


def check_count(name: str, value: Any, least: int = 0) -> None:
    """Raise `AnalysisError` unless a value is a whole number, `least` or more."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or int(value) < least:
        raise AnalysisError(f"{name} is {value!r}, expected a whole number, {least} or more")


def check_share(name: str, value: Any, below: float = 1.0) -> None:
    """Raise `AnalysisError` unless a number lies between 0 and a bound, both left out."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise AnalysisError(f"{name} is {value!r}, expected a number between 0 and {below:g}")
    if not 0 < value < below:
        hint = " (0.05 gives 95 % intervals)" if name == "alpha" else ""
        raise AnalysisError(
            f"{name} is {value}, expected more than 0 and less than {below:g}{hint}"
        )
