"""ratings.csv: what raters said of single images on scales, beside which of them are real.

The real photos become the condition ``real``, as they do in `detections`; ratings are read by
themselves and are no part of the detections' statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.errors import TableError
from analysis.judgments.contradictions import refuse_other_trials
from analysis.judgments.csv_text import line_of, read_text_table, refuse_near_columns
from analysis.judgments.table import FLAGS, KINDS, TRUE, read_judgments
from generators.foreign_text import as_meant
from study_server.judgments import RATINGS
from study_server.judgments import REQUIRED_OF_RATINGS as REQUIRED
from study_server.questions import options_in
from study_server.study_record import StudyRecord
from study_server.trial_kinds import MADE, REAL


@dataclass(frozen=True)
class Asked:
    """A question with a scale: its id, its words in English, and value -> words of its answers."""

    id: str
    words: str
    scale: str  # ordinal: the answers score 1, 2, … in this order; nominal
    options: dict[str, str]

    @property
    def ordinal(self) -> bool:
        """Return whether its answers have scores."""
        return self.scale == "ordinal"


@dataclass(frozen=True)
class Ratings:
    """Every row of a ratings.csv as checked text, and the questions that its study asked.

    The table has the file's columns, ``condition`` (a model, or ``real``), ``kind``, ``excluded``
    and ``simulated`` whatever the file has.
    """

    table: pd.DataFrame
    asked: tuple[Asked, ...]


def further_ratings(file: Path, study: StudyRecord) -> Ratings | None:
    """Return how a study's single images were rated, None where it asked nothing of the kind.

    ``file`` is the export's folder or its detections.csv.

    Raises
    ------
    TableError
        The table is missing, or a column of it; a question or rating is not one of study.json's, a
        score is not the rating's place in its scale, truth and model do not fit, or the detections
        beside the table do not hold the same trials.
    """
    asked = _asked(study)
    if not asked:
        return None
    path = (file if file.is_dir() else file.parent) / RATINGS
    if not path.is_file():
        names = ", ".join(each.id for each in asked)
        raise TableError(f"{path}: no such file, expected the ratings of {names} (study.json)")
    table = _checked(read_text_table(path), path.name, asked)
    judgments = read_judgments(file)
    refuse_other_trials(table, judgments, path.name, Path(judgments.attrs["source"]).name, TRUE)
    return Ratings(table.reset_index(drop=True), asked)


def _asked(study: StudyRecord) -> tuple[Asked, ...]:
    found = []
    for question in study.questions:
        options = options_in(question)
        if study.trial == "single" and options:
            wording = question.get("wording") or {}
            words = wording.get("en") or next(iter(wording.values()), "")
            found.append(Asked(str(question["id"]), words, str(question.get("scale")), options))
    return tuple(found)


def _checked(table: pd.DataFrame, name: str, asked: tuple[Asked, ...]) -> pd.DataFrame:
    missing = [column for column in REQUIRED if column not in table]
    if missing:
        found = ", ".join(map(str, table.columns))
        raise TableError(f"{name}: no column {missing[0]!r}, found {found}")
    for column in ("rater_id", "item_id", "model"):
        table[column] = table[column].map(as_meant)  # ids that a spreadsheet would have run
    defaults = {"kind": "main", "excluded": "0", "simulated": "0"}
    refuse_near_columns(table.columns, (*REQUIRED, *defaults, "trial_id"), name)
    table = table.assign(**{key: text for key, text in defaults.items() if key not in table})
    real = table["truth"] == REAL
    _refuse(~table["truth"].isin([REAL, MADE]), table, "truth", f"{REAL} or {MADE}", name)
    _refuse(~table["kind"].isin(KINDS), table, "kind", ", ".join(KINDS), name)
    for column in ("excluded", "simulated"):
        _refuse(~table[column].isin(list(FLAGS)), table, column, "0, 1 or empty", name)
    _refuse(real & (table["model"] != ""), table, "model", "none where truth is real", name)
    wrong = ~real & table["model"].isin(["", REAL])
    _refuse(wrong, table, "model", "the model's name where truth is made", name)
    _refuse(table["rater_id"] == "", table, "rater_id", "a rater", name)
    _refuse(table["item_id"] == "", table, "item_id", "an image", name)
    ids = [each.id for each in asked]
    _refuse(~table["question"].isin(ids), table, "question", " or ".join(ids), name)
    for each in asked:
        _check_answers(table, each, name)
    trial = ["trial_id"] if "trial_id" in table else ["item_id", "model", "kind"]
    twice = table.duplicated(["rater_id", *trial, "question"])
    _refuse(twice, table, "question", "each question of a trial once", name)
    return table.assign(condition=table["model"].where(~real, REAL))


def _check_answers(table: pd.DataFrame, asked: Asked, name: str) -> None:
    mine = table["question"] == asked.id
    values = list(asked.options)
    expected = f"{', '.join(values)} or empty (skipped)"
    _refuse(mine & ~table["rating"].isin([*values, ""]), table, "rating", expected, name)
    places = {value: str(place) for place, value in enumerate(values, start=1)}
    scores = table["rating"].map(lambda said: places.get(said, "") if asked.ordinal else "")
    wrong = mine & (table["score"] != scores)
    if wrong.any():
        at = int(wrong.to_numpy().argmax())
        said = f"{scores.iloc[at] or 'empty'} for the rating {table['rating'].iloc[at]!r}"
        _refuse(wrong, table, "score", f"{said} of {asked.id}", name)


def _refuse(wrong: pd.Series, table: pd.DataFrame, column: str, expected: str, name: str) -> None:
    """Raise `TableError` for the first row that is wrong."""
    if wrong.any():
        at = int(wrong.to_numpy().argmax())
        value = table[column].iloc[at]
        raise TableError(
            f"{name}: line {line_of(table, at)}: {column} is {value!r}, expected {expected}"
        )
