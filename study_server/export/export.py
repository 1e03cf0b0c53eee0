"""The export of a study: judgments.csv, study.json beside it, and everything else that was stored.

Rows are ordered by rater and position, both given by the server, so the same judgments make the
same file. No panel id, token or address is ever exported.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from generators.files import file_sha256, utc_now, write_atomically
from study_server.config import StudyFile
from study_server.judgments import COLUMNS, to_csv
from study_server.storage.chain import CHAINED, CHAINED_AT_FIRST, GENESIS, chain_link
from study_server.storage.clock import iso
from study_server.storage.database import Database
from study_server.storage.models import (
    Block,
    Condition,
    Event,
    Item,
    Judgment,
    RaterSession,
    Study,
    Tombstone,
    Trial,
)
from study_server.studies.states import find_study, study_file
from study_server.study_record import (
    FORMAT_VERSION,
    STUDY,
    StudyRecord,
    read_study_record,
    study_json,
)


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    folder: Path
    judgments: int
    raters: int
    files: tuple[str, ...]


def rater_id(number: int) -> str:
    """Return how a rater is called outside: numbered in order of arrival."""
    return f"r{number:04d}"


def export_study(database: Database, name: str, folder: Path) -> Exported:
    """Write a study's data into a folder and return what was written. Raises `StateError`."""
    with database.reading() as db_session:
        study = find_study(db_session, name)
        file = study_file(study)
        rows = list(judgment_rows(db_session, study))
        sessions = session_rows(db_session, study)
        files = {
            "judgments.csv": to_csv(rows),
            "sessions.csv": _table(sessions),
            "events.jsonl": _lines(_events(db_session, study)),
            "chain.jsonl": _lines(_chain(db_session, study)),
            "codebook.csv": _table(_codebook()),
            "study.toml": study.file_text,
        }
        sidecar = _sidecar(db_session, study, file, rows, sessions)
    for filename, text in files.items():
        write_atomically(folder / filename, text.encode())
    sidecar["files"] = {filename: file_sha256(folder / filename) for filename in sorted(files)}
    record = StudyRecord.model_validate(sidecar)
    write_atomically(folder / STUDY, study_json(record).encode())
    return Exported(folder, len(rows), len({row["rater_id"] for row in rows}), (*files, STUDY))


