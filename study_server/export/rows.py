"""The rows of an export: judgments and sessions as they leave the database.

Ordered by rater and position, both given by the server, so the same judgments make the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from study_server.comparisons import CHOICES
from study_server.judgments import COLUMNS
from study_server.questions import rated
from study_server.sessions.answering.questions import choices_of
from study_server.storage.asked_models import CheckAttempt, JudgmentReason, QuestionnaireAnswer
from study_server.storage.chain import CHAINED
from study_server.storage.clock import iso
from study_server.storage.models import Block, Condition, Item, Judgment, RaterSession, Study, Trial
from study_server.studies.images.viewing import glances_in
from study_server.trial_kinds import MADE, REAL, REFERENCE, Question

REASONS = "reasons.csv"
# What a browser measured of a trial, under the names that the table and the export share.
MEASURES = tuple(
    name
    for name in CHAINED
    if name in COLUMNS and name not in ("position", "fooled", "answered_at")
)


def rater_id(number: int) -> str:
    """Return how a rater is called outside: numbered in order of arrival."""
    return f"r{number:04d}"


def session_id(study: Study, number: int) -> str:
    """Return how a rater's session is called outside."""
    return f"{study.slug}-{study.version}-{number}"


def trial_id(study: Study, number: int, position: int) -> str:
    """Return how a rater's trial is called outside."""
    return f"{session_id(study, number)}-{position}"


