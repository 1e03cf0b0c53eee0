"""Reconciling a study of the database with the list that its panel gives out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, func, select

from study_server.config import StudyFile
from study_server.errors import StudyError
from study_server.export.rater_rules import broken_rules, rater_facts
from study_server.export.reconcile import (
    LocalSession,
    Promise,
    Submission,
    Suggestion,
    read_panel_csv,
    reconcile,
)
from study_server.export.rows import rater_id
from study_server.storage.database import Database
from study_server.storage.identity import panel_hash
from study_server.storage.models import Judgment, OutcomeCode, RaterSession, Study, Tombstone
from study_server.studies.states import study_file

ROLES = ("participant", "submission", "status", "code")  # columns that another panel may name


def decode(data: bytes, name: str) -> str:
    """Return a CSV's text. Raises `StudyError` for a spreadsheet or another encoding."""
    if data[:2] == b"PK":
        raise StudyError(f"{name}: is a spreadsheet or zip file, expected CSV: export it as CSV")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StudyError(f"{name}: is not UTF-8 text, expected a CSV in UTF-8") from None


def parse_columns(given: Sequence[str]) -> dict[str, str]:
    """Return role -> header out of ROLE=HEADER words. Raises `StudyError`."""
    found = {}
    for word in given:
        role, _, header = word.partition("=")
        if role not in ROLES or not header:
            raise StudyError(
                f"--column {word!r}: expected one of {', '.join(ROLES)}, = and a header"
            )
        found[role] = header
    return found


def compare(
    database: Database,
    secret: bytes,
    study: Study,
    text: str,
    *,
    name: str,
    columns: Mapping[str, str] | None = None,
) -> list[Suggestion]:
    """Return what to do about every row of a panel's list. Raises `StudyError`."""
    return suggest(database, secret, study, read_panel_csv(text, name, columns))


def suggest(
    database: Database, secret: bytes, study: Study, submissions: Sequence[Submission]
) -> list[Suggestion]:
    """Return what to do about every submission, then about every session that none belongs to."""
    with database.read() as connection:
        sessions = _sessions(connection, study)
        codes = _codes(connection, study.id)
        withdrawn = select(func.count(Tombstone.id)).where(Tombstone.study_id == study.id)
        gone = int(connection.execute(withdrawn).scalar_one())
    return reconcile(
        submissions,
        sessions,
        codes,
        lambda who: panel_hash(secret, study.slug, who),
        gone,
        promise=promise_of(study_file(study)),
    )


def promise_of(file: StudyFile) -> Promise:
    """Return what a study file promises its raters."""
    reward = file.recruit.reward
    return Promise(
        None if reward is None else round(reward * 100), file.recruit.screen_out_reward is not None
    )


def completion_codes(database: Database, study: Study) -> dict[str, str]:
    """Return outcome -> completion code of a study."""
    with database.read() as connection:
        return _codes(connection, study.id)


def _codes(connection: Connection, study_id: int) -> dict[str, str]:
    query = select(OutcomeCode.outcome, OutcomeCode.code).where(OutcomeCode.study_id == study_id)
    return {row.outcome: row.code for row in connection.execute(query)}


def _sessions(connection: Connection, study: Study) -> list[LocalSession]:
    query = (
        select(
            RaterSession.number,
            RaterSession.panel_hash,
            RaterSession.outcome,
            RaterSession.surplus,
            func.count(Judgment.session_id).label("answered"),
        )
        .outerjoin(Judgment, Judgment.session_id == RaterSession.id)
        .where(RaterSession.study_id == study.id)
        .group_by(RaterSession.id)
        .order_by(RaterSession.number)
    )
    mine, finished = RaterSession.study_id == study.id, RaterSession.outcome == "completed"
    broken = broken_rules(rater_facts(connection, mine, finished), study_file(study).pay)
    return [
        LocalSession(
            rater=rater_id(row.number),
            panel_hash=row.panel_hash,
            outcome=row.outcome,
            answered=row.answered,
            surplus=row.surplus,
            broken_pay_rules=broken.get(row.number, ()),
        )
        for row in connection.execute(query)
    ]
