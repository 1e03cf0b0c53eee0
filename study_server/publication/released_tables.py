"""The tables that a release holds, by what the trials of its study showed, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from study_server import comparisons
from study_server.errors import StudyError
from study_server.judgments import COLUMNS, DETECTION_COLUMNS, DETECTIONS, RATING_COLUMNS, RATINGS
from study_server.study_record import StudyRecord
from study_server.trial_kinds import question_in_words

# Rater numbers are in order of arrival, and times tell when somebody sat at a screen.
LEFT_OUT = ("session_id", "trial_id", "answered_at")
PSEUDONYM = ("string", "", "the rater, under a pseudonym drawn for this release")
BESIDE = {
    "reference": " with the real photo between them",
    "input": " with the low-resolution input between them",
}


@dataclass(frozen=True)
class Table:
    """One kind of table: its file in the export, its columns in a release, its kind as a tag."""

    file: str
    columns: Mapping[str, tuple[str, str, str]]
    tag: str
    rows: str  # what the rows are: "judgments"

    @property
    def stem(self) -> str:
        """Return the name of the table in a release."""
        return self.file.removesuffix(".csv")

    @property
    def parquet(self) -> str:
        """Return the path of its Parquet file in a release."""
        return f"parquet/{self.stem}.parquet"


def _released(columns: Mapping[str, tuple[str, str, str]]) -> dict[str, tuple[str, str, str]]:
    kept = {name: about for name, about in columns.items() if name not in LEFT_OUT}
    return kept | {"rater_id": PSEUDONYM}


TABLES = {
    "real-or-model": Table("judgments.csv", _released(COLUMNS), "2afc", "judgments"),
    "preference": Table(
        comparisons.TABLE, _released(comparisons.COLUMNS), "preference", "comparisons"
    ),
    "single": Table(DETECTIONS, _released(DETECTION_COLUMNS), "real-or-fake", "judgments"),
}


FURTHER = {
    "real-or-model": replace(TABLES["preference"], tag="2afc", rows="answers to further questions"),
    "single": Table(RATINGS, _released(RATING_COLUMNS), "real-or-fake", "ratings"),
}


def tables_of(study: StudyRecord, where: str) -> tuple[Table, ...]:
    """Return the tables of an export, the one of its trials first.

    What was asked besides which is real stands in a second one: of a photo and an output, or of a
    single image. Raises `StudyError` for a kind of trial that is not known.
    """
    kind = study.trial or "real-or-model"
    if kind not in TABLES:
        raise StudyError(f"{where}: its trials are {kind!r}, expected {', '.join(TABLES)}")
    further = kind in FURTHER and len(study.questions) > 1
    return (TABLES[kind], FURTHER[kind]) if further else (TABLES[kind],)


def in_a_sentence(study: StudyRecord, rows: int, raters: int) -> str:
    """Return a released data set in a sentence."""
    models = ", ".join(study.conditions)
    if study.trial == "preference":
        asked = len(study.questions)
        row = "one row per trial" if asked == 1 else f"one row per question ({asked}) of a trial"
        return f"{rows} comparisons by {raters} raters of the outputs of {models}; {row}."
    if study.trial == "single":
        return (
            f"{rows} judgments of {raters} raters on single images, real photos and outputs of"
            f" {models}; one row per trial."
        )
    return (
        f"{rows} judgments of {raters} raters on images of {models} beside real photos; one row per"
        " trial."
    )


def how_it_was_made(study: StudyRecord) -> str:
    """Return what a trial showed and asked, in some sentences."""
    asked = " ".join(
        f"Question `{question['id']}`: {question_in_words(question)}."
        for question in study.questions
    )
    if study.trial == "preference":
        beside = BESIDE.get(study.view.get("beside") or "", "")
        prompted = ", under a text prompt" if study.view.get("prompt") else ""
        return (
            f"In each trial a rater saw the outputs of two models for the same item{beside}"
            f"{prompted}, and answered. {asked}"
        )
    if study.trial == "single":
        share = study.design.get("made_share", 0.5)
        return (
            "In each trial a rater saw one image, a real photo or a model's output, and said which"
            f" it is; the share of outputs was {share:g}. {asked}"
        )
    tasks = ", ".join(study.tasks)
    return (
        "In each trial a rater saw a real photo beside a model's output of the same item and picked"
        f" the one that they thought real. Tasks: {tasks}." + (f" {asked}" if asked else "")
    )
