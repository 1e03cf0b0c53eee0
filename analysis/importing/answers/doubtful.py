"""Rows that the tool which wrote them calls no proper answer: rejected, cancelled, by a bot."""

from __future__ import annotations

from collections import Counter
from shlex import quote

import pandas as pd

from analysis.importing.answers.meanings import NO, YES
from analysis.judgments.ids import folded, last_part
from analysis.numerals import counted

RETURNED = ("rejected", "returned", "timed-out", "timed out", "revoked consent", "screened out")
# The last part of a column's name, folded, and the values that speak against a row:
# MTurk, Prolific, Toloka, oTree, PsyNet, Label Studio, LimeSurvey (no date of submission).
SIGNS: dict[str, tuple[str, ...]] = {
    "assignmentstatus": RETURNED,
    "status": RETURNED,
    "_is_bot": YES,
    "is_bot": YES,
    "failed": YES,
    "was_cancelled": YES,
    "finished": NO,
    "submitdate": ("",),
}


def doubtful(table: pd.DataFrame) -> list[str]:
    """Return a caution for each value that speaks against its rows, with what leaves them out."""
    out = []
    for name in table.columns:
        signs = SIGNS.get(last_part(name), ())
        for cell, rows in Counter(table[name] if signs else ()).items():
            if folded(cell) not in signs:
                continue
            how = quote(f"{name}!={cell}")
            have = f"{counted(rows, 'row')} {'has' if rows == 1 else 'have'}"
            out.append(f"{have} {name} {cell!r}; --where {how} leaves out such rows")
    return out
