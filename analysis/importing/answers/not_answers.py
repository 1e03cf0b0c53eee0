"""Rows that look like answers and are none: sums of other rows, and answers that are not there."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

import numpy as np
import pandas as pd

from analysis.errors import TableError
from analysis.importing.answers.counts import Counted
from analysis.importing.answers.meanings import NO, Answers
from analysis.judgments.ids import MISSING, folded, last_part
from analysis.numerals import counted
from analysis.sources.table import Absent

ABSENT_ANSWER = "(absent)"
SUMS = frozenset(
    ("total", "totals", "grand total", "subtotal", "sub-total", "sum", "sums", "all", "overall",
     "average", "mean", "median", "gesamt", "summe", "mittelwert", "insgesamt", "moyenne", "somme",
     "suma", "promedio")
)  # fmt: skip

# The last part of a column's name, folded, that holds what a rater pressed or how long it took:
# PsychoPy, jsPsych, OpenSesame, Gorilla, FindingFive.
PRESSED = frozenset(
    ("response", "responses", "response_value", "key", "keys", "key_press", "keypress", "resp",
     "rt", "rt_ms", "response_rt", "response_time", "reaction time", "reaction_time")
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


def refuse_timed_out(found: pd.DataFrame, table: pd.DataFrame, ignored: Sequence[str]) -> None:
    """Refuse "not correct" where nothing was pressed: experiment programs say so of a time-out.

    That is a skip, and would count as fooled. `table` is the source's. Raises `TableError`.
    """
    wrong = np.array([folded(cell) in NO for cell in found["correct"]])
    for name, column in table.items():
        if name in ignored or last_part(str(name)) not in PRESSED:
            continue
        nothing = np.array([folded(str(cell)) in MISSING for cell in column])
        if nothing.any() and not nothing.all() and wrong[nothing].all():
            first = int(np.flatnonzero(nothing)[0])
            how = quote(f"{name}!={column.iloc[first]}")
            raise TableError(
                f"line {found.index[first]}: {name} is {column.iloc[first]!r} and 'correct' is"
                f" {found['correct'].iloc[first]!r} ({counted(int(nothing.sum()), 'such row')}): a"
                f" trial without a response is no wrong answer; --where {how} leaves out such rows,"
                f" --ignore {quote(str(name))} counts them"
            )


def refuse_button_numbers(found: pd.DataFrame, table: pd.DataFrame, answers: Answers) -> None:
    """Refuse jsPsych's numbers of buttons as answers: 0 is the first one, whatever is on it.

    Raises `TableError`.
    """
    if "trial_type" not in table:
        return
    for at, (kind, cell) in enumerate(zip(table["trial_type"], found["fooled"], strict=True)):
        if str(kind).endswith("button-response") and cell.isdigit() and answers.outcomes[at]:
            raise TableError(
                f"line {found.index[at]}: the answer {cell!r} of {kind!r} is the number of a"
                " button, the first is 0; say what each is by --value 0=MEANING --value 1=MEANING"
            )
