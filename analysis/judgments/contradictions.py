"""Columns and tables that say one thing twice: where they disagree, one was edited alone.

Which of them is right cannot be known, and each number would be made of the one that it reads.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from analysis.errors import TableError
from analysis.judgments.csv_text import line_of
from analysis.numerals import counted

SIDES = ("left", "right")


def refuse_other_side(table: pd.DataFrame, name: str) -> None:
    """Refuse a judgment whose ``fooled`` is not what ``choice`` and ``model_side`` make of it.

    Nothing is compared where a side is not left or right, or the trial was skipped.

    Raises
    ------
    TableError
        With the first such line, and how many there are.
    """
    if "choice" not in table or "model_side" not in table:
        return
    choice, side, fooled = table["choice"], table["model_side"], table["fooled"]
    known = choice.isin(SIDES) & side.isin(SIDES) & fooled.notna()
    wrong = (known & ((choice == side) != (fooled == 1))).to_numpy()
    if not wrong.any():
        return
    row = int(wrong.argmax())
    told = int(fooled.iloc[row])
    every = wrong.sum() == known.sum()
    hint = "; does choice name the image that was taken for the model's?" if every else ""
    raise TableError(
        f"{name}: line {line_of(table, row)}: fooled is {told} where choice is"
        f" {choice.iloc[row]!r} and model_side {side.iloc[row]!r}, expected {1 - told}"
        f" ({counted(int(wrong.sum()), 'row')}){hint}"
    )


def refuse_other_value(table: pd.DataFrame, column: str, meant: pd.Series, name: str) -> None:
    """Refuse a text column that differs from what another says; ``meant`` is missing where unsaid.

    Raises `TableError` with the first such line.
    """
    wrong = (meant.notna() & (table[column] != meant)).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise TableError(
            f"{name}: line {line_of(table, row)}: {column} is {table[column].iloc[row]!r} where"
            f" {meant.name} says {meant.iloc[row]!r} ({counted(int(wrong.sum()), 'row')})"
        )


def refuse_other_trials(
    answers: pd.DataFrame, judgments: pd.DataFrame, name: str, beside: str, yes: Collection[str]
) -> None:
    """Refuse answers to trials that the judgments beside them do not hold, and judgments without.

    A trial is the same in both by its rater, image, condition and kind, by its ``trial_id`` where
    both have one, and by whether it is excluded; ``yes`` are the words of a raised flag.

    Raises
    ------
    TableError
        With the first line that has no such trial, or a trial that has no line.
    """
    key = ["rater_id", "item_id", "condition", "kind"]
    key += ["trial_id"] if "trial_id" in answers and "trial_id" in judgments else []
    mine = answers[key].astype(str).assign(excluded=answers["excluded"].isin(yes))
    theirs = judgments[key].astype(str).assign(excluded=judgments["excluded"].astype(bool))
    here, there = pd.MultiIndex.from_frame(mine), pd.MultiIndex.from_frame(theirs)
    strange, without = ~here.isin(there), ~there.isin(here)
    if strange.any():
        row = int(np.argmax(strange))
        raise TableError(
            f"{name}: line {line_of(answers, row)}: {_told(mine.iloc[row])} is not in {beside}"
            f" beside it ({counted(int(strange.sum()), 'such row')}); expected the same trials"
        )
    if without.any():
        raise TableError(
            f"{name}: {_told(theirs.iloc[int(np.argmax(without))])} is in {beside} beside it, and"
            f" not here ({counted(int(without.sum()), 'such trial')}); expected the same trials"
        )


def _told(trial: pd.Series) -> str:
    number = f", trial {trial['trial_id']!r}" if "trial_id" in trial else ""
    kept = "excluded" if trial["excluded"] else "not excluded"
    return (
        f"rater {trial['rater_id']!r} on item {trial['item_id']!r} of {trial['condition']!r}"
        f" ({trial['kind']}{number}, {kept})"
    )
