"""Direct comparisons of two models as a table: a strict reading of comparisons.csv.

Columns: ``rater_id, item_id, model_a, model_b, choice`` with choice a, b or tie; empty = skipped.
An export of the study site also says which ``question`` a row answers, of what ``kind`` its trial
was, and what is ``excluded``.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.errors import TableError
from analysis.judgments.contradictions import refuse_other_trials, refuse_other_value
from analysis.judgments.csv_text import read_text_table, refuse_near_columns
from analysis.judgments.table import (
    KINDS,
    TRUE,
    check_judgments,
    read_judgments,
    refuse_spellings,
)
from analysis.numerals import counted
from generators.foreign_text import as_meant
from study_server.comparisons import CATCH
from study_server.comparisons import CHOICES as MEANT
from study_server.comparisons import TABLE as COMPARISONS
from study_server.study_record import StudyRecord
from study_server.trial_kinds import REFERENCE

COLUMNS = ("rater_id", "item_id", "model_a", "model_b", "choice")
DEFAULTS = {"question": "", "kind": "main", "excluded": "0", "simulated": "0", "answer": ""}
UNKNOWN = "unknown"
CHOICES = {"a": 1.0, "b": 0.0, "tie": 0.5}


@dataclass(frozen=True)
class Duels:
    """Answered comparisons of two different models, and what was left out.

    ``table`` has the text columns of the file and ``score``: 1 = a chosen, 0 = b, ½ = tie.
    ``raters_unknown``: the file says `UNKNOWN` in place of every rater. Of the ties, ``both_bad``
    were given as "both are bad".
    """

    table: pd.DataFrame
    skipped: int
    self_comparisons: int
    simulated: bool
    raters_unknown: bool = False
    both_bad: int = 0


def read_duels(path: Path | str) -> Duels:
    """Return the comparisons of a CSV file that asks one question, or of an export folder.

    Raises
    ------
    TableError
        As `read_comparisons`, several questions are asked, or nothing was answered.
    """
    path = Path(path)
    return _of_one_question(read_comparisons(path), path.name)


def check_duels(table: pd.DataFrame, name: str) -> Duels:
    """Return a raw table of text as comparisons, checked; `name` is what messages call it."""
    return _of_one_question(check_comparisons(table, name), name)


def _of_one_question(table: pd.DataFrame, name: str) -> Duels:
    asked = questions(table)
    if len(asked) > 1:
        raise TableError(
            f"{name}: asks {len(asked)} questions ({', '.join(asked)}), expected the rows of one"
        )
    return duels_of(table, name)


def further_answers(file: Path, study: StudyRecord) -> pd.DataFrame | None:
    """Return what a study asked of a photo and an output besides which is real, None for nothing.

    ``file`` is the export's folder or its judgments.csv. Raises `TableError` as `read_comparisons`,
    and where the two tables do not hold the same trials.
    """
    if study.trial != "real-or-model" or len(study.questions) < 2:
        return None
    table = (file if file.is_dir() else file.parent) / COMPARISONS
    if not table.is_file():
        asked = ", ".join(str(each.get("id")) for each in study.questions[1:])
        raise TableError(f"{table}: no such file, expected the answers to {asked} (study.json)")
    answers = read_comparisons(table)
    shown = answers["model_a"].where(answers["model_a"] != REFERENCE, answers["model_b"])
    judgments = read_judgments(file)
    beside = Path(judgments.attrs["source"]).name
    refuse_other_trials(answers.assign(condition=shown), judgments, table.name, beside, TRUE)
    return answers


def read_comparisons(path: Path | str) -> pd.DataFrame:
    """Return every row of a CSV file of comparisons, or of an export folder, as checked text.

    ``question``, ``kind``, ``excluded``, ``simulated`` and ``answer`` are there whatever the file
    has: one question without a name, main trials, nobody left out.

    Raises
    ------
    TableError
        A column is missing (the closest match is named), an identifier is empty, ``choice`` is not
        a, b, tie or empty, or not what ``answer`` says.
    """
    path = Path(path)
    path = path / COMPARISONS if path.is_dir() else path
    return check_comparisons(read_text_table(path), path.name).reset_index(drop=True)


def check_comparisons(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a raw table of text as comparisons, checked; `name` is what messages call it."""
    _require_columns(table, name)
    refuse_near_columns(table.columns, (*COLUMNS, *DEFAULTS, "trial_id"), name)
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
    added = {column: value for column, value in DEFAULTS.items() if column not in table}
    table = table.assign(**added)
    table["kind"] = table["kind"].replace("", "main")
    wrong = table.index[~table["kind"].isin(KINDS)]
    if len(wrong):
        value = table.loc[wrong[0], "kind"]
        expected = ", ".join(KINDS)
        raise TableError(f"{name}: line {wrong[0] + 2}: kind is {value!r}, expected {expected}")
    meant = table["answer"].map(MEANT).rename("answer")
    refuse_other_value(table, "choice", meant, name)
    _refuse_duplicates(table, name)
    return table


