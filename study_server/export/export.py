"""The export of a study: judgments.csv, study.json beside it, and everything else that was stored.

A preference study has comparisons.csv in place of judgments.csv: nobody was fooled in it. Where
more is asked of a photo and an output than which is real, comparisons.csv stands beside it. A study
of single images has detections.csv: what its raters got wrong is no fool rate. What they said of
the images on scales stands beside it in ratings.csv.

Rows are ordered by rater and position, both given by the server, so the same judgments make the
same file. No panel id, token or address is ever exported.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from generators.files import utc_now, write_together
from generators.foreign_text import inert
from study_server import comparisons
from study_server.config import StudyFile
from study_server.export.rows import (
    REASONS,
    comparison_rows,
    detection_rows,
    judgment_rows,
    questionnaire_rows,
    rater_id,
    rating_rows,
    reason_rows,
    session_rows,
    viewport_rows,
)
from study_server.judgments import (
    COLUMNS,
    DETECTION_COLUMNS,
    DETECTIONS,
    RATING_COLUMNS,
    RATINGS,
    to_csv,
)
from study_server.questions import rated
from study_server.storage.chain import CHAINED
from study_server.storage.clock import iso
from study_server.storage.database import Database
from study_server.storage.models import (
    Condition,
    Event,
    Judgment,
    RaterSession,
    Study,
    Tombstone,
)
from study_server.studies.states import find_study, study_file
from study_server.study_record import (
    FORMAT_VERSION,
    STUDY,
    StudyRecord,
    study_json,
)
from study_server.trial_kinds import REAL, prompted


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    folder: Path
    table: str  # the file with what was judged
    judgments: int
    raters: int
    files: tuple[str, ...]


def export_study(database: Database, name: str, folder: Path) -> Exported:
    """Write a study's data into a folder and return what was written. Raises `StateError`."""
    with database.reading() as db_session:
        study = find_study(db_session, name)
        file = study_file(study)
        table, columns, rows = _judged(db_session, study, file)
        count = len({row["trial_id"] for row in rows})
        sessions = session_rows(db_session, study)
        files = {
            table: to_csv(rows, columns),
            "sessions.csv": _table(sessions),
            "events.jsonl": _lines(_events(db_session, study)),
            "chain.jsonl": _lines(_chain(db_session, study)),
            "codebook.csv": _table(_codebook(columns)),
            "study.toml": study.file_text,
        }
        if file.further:
            further = comparison_rows(db_session, study, file.further)
            files[comparisons.TABLE] = to_csv(further, comparisons.COLUMNS)
            files["codebook.csv"] = _table(_codebook(comparisons.COLUMNS | columns))
        if rated(file.questions):
            files[RATINGS] = to_csv(rating_rows(db_session, study, file.questions), RATING_COLUMNS)
            files["codebook.csv"] = _table(_codebook(RATING_COLUMNS | columns))
        asked = questionnaire_rows(db_session, study)
        if asked:
            files["questionnaire.csv"] = _table(asked)
        reasons = reason_rows(db_session, study)
        if reasons:
            files[REASONS] = _table(reasons)
        looked = viewport_rows(db_session, study)
        if looked:
            files["viewports.csv"] = _table(looked)
        sidecar = _sidecar(db_session, study, file, count, sessions)
    data = {filename: text.encode() for filename, text in files.items()}
    sidecar["files"] = {name: hashlib.sha256(data[name]).hexdigest() for name in sorted(data)}
    data[STUDY] = study_json(StudyRecord.model_validate(sidecar)).encode()
    write_together({folder / filename: content for filename, content in data.items()})
    raters = len({row["rater_id"] for row in rows})
    return Exported(folder, table, count, raters, (*files, STUDY))


def _judged(
    db_session: Session, study: Study, file: StudyFile
) -> tuple[str, dict[str, tuple[str, str, str]], list[dict[str, Any]]]:
    """Return the name, columns and rows of the table that a study's trials make."""
    if file.design.trial == "preference":
        rows = list(comparison_rows(db_session, study, file.questions))
        return comparisons.TABLE, comparisons.COLUMNS, rows
    if file.design.trial == "single":
        return DETECTIONS, DETECTION_COLUMNS, list(detection_rows(db_session, study))
    return "judgments.csv", COLUMNS, list(judgment_rows(db_session, study))


def _lines(rows: Iterator[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)


def _table(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: inert(cell) for name, cell in row.items()} for row in rows)
    return text.getvalue()


def _events(db_session: Session, study: Study) -> Iterator[dict[str, Any]]:
    query = select(Event).where(Event.study_id == study.id).order_by(Event.id)
    for event in db_session.scalars(query):
        yield {
            "at": iso(event.at),
            "kind": event.kind,
            "rater_id": rater_id(event.rater_number) if event.rater_number else None,
            "detail": json.loads(event.detail),
        }


