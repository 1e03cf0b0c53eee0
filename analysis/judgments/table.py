"""Judgments as a table: a strict reading of judgments.csv.

Required columns: ``rater_id, item_id, condition, fooled`` (1 = the model's output was picked, 0 =
the real image, empty = skipped). Optional ones are checked where they are known (``task``,
``kind``, ``excluded``, ``simulated``) and kept as text otherwise. Text identifiers stay text:
rater ``007`` is not rater ``7``, and a rater called ``NA`` exists.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.errors import DesignError, TableError
from analysis.judgments.contradictions import refuse_other_side
from analysis.judgments.csv_text import line_of, read_text_table, refuse_near_columns
from analysis.judgments.detections import detections_in, read_detections
from analysis.judgments.ids import drawn, look_alikes, shown, written_twice
from analysis.numerals import counted
from generators.foreign_text import as_meant

REQUIRED = ("rater_id", "item_id", "condition", "fooled")
OPTIONAL = (
    *("study_id", "session_id", "trial_id", "position", "kind", "task", "model_side", "choice"),
    *("rt_ms", "exposure_ms", "answered_at", "excluded", "simulated"),
)
FACTORS = ("rater_id", "item_id", "condition", "task", "kind", "study_id", "session_id")
KINDS = ("main", "practice", "catch")
NUMBERS = ("rt_ms", "exposure_ms", "position")
FOOLED = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "": np.nan}
FLAGS = {
    "": False,
    "0": False,
    "false": False,
    "False": False,
    "1": True,
    "true": True,
    "True": True,
}
TRUE = tuple(text for text, value in FLAGS.items() if value)


def read_judgments(path: Path | str) -> pd.DataFrame:
    """Return the judgments of a CSV file or an export folder, one row per trial, checked.

    A file of detections (`analysis.judgments.detections`) becomes judgments of single images.

    Columns: ``rater_id``, ``item_id``, ``condition``, ``task``, ``kind`` categorical; ``fooled``
    float (0, 1, NaN = skipped); ``excluded`` and ``simulated`` bool; ``rt_ms``, ``exposure_ms`` and
    ``position`` float; every other column text. ``task`` is ``""`` and ``kind`` ``"main"`` where
    the file has no such column. ``.attrs["source"]`` holds the path.

    Raises
    ------
    TableError
        A required column is missing (the closest match is named), ``fooled`` is not 0, 1 or empty,
        an identifier is empty, only some rows have a task, ``fooled`` is not what ``choice`` and
        ``model_side`` say, or a judgment is there twice.
    """
    path = Path(path)
    path = path / "judgments.csv" if (path / "judgments.csv").is_file() else path
    detections = detections_in(path)
    path = detections or path
    table = read_text_table(path) if detections is None else read_detections(path)
    for column in FACTORS:
        if column in table and table[column].str.startswith("'").any():
            table[column] = table[column].map(as_meant)  # ids that a spreadsheet would have run
    return check_judgments(table, path.name, str(path)).reset_index(drop=True)


def check_judgments(table: pd.DataFrame, name: str, source: str = "") -> pd.DataFrame:
    """Return a raw table of judgments typed and checked; `name` is what messages call it."""
    _require_columns(table, name)
    refuse_near_columns(table.columns, (*REQUIRED, *OPTIONAL), name)
    out = table.copy(deep=False)
    for column, default in (("task", ""), ("kind", "main")):
        if column not in out:
            out[column] = pd.Categorical([default]).repeat(len(out))
    for column in FACTORS:
        if column in out:
            out[column] = _factor(out[column])
    for column in ("rater_id", "item_id", "condition"):
        _refuse_empty(out[column], column, name)
        refuse_spellings(out[column].cat.categories, column, name)
    out["kind"] = _kinds(out["kind"], name)
    out["fooled"] = _mapped(out["fooled"], FOOLED, "fooled", "0, 1 or empty (skipped)", name)
    for column in ("excluded", "simulated"):
        if column in out:
            values = _mapped(out[column], FLAGS, column, "0, 1 or empty", name)
            out[column] = values.astype(bool)
        else:
            out[column] = False
    for column in NUMBERS:
        if column in out:
            out[column] = _numbers(out[column], column, name)
    refuse_other_side(out, name)
    _refuse_mixed_tasks(out, name)
    _refuse_shared_raters(out, name)
    _refuse_duplicates(out, name)
    out.attrs["source"] = source
    return out


def alike_ids(judgments: pd.DataFrame) -> list[str]:
    """Return a sentence for each column whose ids include some that look alike, as raters' may not.

    Images and conditions may differ in case only; if they are one, each half counts as another.
    """
    out = []
    for column in ("condition", "item_id"):
        groups = look_alikes(map(str, judgments[column].cat.categories), drawn)
        if groups:
            more = f" ({len(groups)} such groups)" if len(groups) > 1 else ""
            them = f"{shown(groups[0][0])} and {shown(groups[0][1])}"
            out.append(
                f"{column} {them} look alike{more} and count as different;"
                " `analysis import --look-alikes one` makes them one"
            )
    return out


def main_trials(judgments: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of main trials that are not marked excluded, skips included."""
    return judgments[(judgments["kind"] == "main") & ~judgments["excluded"]]