def _lines(rows: Iterator[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)


def _table(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def _rows_query(study: Study) -> Any:
    return (
        select(Judgment, RaterSession, Trial, Item.name, Condition.name, Block)
        .join(RaterSession, RaterSession.id == Judgment.session_id)
        .join(Block, Block.id == RaterSession.block_id)
        .join(Trial, (Trial.block_id == Block.id) & (Trial.position == Judgment.position))
        .join(Item, Item.id == Trial.item_id)
        .join(Condition, Condition.id == Trial.condition_id)
        .where(RaterSession.study_id == study.id)
        .order_by(RaterSession.number, Judgment.position)
    )


def judgment_rows(db_session: Session, study: Study) -> Iterator[dict[str, Any]]:
    """Yield one row of judgments.csv for each stored judgment."""
    for judgment, rater, trial, item, condition, block in db_session.execute(_rows_query(study)):
        reason = exclusion(rater)
        yield {
            "rater_id": rater_id(rater.number),
            "item_id": item,
            "condition": condition,
            "fooled": judgment.fooled,
            "study_id": study.slug,
            "study_version": study.version,
            "session_id": f"{study.slug}-{study.version}-{rater.number}",
            "trial_id": f"{study.slug}-{study.version}-{rater.number}-{judgment.position}",
            "position": judgment.position,
            "kind": trial.kind,
            "task": block.task,
            "model_side": trial.model_side,
            "answered_at": iso(judgment.answered_at),
            "excluded": int(bool(reason)),
            "exclusion": reason,
            "simulated": int(rater.simulated),
            "language": rater.language,
            **_measures(judgment),
        }


def _measures(judgment: Judgment) -> dict[str, Any]:
    names = [name for name in CHAINED if name in COLUMNS and name not in ("position", "fooled")]
    values = {name: getattr(judgment, name) for name in names if name != "answered_at"}
    during = values["answered_during_exposure"]
    return values | {"answered_during_exposure": None if during is None else int(during)}


def exclusion(rater: RaterSession) -> str:
    """Return why a session is outside the balanced analysis, empty when it is inside.

    Only what the design itself decides: the rules about raters' quality belong to the analysis.
    """
    if rater.surplus:
        return "surplus"
    return "" if rater.outcome == "completed" else "incomplete"


def session_rows(db_session: Session, study: Study) -> list[dict[str, Any]]:
    """Return one row for each rater, whatever the outcome."""
    query = (
        select(RaterSession, Block.number, Condition.name)
        .outerjoin(Block, Block.id == RaterSession.block_id)
        .outerjoin(Condition, Condition.id == Block.condition_id)
        .where(RaterSession.study_id == study.id)
        .order_by(RaterSession.number)
    )
    return [
        {
            "rater_id": rater_id(rater.number),
            "outcome": rater.outcome or "",
            "stage": rater.stage,
            "surplus": int(rater.surplus),
            "simulated": int(rater.simulated),
            "provider": rater.provider,
            "language": rater.language,
            "block": "" if block is None else block,
            "condition": condition or "",
            "answered": rater.position,
            "trials": rater.trial_count,
            "created_at": iso(rater.created_at),
            "started_at": iso(rater.started_at) or "",
            "finished_at": iso(rater.finished_at) or "",
            "device": rater.device or "",
            "comment": rater.comment or "",
        }
        for rater, block, condition in db_session.execute(query)
    ]


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


def verify_chain(rows: list[dict[str, Any]], raters: dict[str, dict[str, Any]]) -> list[str]:
    """Return one line for each break: a judgment changed, taken out, put in, or a rater missing.

    `rows` are the lines of chain.jsonl, `raters` the heads and counts in study.json.
    """
    problems = []
    heads: dict[int, str] = {}
    counts: dict[int, int] = {}
    for row in rows:
        number = row["rater"]
        if row["chain"] not in _links(heads.get(number, GENESIS), number, row):
            where = f"{rater_id(number)}, position {row['position']}"
            problems.append(f"{where}: the chain is broken, a judgment was changed or taken out")
        heads[number] = row["chain"]
        counts[number] = counts.get(number, 0) + 1
    for name, rater in raters.items():
        number = int(name[1:])
        if rater["head"] != heads.get(number, GENESIS) or rater["judgments"] != counts.get(
            number, 0
        ):
            found = counts.get(number, 0)
            problems.append(f"{name}: {found} judgments, expected {rater['judgments']}")
    return problems


def _links(before: str, number: int, row: dict[str, Any]) -> set[str]:
    """Return the links that the program of this version or the first could have stored."""
    row = dict.fromkeys(CHAINED) | row
    links = {chain_link(before, number, row)}
    if row["layout"] is None and row["views"] is None:
        links.add(chain_link(before, number, row, CHAINED_AT_FIRST))
    return links


def verify_export(folder: Path) -> list[str]:
    """Return one line for each way in which an export folder is not as it was written."""
    try:
        return _differences(folder)
    except OSError as error:
        return [f"{error.filename or folder}: cannot be read ({error.strerror})"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        return [f"{folder}: study.json or chain.jsonl is not as it was written ({what})"]


def _differences(folder: Path) -> list[str]:
    record = read_study_record(folder / STUDY)
    problems = [
        f"{folder / name}: changed since it was exported"
        for name, digest in record.files.items()
        if not (folder / name).is_file() or file_sha256(folder / name) != digest
    ]
    lines = (folder / "chain.jsonl").read_text(encoding="utf-8").splitlines()
    problems += verify_chain([json.loads(line) for line in lines], record.chain)
    numbers = {int(name[1:]) for name in record.chain} | set(record.withdrawn)
    missing = sorted(set(range(1, (record.sessions_started or 0) + 1)) - numbers)
    return problems + [f"{rater_id(number)}: no trace of this rater" for number in missing]


def _sidecar(
    db_session: Session,
    study: Study,
    file: StudyFile,
    rows: list[dict[str, Any]],
    sessions: list[dict[str, Any]],
) -> dict[str, Any]:
    provenance = json.loads(study.provenance)
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
        "tasks": list(file.study.tasks),
        "design": file.design.model_dump(mode="json", exclude={"seed"}),
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
        "judgments": len(rows),
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


def _codebook() -> list[dict[str, str]]:
    return [
        {"column": name, "type": kind, "unit": unit, "meaning": meaning}
        for name, (kind, unit, meaning) in COLUMNS.items()
    ]
