"""Direct comparisons of two models as a table: a strict reading of a rank file.

Columns: ``rater_id, item_id, model_a, model_b, choice`` with choice a, b or tie; empty = skipped.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.errors import TableError
from analysis.judgments.csv_text import read_text_table
from analysis.judgments.table import refuse_spellings
from study_server.judgments import as_meant

COLUMNS = ("rater_id", "item_id", "model_a", "model_b", "choice")
UNKNOWN = "unknown"
CHOICES = {"a": 1.0, "b": 0.0, "tie": 0.5}


@dataclass(frozen=True)
class Duels:
    """Answered comparisons of two different models, and what was left out.

    ``table`` has the text columns of the file and ``score``: 1 = a chosen, 0 = b, ½ = tie.
    ``raters_unknown``: the file says `UNKNOWN` in place of every rater.
    """

    table: pd.DataFrame
    skipped: int
    self_comparisons: int
    simulated: bool
    raters_unknown: bool = False


def read_duels(path: Path | str) -> Duels:
    """Return the comparisons of a CSV file.

    Raises
    ------
    TableError
        A column is missing (the closest match is named), an identifier is empty or ``choice`` is
        not a, b, tie or empty.
    """
    path = Path(path)
    return check_duels(read_text_table(path), path.name)


def check_duels(table: pd.DataFrame, name: str) -> Duels:
    """Return a raw table of text as comparisons, checked; `name` is what messages call it."""
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        found = [str(column) for column in table.columns]
        near = difflib.get_close_matches(missing[0], found, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise TableError(
            f"{name}: no column {missing[0]!r}, found {', '.join(found)}{hint}"
            " (`analysis import --duels` maps columns)"
        )
    for column in COLUMNS[:-1]:
        table[column] = table[column].map(as_meant)  # ids that a spreadsheet would have run
        empty = table.index[table[column] == ""]
        if len(empty):
            raise TableError(f"{name}: line {empty[0] + 2}: {column} is empty")
    for column in ("rater_id", "item_id"):
        refuse_spellings(table[column].unique(), column, name)
    models = {*table["model_a"], *table["model_b"]}
    refuse_spellings(models, "model", name)
    wrong = table.index[~table["choice"].isin([*CHOICES, ""])]
    if len(wrong):
        value = table.loc[wrong[0], "choice"]
        raise TableError(
            f"{name}: line {wrong[0] + 2}: choice is {value!r}, expected a, b, tie or empty"
            " (`analysis import --duels` reads other words)"
        )
    simulated = "simulated" in table and bool((table["simulated"] == "1").any())
    answered = table[table["choice"] != ""]
    kept = answered[answered["model_a"] != answered["model_b"]].reset_index(drop=True)
    if kept.empty:
        raise TableError(f"{name}: no answered comparison of two different models")
    kept = kept.assign(score=kept["choice"].map(CHOICES).astype(float))
    unknown = bool((kept["rater_id"] == UNKNOWN).all())
    return Duels(kept, len(table) - len(answered), len(answered) - len(kept), simulated, unknown)
