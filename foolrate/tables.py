"""What a notebook hands over as a table, as the checks of files take it; and their words back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import AnalysisError

NAME = "the table"
FLAGS = ("fooled", "excluded", "simulated")
# What only a command line has, in the words of a notebook.
_WORDS = (
    (r"\bline (\d+)", lambda found: f"row {int(found[1]) - 2}"),
    (r"`analysis import[^`]*` (renames|maps) columns", lambda _: "table.rename(columns=…) renames"),
    (r"`analysis import[^`]*` reads other words", lambda _: "table.replace(…) translates"),
    (r"--([a-z]+(?:-[a-z]+)*)", lambda found: f"{found[1].replace('-', '_')}="),
)


def frame_of(table: Any, columns: Sequence[str], what: str = NAME) -> pd.DataFrame:
    """Return a table as a DataFrame with rows from 0, those of `columns` in its index as columns.

    What can become a DataFrame (``to_pandas``: polars, pyarrow) does. Raises `AnalysisError`.
    """
    if not isinstance(table, pd.DataFrame) and hasattr(table, "to_pandas"):
        table = table.to_pandas()
    if not isinstance(table, pd.DataFrame):
        hint = "pandas.read_csv(…)" if isinstance(table, str) else "pandas.DataFrame(…)"
        raise AnalysisError(f"{what} is a {type(table).__name__}, expected a DataFrame: {hint}")
    names = [str(name) for name in table.columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise AnalysisError(f"{what}: there are two columns {twice!r}, expected one")
    inside = [name for name in table.index.names if name in columns and name not in names]
    frame: pd.DataFrame = table.reset_index(level=inside) if inside else table
    return frame.reset_index(drop=True)


def numbered(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with True and False as the 1 and 0 of a file, and so their names."""
    flags = [name for name in FLAGS if name in table]
    return table.assign(**{name: table[name].astype("object").map(_as_digit) for name in flags})


def _as_digit(value: Any) -> Any:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return int(value.strip().lower() == "true")
    return int(value) if isinstance(value, bool | np.bool_) else value


def in_words(check: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what a check or command returns; its errors speak of rows and keywords."""
    try:
        return check(*arguments, **options)
    except AnalysisError as error:
        said = str(error)
        for pattern, words in _WORDS:
            said = re.sub(pattern, words, said)
        raise type(error)(said) from None


def check_share(name: str, value: Any, below: float = 1.0) -> None:
    """Raise `AnalysisError` unless a number lies between 0 and a bound, both left out."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise AnalysisError(f"{name} is {value!r}, expected a number between 0 and {below:g}")
    if not 0 < value < below:
        hint = " (0.05 gives 95 % intervals)" if name == "alpha" else ""
        raise AnalysisError(
            f"{name} is {value}, expected more than 0 and less than {below:g}{hint}"
        )
