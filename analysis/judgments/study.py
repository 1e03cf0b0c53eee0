"""What a study declared before its data: the one reader of the study.json beside an export's files.

A command's option that is left out takes the declared value, and then its default; one that differs
from what was declared is told, because it was chosen after the data could be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.errors import DesignError, TableError
from analysis.judgments.detections import detections_in
from analysis.judgments.rules import given_rules
from study_server.errors import StudyError
from study_server.study_record import STUDY, StudyRecord, read_study_record
from study_server.trial_kinds import REAL

FIELDS = {
    "estimand": "estimand",
    "alpha": "alpha",
    "margin": "equivalence_margin",
    "correction": "correction",
    "family": "family",
    "rules": "exclusions",
    "real": "real_condition",
}  # option -> field of study.json


@dataclass(frozen=True)
class DeclaredAnalysis:
    """The analysis that was fixed in advance; the defaults stand where nothing was declared."""

    estimand: str = "population"
    alpha: float = 0.05
    margin: float = 0.05
    correction: str = "holm"
    family: tuple[str, ...] = ()  # conditions to test; all of them when empty
    rules: dict[str, Any] = field(default_factory=dict)  # rater rule -> limit
    real: str | None = None  # the real photos of a study of single images


def read_study(file: Path) -> StudyRecord:
    """Return the study.json in a file's folder, or in the folder given; an empty one without it.

    A file of detections declares its real photos by itself. Raises `TableError` for a study.json
    that is not one, or whose rules about raters are not.
    """
    path = (file if file.is_dir() else file.parent) / STUDY
    try:
        found = read_study_record(path) if path.is_file() else StudyRecord()
        given_rules(found.exclusions)
    except StudyError as error:
        raise TableError(str(error)) from None
    except DesignError as error:
        raise TableError(f"{path}: exclusions: {error}") from None
    if found.real_condition is None and detections_in(file):
        return found.model_copy(update={"real_condition": REAL})
    return found


def declared_options(study: StudyRecord) -> dict[str, Any]:
    """Return option -> declared value for what the study declares."""
    found = {option: getattr(study, name) for option, name in FIELDS.items()}
    return {option: value for option, value in found.items() if value not in (None, [], {})}


def shortfall(rows: int, study: StudyRecord) -> str:
    """Return that a table has fewer or more judgments than its export counted; "" where as many."""
    if study.judgments is None or rows == study.judgments:
        return ""
    return (
        f"the table holds {rows} judgments, study.json beside it counts {study.judgments}:"
        " a part was taken out, cut off or added since the export"
    )


def run_digests(study: StudyRecord) -> dict[str, str]:
    """Return condition -> digest of the run that raters saw, where study.json has one."""
    return {name: run.run_digest for name, run in study.conditions.items() if run.run_digest}


def settled(file: Path, options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the options with declared values and defaults filled in, and what to tell."""
    declared = declared_options(read_study(file))
    defaults = vars(DeclaredAnalysis())
    out, notes = dict(options), []
    for name in FIELDS.keys() & options.keys():
        given = options[name]
        if given in (None, (), {}):
            out[name] = declared.get(name, defaults[name])
        elif name in declared and _plain(declared[name]) != _plain(given):
            notes.append(f"note: study.json declares {name} {declared[name]}, here it is {given}")
    out |= {name: tuple(out[name]) for name in ("family",) if name in out}
    return out, sorted(notes)


def _plain(value: Any) -> Any:
    """Return a value in a form in which what was declared and what was given compare."""
    if isinstance(value, dict):
        return {name: float(each) for name, each in value.items()}
    return list(value) if isinstance(value, tuple | list) else value