def _chain(db_session: Session, study: Study) -> Iterator[dict[str, Any]]:
    query = (
        select(Judgment, RaterSession.number)
        .join(RaterSession, RaterSession.id == Judgment.session_id)
        .where(RaterSession.study_id == study.id)
        .order_by(RaterSession.number, Judgment.position)
    )
    for judgment, number in db_session.execute(query):
        fields = {name: getattr(judgment, name) for name in CHAINED}
        yield fields | {"rater": number, "chain": judgment.chain}


def _sidecar(
    db_session: Session,
    study: Study,
    file: StudyFile,
    judgments: int,
    sessions: list[dict[str, Any]],
) -> dict[str, Any]:
    provenance = json.loads(study.provenance)
    single = file.design.trial == "single"
    return {
        "format_version": FORMAT_VERSION,
        "study_id": study.slug,
        "title": study.title,
        "version": study.version,
        "versions": _versions(db_session, study),
        "study_digest": study.digest,
        "state": study.state,
        "created_at": iso(study.created_at),
        "exported_at": utc_now(),
        "simulated": any(row["simulated"] for row in sessions),
        "simulation": _simulation(db_session, study),
        "trial": file.design.trial,
        **({"real_condition": REAL} if single else {}),
        "tasks": list(file.study.tasks) if file.design.trial == "real-or-model" else [],
        "asked": {task: own for task in file.study.tasks if (own := file.study.asks(task))},
        "questions": [question.model_dump(mode="json") for question in file.questions],
        "design": file.design.model_dump(mode="json", exclude={"seed"}),
        "view": {
            "kind": file.images.view,
            "window": list(file.images.window) if file.images.window else None,
            "flicker": file.images.flicker,
            "beside": file.images.beside if file.design.trial == "preference" else None,
            "prompt": prompted(file.images),
        },
        "quota": file.design.raters,
        "estimand": file.analysis.estimand,
        "alpha": file.analysis.alpha,
        "equivalence_margin": file.analysis.equivalence_margin,
        "correction": file.analysis.correction,
        "family": list(file.analysis.family or file.conditions),
        "exclusions": file.use.model_dump(exclude_none=True),
        "pay_rules": file.pay.model_dump(exclude_none=True),
        "conditions": _conditions(db_session, study),
        "reference": provenance["reference"],
        "inputs": provenance["inputs"],
        "software": provenance["versions"] | _software(),
        "judgments": judgments,
        "sessions_started": study.sessions_started,
        "withdrawn": _withdrawn(db_session, study),
        "chain": _heads(db_session, study),
    }


def _versions(db_session: Session, study: Study) -> list[dict[str, Any]]:
    query = select(Study).where(Study.slug == study.slug).order_by(Study.version)
    return [
        {"version": row.version, "study_digest": row.digest, "created_at": iso(row.created_at)}
        for row in db_session.scalars(query)
    ]


def _simulation(db_session: Session, study: Study) -> dict[str, Any] | None:
    query = (
        select(Event.detail)
        .where(Event.study_id == study.id, Event.kind == "simulation")
        .order_by(Event.id.desc())
        .limit(1)
    )
    detail = db_session.scalar(query)
    return json.loads(detail) if detail else None


def _conditions(db_session: Session, study: Study) -> dict[str, dict[str, str]]:
    query = select(Condition).where(Condition.study_id == study.id).order_by(Condition.id)
    return {
        row.name: {"run": row.run_path, "run_digest": row.run_digest, "generator": row.generator}
        for row in db_session.scalars(query)
        if row.role == "judged"
    }


def _withdrawn(db_session: Session, study: Study) -> list[int]:
    query = select(Tombstone.number).where(Tombstone.study_id == study.id)
    return sorted(db_session.scalars(query))


def _heads(db_session: Session, study: Study) -> dict[str, dict[str, Any]]:
    query = (
        select(RaterSession.number, RaterSession.chain_head, RaterSession.position)
        .where(RaterSession.study_id == study.id)
        .order_by(RaterSession.number)
    )
    return {
        rater_id(number): {"head": head, "judgments": count}
        for number, head, count in db_session.execute(query)
    }


def _software() -> dict[str, str]:
    return {name: version(name) for name in ("flask", "sqlalchemy")}


def _codebook(columns: dict[str, tuple[str, str, str]]) -> list[dict[str, str]]:
    return [
        {"column": name, "type": kind, "unit": unit, "meaning": meaning}
        for name, (kind, unit, meaning) in columns.items()
    ]
