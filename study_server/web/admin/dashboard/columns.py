"""Rows of whole numbers as arrays: the database joins the numbers of each group into one text.

100,000 rows as Python's tuples take a second of processor time; as text and read by numpy, a tenth
of it, on both databases.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, SQLColumnExpression, Text, cast, func, type_coerce

Columns = dict[str, NDArray[np.int64]]


def read_columns(
    connection: Connection,
    query: Select[Any],
    group: SQLColumnExpression[int],
    **columns: SQLColumnExpression[Any],
) -> Columns:
    """Return the rows of a query as columns by name, with `group` as a column of that name.

    `query` selects nothing yet. No value may be null; rows of a group are in no order. In one
    statement every aggregate is given the rows in the same order, so the columns belong together.
    """
    as_text = type_coerce if connection.dialect.name == "sqlite" else cast  # which does it itself
    joined = (func.aggregate_strings(as_text(value, Text), ",") for value in columns.values())
    chosen = query.add_columns(group, func.count(), *joined).group_by(group)
    found = connection.execute(chosen).all()
    groups, counts, *texts = zip(*found, strict=True) if found else ((), (), *((),) * len(columns))
    read = {name: _numbers(text) for name, text in zip(columns, texts, strict=True)}
    return read | {"group": np.repeat(np.array(groups, np.int64), np.array(counts, np.int64))}


def _numbers(texts: tuple[str, ...]) -> NDArray[np.int64]:
    return np.fromstring(",".join(texts), np.int64, sep=",")


def starts_of(groups: NDArray[Any]) -> NDArray[np.int64]:
    """Return where each group begins in a sorted array."""
    return np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]][: len(groups)])


def rank_in_group(groups: NDArray[Any]) -> NDArray[np.int64]:
    """Return how many of the same group stand before each element of a sorted array."""
    starts = starts_of(groups)
    return np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))
