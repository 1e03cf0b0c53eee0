"""detections.csv: what raters said of single images, as judgments of models and real photos.

The real photos become the condition ``real``, and ``fooled`` says that an image was called real:
the form in which single images are analysed (`analysis.comparisons.real_or_fake`).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analysis.errors import TableError
from analysis.judgments.contradictions import refuse_other_value
from analysis.judgments.csv_text import line_of, read_text_table, refuse_near_columns
from analysis.numerals import counted
from study_server.judgments import ANSWERS, DETECTIONS
from study_server.judgments import REQUIRED_OF_DETECTIONS as REQUIRED
from study_server.trial_kinds import MADE, REAL

SAID_REAL = {REAL: "1", MADE: "0", "": ""}


def detections_in(path: Path) -> Path | None:
    """Return the file of detections that a path is, or that an export folder holds; else None."""
    if path.is_dir():
        found = path / DETECTIONS
        return found if found.is_file() and not (path / "judgments.csv").is_file() else None
    if not path.is_file():
        return None
    with path.open("rb") as lines:
        header = lines.readline(65536).decode("utf-8", "replace")
    names = {name.strip().strip('"\ufeff') for name in header.split(",")}
    return path if {"truth", "answer"} <= names and "fooled" not in names else None


def read_detections(file: Path) -> pd.DataFrame:
    """Return a file of detections as a raw table of judgments.

    Raises
    ------
    TableError
        A required column is missing, truth is not real or made, an answer is neither of them nor
        empty, ``correct`` is not what the two say, a model has the name of the real photos, or a
        real photo is said to be a model's.
    """
    table = read_text_table(file)
    missing = [name for name in REQUIRED if name not in table]
    if missing:
        found = ", ".join(map(str, table.columns))
        raise TableError(f"{file.name}: no column {missing[0]!r}, found {found}")
    refuse_near_columns(table.columns, (*REQUIRED, "model", "side"), file.name)
    _one_of(table["truth"], (REAL, MADE), file.name)
    _one_of(table["answer"], ANSWERS, file.name)
    text = {name: table[name].astype(str) for name in ("truth", "answer")}
    if "correct" in table:
        meant = (text["answer"] == text["truth"]).map({True: "1", False: "0"})
        said = table["correct"].isin(["0", "1"]) & (text["answer"] != "")
        refuse_other_value(table, "correct", meant.where(said).rename("answer"), file.name)
    real = text["truth"] == REAL
    unnamed = pd.Series(MADE, table.index).where(~real, "")
    models = table["model"].astype(str) if "model" in table else unnamed
    _refuse_models(models, real, file.name)
    out = table.assign(
        condition=models.where(~real, REAL),
        fooled=text["answer"].map(SAID_REAL),
    )
    return out.rename(columns={"side": "choice"})


def _one_of(column: pd.Series, expected: tuple[str, ...], name: str) -> None:
    wrong = ~column.astype(str).isin(expected)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        words = " or ".join(each or "empty (skipped)" for each in expected)
        raise TableError(
            f"{name}: line {line_of(column, row)}: {column.name} is {column.iloc[row]!r},"
            f" expected {words} ({counted(int(wrong.sum()), 'row')})"
        )


def _refuse_models(models: pd.Series, real: pd.Series, name: str) -> None:
    for wrong, what in (
        (
            ~real & (models == REAL),
            "model is 'real', the real photos' name, expected another",
        ),
        (~real & (models == ""), "model is empty, expected its name where truth is made"),
        (real & ~models.isin(["", REAL]), "model names one, expected it empty where truth is real"),
    ):
        if wrong.any():
            line = line_of(wrong, wrong.to_numpy().argmax())
            raise TableError(f"{name}: line {line}: {what}")