def cells(
    judgments: pd.DataFrame, by: Sequence[str] = ()
) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """Yield ({condition, task, **group}, rows) of the main trials, sorted by those names."""
    rows = main_trials(judgments)
    absent = [column for column in by if column not in rows]
    if absent:
        raise TableError(
            f"no column {absent[0]!r} to group by, found {', '.join(map(str, rows.columns))}"
        )
    if rows.empty:
        raise TableError(
            "no judgment of a main trial is left, expected at least one:"
            " nobody has answered, or everybody is excluded"
        )
    columns = ["condition", "task", *by]
    for values, part in rows.groupby(columns, observed=True, sort=True):
        yield dict(zip(columns, map(str, values), strict=True)), part


def known_conditions(asked: Sequence[str], names: Collection[str]) -> None:
    """Raise `DesignError` where a condition that was asked for is not in the judgments."""
    strangers = [name for name in asked if name not in names]
    if strangers:
        raise DesignError(f"no condition {strangers[0]!r}, found {', '.join(sorted(names))}")


def _require_columns(table: pd.DataFrame, name: str) -> None:
    present = [str(column) for column in table.columns]
    missing = [column for column in REQUIRED if column not in present]
    if not missing:
        return
    spare = [column for column in present if column not in (*REQUIRED, *OPTIONAL)]
    near = difflib.get_close_matches(missing[0], spare, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    also = f" (nor {', '.join(missing[1:])})" if missing[1:] else ""
    raise TableError(
        f"{name}: no column {missing[0]!r}{also}, found {', '.join(present)}{hint}"
        " (`analysis import --map` renames columns)"
    )


def _factor(column: pd.Series) -> pd.Series:
    """Return a column as a categorical of text with sorted categories.

    Sorted, so that no result depends on the order of rows.
    """
    values = column if _is_text_factor(column) else _text(column).astype("category")
    values = values.cat.remove_unused_categories()
    return values.cat.reorder_categories(sorted(values.cat.categories))


def _is_text_factor(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype) and all(
        isinstance(category, str) for category in column.cat.categories
    )


def _text(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.StringDtype) and not column.hasnans:
        return column
    return column.astype("object").where(column.notna(), "").astype(str)


def _refuse_empty(column: pd.Series, label: str, name: str) -> None:
    empty = (column == "") | column.isna()
    if empty.any():
        line = line_of(column, np.flatnonzero(empty.to_numpy())[0])
        raise TableError(
            f"{name}: line {line}: {label} is empty ({counted(int(empty.sum()), 'row')})"
        )


def refuse_spellings(ids: Iterable[str], label: str, name: str) -> None:
    """Refuse two ids that differ in nothing one can see, and raters that differ in case only.

    Raises `TableError` with the two.
    """
    ids = list(ids)
    twice = written_twice(ids)
    if twice is None and label == "rater_id":
        twice = next(((one, two) for one, two, *_ in look_alikes(ids, drawn)), None)
    if twice is not None:
        raise TableError(
            f"{name}: {label} {shown(twice[0])} and {shown(twice[1])} look the same: one or two?"
            " `analysis import` makes them one (--look-alikes)"
        )


def _kinds(column: pd.Series, name: str) -> pd.Series:
    wrong = [kind for kind in column.cat.categories if kind not in (*KINDS, "")]
    if wrong:
        raise TableError(f"{name}: kind is {wrong[0]!r}, expected main, practice or catch")
    return column.cat.rename_categories({"": "main"}) if "" in column.cat.categories else column


def _mapped(
    column: pd.Series,
    allowed: dict[str, float] | dict[str, bool],
    label: str,
    expected: str,
    name: str,
) -> pd.Series:
    """Return a text or number column mapped value by value; an unknown value is an error."""
    factor = _factor(column)
    values = {category: allowed.get(category) for category in factor.cat.categories}
    wrong = [category for category, value in values.items() if value is None]
    if wrong:
        line = line_of(column, np.flatnonzero((factor == wrong[0]).to_numpy())[0])
        raise TableError(f"{name}: line {line}: {label} is {wrong[0]!r}, expected {expected}")
    lookup = np.array([values[category] for category in factor.cat.categories])
    return pd.Series(lookup[factor.cat.codes.to_numpy()], index=column.index, dtype="float64")


def _numbers(column: pd.Series, label: str, name: str) -> pd.Series:
    text = _text(column)
    values = pd.to_numeric(text.replace("", "nan"), errors="coerce").astype("float64")
    no_number = (values.isna() & ~text.isin(["", "nan"])) | np.isinf(values)
    for wrong, expected in ((no_number, "a number"), (values < 0, "0 or more")):
        if wrong.any():
            row = int(np.flatnonzero(wrong.to_numpy())[0])
            raise TableError(
                f"{name}: line {line_of(column, row)}: {label} is {text.iloc[row]!r},"
                f" expected {expected}"
            )
    return values


def _refuse_mixed_tasks(table: pd.DataFrame, name: str) -> None:
    tasks = list(table["task"].cat.categories)
    if "" in tasks and len(tasks) > 1:
        count = int((table["task"] == "").sum())
        raise TableError(
            f"{name}: {count} of {len(table)} rows have no task while others have"
            f" {', '.join(task for task in tasks if task)}; expected a task in every row or in none"
        )


def _refuse_shared_raters(table: pd.DataFrame, name: str) -> None:
    """Refuse raters whose ids stand in several studies: every export counts from r0001."""
    if "study_id" not in table or len(table["study_id"].cat.categories) < 2:
        return
    studies = table.groupby("rater_id", observed=True)["study_id"].nunique()
    shared = studies.index[studies > 1]
    if len(shared):
        found = table.loc[table["rater_id"] == shared[0], "study_id"].unique()
        raise TableError(
            f"{name}: rater {str(shared[0])!r} is in the studies {str(found[0])!r} and"
            f" {str(found[1])!r} ({counted(len(shared), 'such rater')}): one person or two? Give"
            " `report` the exports apart, which counts two, or empty study_id where it is one"
        )


def _refuse_duplicates(table: pd.DataFrame, name: str) -> None:
    """Refuse two judgments of one rater on one item, condition and task.

    Rows that differ in ``trial_id`` or study are repeats that the study asked for.
    """
    key = np.zeros(len(table), dtype=np.int64)
    for column in ("rater_id", "item_id", "condition", "task", "kind", "study_id"):
        if column in table:
            codes = table[column].cat.codes.to_numpy().astype(np.int64)
            key = key * (int(codes.max(initial=0)) + 1) + codes
    twice = pd.Series(key, index=table.index).duplicated(keep=False)
    if not twice.any():
        return
    if "trial_id" in table:
        repeated = table.loc[twice, ["rater_id", "item_id", "condition", "task", "trial_id"]]
        twice = repeated.astype(str).duplicated(keep=False).reindex(table.index, fill_value=False)
        if not twice.any():
            return
    row = int(np.flatnonzero(twice.to_numpy())[0])
    first = table.iloc[row]
    raise TableError(
        f"{name}: line {line_of(table, row)}: rater {first['rater_id']!r} judged item"
        f" {first['item_id']!r} in condition {first['condition']!r} more than once"
        f" ({int(twice.sum())} rows); expected one row each, or a trial_id that tells them apart"
    )
