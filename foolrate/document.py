"""A report from a DataFrame: the same folder that the command `report` writes from an export."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from analysis.errors import AnalysisError
from analysis.report.build import write_report
from analysis.report.trackers import TRACKERS
from foolrate.images import Scores, checked_scores
from foolrate.people import judgments
from foolrate.tables import NAME, as_text, said_here
from generators.foreign_text import inert
from metrics.scores import PER_IMAGE, SCORES, write_per_image, write_scores
from study_server.study_record import StudyRecord


def report(
    table: pd.DataFrame,
    out: Path | str,
    *,
    title: str = "Judgments of a table",
    scores: Mapping[str, Scores] | None = None,
    runs: Mapping[str, Path | str] | None = None,
    reference: Path | str | None = None,
    real: str | None = None,
    log: str | None = None,
    **declared: Any,
) -> Path:
    """Write the report of a table of judgments to a folder, and return report.html's path.

    ``scores`` is condition -> scores; ``runs`` (condition -> folder) and ``reference`` give the
    pictures. ``log`` names a tracker that gets the report, too: ``wandb``, ``mlflow`` or
    ``tensorboard``; where it is, is printed. ``declared`` are fields of study.json: ``alpha``,
    ``equivalence_margin``, ``correction``, ``estimand``, …. Raises `AnalysisError`.
    """
    if log is not None and log not in TRACKERS:
        raise AnalysisError(f"log is {log!r}, expected one of {', '.join(TRACKERS)}")
    if not isinstance(runs, Mapping | None):
        raise AnalysisError(f"runs is a {type(runs).__name__}, expected condition -> folder")
    place = _folder("out", out)
    shown = {str(name): _folder(f"the run of {name}", run) for name, run in (runs or {}).items()}
    photos = None if reference is None else _folder("reference", reference)
    checked = judgments(table)
    measured = checked_scores(checked, scores) if scores else {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        record = _record({"title": title, **declared})
        (folder / "study.json").write_text(record.model_dump_json(exclude_unset=True))
        text = checked.astype("object").where(checked.notna(), "")
        text.map(inert).to_csv(folder / "judgments.csv", index=False)
        places = {
            name: _score_folder(folder / "scores" / str(number), name, each)
            for number, (name, each) in enumerate(measured.items())
        }
        try:
            return write_report(
                folder,
                place,
                scores=list(places.values()),
                scores_by_name=True,
                runs=shown,
                reference=photos,
                real=as_text(real),
                log=log,
                say=print,
            )
        except AnalysisError as error:
            raise type(error)(_said_here(str(error), folder, places)) from None


def _folder(what: str, given: Any) -> Path:
    if not isinstance(given, str | Path):
        raise AnalysisError(f"{what} is a {type(given).__name__}, expected a folder")
    return Path(given)


def _said_here(words: str, folder: Path, places: Mapping[str, Path]) -> str:
    """Return a sentence of a command about files that are temporary."""
    for condition, place in places.items():
        for path in (place / PER_IMAGE, place / SCORES, place):
            words = words.replace(f"{path}:", f"the scores of {condition!r}:")
    words = words.replace(f"{folder / 'judgments.csv'}:", f"{NAME}:")
    return said_here(words.replace("--run ", "runs= of "))


def _record(fields: dict[str, Any]) -> StudyRecord:
    unknown = sorted(set(fields) - set(StudyRecord.model_fields))
    if unknown:
        raise AnalysisError(f"no field {unknown[0]!r} of study.json, see docs/formats.md")
    try:
        return StudyRecord.model_validate(fields)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise AnalysisError(f"{where} is {fault['input']!r}: {fault['msg']}") from None


def _score_folder(place: Path, condition: str, scores: Scores) -> Path:
    run = scores.file.run.model_copy(update={"name": condition})
    write_scores(place / SCORES, scores.file.model_copy(update={"run": run}))
    if scores.per_image:
        write_per_image(place / PER_IMAGE, scores.per_image)
    return place
