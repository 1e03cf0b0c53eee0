"""Storing what raters answer besides the trials, and saying what they have still to answer."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from study_server.asking import ATTEMPTS, Question
from study_server.config import StudyFile
from study_server.storage.asked_models import CheckAttempt, QuestionnaireAnswer
from study_server.storage.clock import now_ms
from study_server.storage.database import Database


def still_to_answer(
    database: Database, file: StudyFile, session_id: int, when: str
) -> tuple[Question, ...]:
    """Return the questionnaire that a rater has still to send; empty for one that was sent."""
    asked = file.ask.questions(when)
    if not asked:
        return ()
    query = select(QuestionnaireAnswer.question).where(QuestionnaireAnswer.session_id == session_id)
    with database.read() as connection:
        answered = set(connection.execute(query).scalars())
    return () if {question.id for question in asked} <= answered else asked


def keep(database: Database, session_id: int, answers: Mapping[str, str]) -> None:
    """Store a questionnaire, all of it; one that was sent before stays as it was."""
    now = now_ms()
    rows = [
        {"session_id": session_id, "question": name, "value": value, "answered_at": now}
        for name, value in answers.items()
    ]
    try:
        with database.write() as connection:
            connection.execute(insert(QuestionnaireAnswer), rows)
    except IntegrityError:  # sent twice, from two tabs
        return


def attempts(database: Database, session_id: int) -> list[int]:
    """Return how many answers were right in each attempt at the comprehension check."""
    query = (
        select(CheckAttempt.right_answers)
        .where(CheckAttempt.session_id == session_id)
        .order_by(CheckAttempt.attempt)
    )
    with database.read() as connection:
        return list(connection.execute(query).scalars())


def attempt(database: Database, file: StudyFile, session_id: int, right: int) -> str:
    """Store an attempt at the check; return ``passed``, ``again`` or ``failed``."""
    mine = CheckAttempt.session_id == session_id
    with database.write() as connection:
        before = connection.execute(
            select(func.count()).select_from(CheckAttempt).where(mine)
        ).scalar_one()
        if before < ATTEMPTS:
            connection.execute(
                insert(CheckAttempt).values(
                    session_id=session_id,
                    attempt=before + 1,
                    right_answers=right,
                    answered_at=now_ms(),
                )
            )
    return outcome(file, attempts(database, session_id))


def outcome(file: StudyFile, given: list[int]) -> str:
    """Return where a rater stands with the check: ``passed``, ``again`` or ``failed``."""
    if not file.check.questions or any(right >= file.check.needed for right in given):
        return "passed"
    return "again" if len(given) < ATTEMPTS else "failed"