def _rows_query(
    study: Study,
) -> Select[Judgment, RaterSession, Trial, Item, str, Block]:
    return (
        select(Judgment, RaterSession, Trial, Item, Condition.name, Block)
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
        yield {
            "rater_id": rater_id(rater.number),
            "item_id": item.name,
            "condition": condition,
            "fooled": judgment.fooled,
            "task": block.task,
            "model_side": trial.model_side,
            **_of_trial(study, judgment, rater, trial),
        }


def comparison_rows(
    db_session: Session, study: Study, questions: tuple[Question, ...]
) -> Iterator[dict[str, Any]]:
    """Yield one row of comparisons.csv for each of these questions of each stored judgment."""
    query = select(Condition.id, Condition.name).where(Condition.study_id == study.id)
    names: dict[int | None, str] = dict(db_session.execute(query).all())
    for judgment, rater, trial, item, condition, _ in db_session.execute(_rows_query(study)):
        models = [condition, names.get(trial.other_id, REFERENCE)]
        model_a, model_b = models if trial.model_side == "left" else reversed(models)
        given = json.loads(judgment.answers or "{}")
        for question in questions:
            one = given.get(question.id) or {"choice": "", "rt_ms": judgment.rt_ms}
            yield {
                **_of_trial(study, judgment, rater, trial),
                "item_id": item.name,
                "prompt": item.prompt,
                "model_a": model_a,
                "model_b": model_b,
                "choice": CHOICES.get(one["choice"], ""),
                "question": question.id,
                "answer": one["choice"],
                "rt_ms": one["rt_ms"],
            }


def detection_rows(db_session: Session, study: Study) -> Iterator[dict[str, Any]]:
    """Yield one row of detections.csv for each stored judgment of a single image."""
    for judgment, rater, trial, item, condition, _ in db_session.execute(_rows_query(study)):
        truth, other = (REAL, MADE) if condition == REAL else (MADE, REAL)
        wrong = judgment.fooled
        yield {
            **_of_trial(study, judgment, rater, trial),
            "item_id": item.name,
            "prompt": item.prompt,
            **_made_by(condition),
            "answer": None if wrong is None else other if wrong else truth,
            "correct": None if wrong is None else 1 - wrong,
            "side": judgment.choice,
        }


def rating_rows(
    db_session: Session, study: Study, questions: tuple[Question, ...]
) -> Iterator[dict[str, Any]]:
    """Yield one row of ratings.csv for each question with a scale of each stored judgment."""
    asked = rated(questions)
    for judgment, rater, trial, item, condition, _ in db_session.execute(_rows_query(study)):
        given = json.loads(judgment.answers or "{}")
        for question in asked:
            one = given.get(question.id) or {"choice": None, "rt_ms": None}
            yield {
                **_of_trial(study, judgment, rater, trial),
                "item_id": item.name,
                "prompt": item.prompt,
                **_made_by(condition),
                "question": question.id,
                "rating": one["choice"],
                "score": question.score(one["choice"]),
                "rt_ms": one["rt_ms"],
            }


def _made_by(condition: str) -> dict[str, str | None]:
    """Return what a single image of a condition was."""
    real = condition == REAL
    return {"truth": REAL if real else MADE, "model": None if real else condition}


def _of_trial(
    study: Study, judgment: Judgment, rater: RaterSession, trial: Trial
) -> dict[str, Any]:
    """Return what is said of a judgment whatever its trial showed and asked."""
    reason = exclusion(rater)
    return {
        "rater_id": rater_id(rater.number),
        "study_id": study.slug,
        "study_version": study.version,
        "session_id": session_id(study, rater.number),
        "trial_id": trial_id(study, rater.number, judgment.position),
        "position": judgment.position,
        "kind": trial.kind,
        "answered_at": iso(judgment.answered_at),
        "excluded": int(bool(reason)),
        "exclusion": reason,
        "simulated": int(rater.simulated),
        "language": rater.language,
        "window_x": trial.window_x,
        "window_y": trial.window_y,
        **_measures(judgment),
    }


def _measures(judgment: Judgment) -> dict[str, Any]:
    values = {name: getattr(judgment, name) for name in MEASURES}
    during = values["answered_during_exposure"]
    return values | {"answered_during_exposure": None if during is None else int(during)}


def exclusion(rater: RaterSession) -> str:
    """Return why a session is outside the balanced analysis, empty when it is inside.

    Only what the design itself decides: the rules about raters' quality belong to the analysis.
    """
    if rater.surplus:
        return "surplus"
    return "" if rater.outcome == "completed" else "incomplete"


def questionnaire_rows(db_session: Session, study: Study) -> list[dict[str, Any]]:
    """Return one row for each answer of a questionnaire, and for each attempt at the check."""
    answers = (
        select(RaterSession.number, QuestionnaireAnswer.question, QuestionnaireAnswer.value)
        .join(QuestionnaireAnswer, QuestionnaireAnswer.session_id == RaterSession.id)
        .where(RaterSession.study_id == study.id)
        .order_by(RaterSession.number, QuestionnaireAnswer.question)
    )
    attempts = (
        select(RaterSession.number, CheckAttempt.attempt, CheckAttempt.right_answers)
        .join(CheckAttempt, CheckAttempt.session_id == RaterSession.id)
        .where(RaterSession.study_id == study.id)
        .order_by(RaterSession.number, CheckAttempt.attempt)
    )
    given = [(n, name, value) for n, name, value in db_session.execute(answers)]
    given += [(n, f"check.{k}", str(right)) for n, k, right in db_session.execute(attempts)]
    return [
        {"rater_id": rater_id(number), "question": question, "value": value}
        for number, question, value in given
    ]


def reason_rows(db_session: Session, study: Study) -> list[dict[str, Any]]:
    """Return one row for each reason that a rater wrote, beside what it is about.

    With its nonce and time each is what the judgment's digest was made of (`study verify-export`).
    """
    query = select(Condition.id, Condition.name).where(Condition.study_id == study.id)
    names: dict[int | None, str] = dict(db_session.execute(query).all())
    reason = JudgmentReason
    mine = (reason.session_id == Judgment.session_id) & (reason.position == Judgment.position)
    found = db_session.execute(_rows_query(study).add_columns(reason).join(reason, mine))
    return [
        {
            "rater_id": rater_id(rater.number),
            "trial_id": trial_id(study, rater.number, judgment.position),
            "position": judgment.position,
            "kind": trial.kind,
            "item_id": item.name,
            "condition": condition,
            "against": _against(trial, names),
            "model_side": trial.model_side,
            "answer": _answer(judgment),
            "language": rater.language,
            "simulated": int(rater.simulated),
            "reason": why.words,
            "reason_ms": why.taken_ms,
            "nonce": why.nonce,
        }
        for judgment, rater, trial, item, condition, _, why in found
    ]


def _against(trial: Trial, names: dict[int | None, str]) -> str:
    """Return what the condition was held against; empty where one image was shown."""
    return "" if trial.left_id == trial.right_id else names.get(trial.other_id, REFERENCE)


def _answer(judgment: Judgment) -> str:
    """Return what a reason is about: the side picked, or each question's answer."""
    given = choices_of(judgment.answers)
    if len(given) > 1:
        return " ".join(f"{name}={choice}" for name, choice in given.items())
    return next(iter(given.values()), judgment.choice or "")


def viewport_rows(db_session: Session, study: Study) -> list[dict[str, Any]]:
    """Return one row for each thing that a rater did with the shared viewport of a trial."""
    query = (
        select(RaterSession.number, Judgment.position, Judgment.viewport)
        .join(RaterSession, RaterSession.id == Judgment.session_id)
        .where(RaterSession.study_id == study.id, Judgment.viewport.is_not(None))
        .order_by(RaterSession.number, Judgment.position)
    )
    return [
        {
            "rater_id": rater_id(number),
            "trial_id": trial_id(study, number, position),
            "position": position,
            **glance,
        }
        for number, position, text in db_session.execute(query)
        for glance in glances_in(text)
    ]


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