def _refuse_duplicates(table: pd.DataFrame, name: str) -> None:
    """Refuse two answers of one rater to one question on one item, shown in the same order.

    A ``trial_id`` tells repeats apart. Where raters are unknown, equal rows may be of several.
    """
    known = table[table["rater_id"] != UNKNOWN]
    key = ["rater_id", "item_id", "model_a", "model_b", "question", "kind"]
    key += [column for column in ("trial_id", "study_id") if column in table]
    twice = known.index[known.duplicated(key)]
    if len(twice):
        row = known.loc[twice[0]]
        raise TableError(
            f"{name}: line {twice[0] + 2}: rater {row['rater_id']!r} compared {row['model_a']!r}"
            f" with {row['model_b']!r} on item {row['item_id']!r} more than once"
            f" ({counted(len(twice), 'row')} too many); expected one row each, or a trial_id that"
            " tells them apart"
        )


def _require_columns(table: pd.DataFrame, name: str) -> None:
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        found = [str(column) for column in table.columns]
        near = difflib.get_close_matches(missing[0], found, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise TableError(
            f"{name}: no column {missing[0]!r}, found {', '.join(found)}{hint}"
            " (`analysis import --duels` maps columns)"
        )


def questions(table: pd.DataFrame) -> list[str]:
    """Return the questions of a table of comparisons, in the order of the file; [""] for one."""
    return [str(name) for name in table["question"].unique()]


def duels_of(table: pd.DataFrame, name: str, question: str | None = None) -> Duels:
    """Return the comparisons of main trials that are not excluded, of one question if it is given.

    Raises `TableError`, with the file's ``name``, where none is answered.
    """
    rows = table if question is None else table[table["question"] == question]
    rows = rows[(rows["kind"] == "main") & ~rows["excluded"].isin(TRUE)]
    answered = rows[rows["choice"] != ""]
    kept = answered[answered["model_a"] != answered["model_b"]].reset_index(drop=True)
    if kept.empty:
        raise TableError(f"{name}: no answered comparison of two different models")
    kept = kept.assign(score=kept["choice"].map(CHOICES).astype(float))
    return Duels(
        table=kept,
        skipped=len(rows) - len(answered),
        self_comparisons=len(answered) - len(kept),
        simulated=bool(table["simulated"].isin(TRUE).any()),
        raters_unknown=bool((kept["rater_id"] == UNKNOWN).all()),
        both_bad=int((kept["answer"] == "bad").sum()),
    )


def as_judgments(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return comparisons as judgments, one row a trial, for the rules about raters.

    A tie is an answer; on a catch trial it has failed, as picking the bad image has. ``choice`` is
    left or right, for a is the side shown first.
    """
    trials = table
    if "trial_id" in table and (table["trial_id"] != "").all():
        trials = table.drop_duplicates(["rater_id", "trial_id"])  # of several questions the first
    bad = trials["choice"].map({"a": "model_a", "b": "model_b"})
    picked = trials["model_a"].where(bad == "model_a", trials["model_b"]).where(bad.notna(), "")
    failed = (picked == CATCH).map({True: "1", False: "0"})
    skipped = trials["choice"] == ""
    unsure = skipped | ((trials["kind"] == "catch") & (trials["choice"] == "tie"))
    sides = trials["choice"].map({"a": "left", "b": "right"}).fillna("")
    made = trials.assign(fooled=failed.where(~unsure, ""), choice=sides)
    # No two rows are repeats: every trial is a condition of its own.
    made = made.assign(condition=[str(row) for row in range(len(made))])
    return check_judgments(made.reset_index(drop=True), name)


def win_table(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return comparisons as judgments of each model: ``fooled`` is 1 where it won, ½ for a tie.

    Each main trial is a row of either model, with the question as its task, so that a model's mean
    is its win share. Practice and catch trials are left out.
    """
    main = table[(table["kind"] == "main") & (table["model_a"] != table["model_b"])]
    if main.empty:
        raise TableError(f"{name}: no comparison of two different models in a main trial")
    points = main["choice"].map(CHOICES).astype(float)
    sides = [
        main.assign(condition=main[column], points=mine)
        for column, mine in (("model_a", points), ("model_b", 1 - points))
    ]
    both = pd.concat(sides, ignore_index=True)
    wanted = ["rater_id", "item_id", "condition", "excluded", "simulated"]
    made = both[wanted].assign(task=both["question"], fooled="", trial_id=both.index.astype(str))
    return check_judgments(made, name).assign(fooled=both["points"])
