"""Rows that look like answers and are none: sums of other rows, and answers that are not there."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

import numpy as np
import pandas as pd

from analysis.errors import TableError
from analysis.importing.counts import Counted
from analysis.judgments.ids import folded
from analysis.sources.table import Absent

ABSENT_ANSWER = "(absent)"
SUMS = frozenset(
    ("total", "totals", "grand total", "subtotal", "sub-total", "sum", "sums", "all", "overall",
     "average", "mean", "median", "gesamt", "summe", "mittelwert", "insgesamt", "moyenne", "somme",
     "suma", "promedio")
)  # fmt: skip


def refuse_sums(found: pd.DataFrame, ids: Sequence[str]) -> None:
    """Refuse a row that sums up others: one id of it says so, and stands in no other row.

    Raises `TableError`. A model called "mean", with several rows, is a model.
    """
    for name in ids:
        for cell in found[name].unique():
            if folded(cell).rstrip(":") not in SUMS:
                continue
            lines = found.index[found[name] == cell].unique()
            if len(lines) == 1 and found.index.nunique() > 1:
                raise TableError(
                    f"line {lines[0]}: {name} is {cell!r} in this row only, which reads as a sum of"
                    f" the others; leave it out by --where {quote(f'COLUMN!={cell}')}, or give it"
                    " another name"
                )


def refuse_summed_counts(found: pd.DataFrame, made: Counted) -> None:
    """Refuse a row of counts that is the sum of all the others, whatever it is called."""
    fooled = np.bincount(made.rows, made.fooled == "1", minlength=len(found))
    trials = np.bincount(made.rows, minlength=len(found))
    if (trials > 0).sum() < 4:
        return
    sums = (2 * trials == trials.sum()) & (2 * fooled == fooled.sum())
    if sums.any():
        line = found.index[int(np.flatnonzero(sums)[0])]
        raise TableError(
            f"line {line}: its counts are the sums of all other rows; leave it out by --where, so"
            " that nothing counts twice"
        )


def with_absent_named(
    found: pd.DataFrame, answers: Sequence[str], ids: Sequence[str]
) -> pd.DataFrame:
    """Return the table in which an answer that is not there at all is `ABSENT_ANSWER`.

    An empty answer is a skip; where a row has ids but no such key, nobody knows what that means.
    Rows without an id (a fixation cross) hold no answer anyway.
    """
    known = (found[list(ids)] != "").all(axis=1)
    out = found
    for name in answers:
        if name in found:
            gone = found[name].map(lambda cell: isinstance(cell, Absent)) & known
            if gone.any():
                out = out.assign(**{name: out[name].mask(gone, ABSENT_ANSWER)})
    return out
