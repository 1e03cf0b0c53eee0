"""What a browser answered, against the questions that the study file asks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from study_server.trial_kinds import MADE, REAL, SIDES, Choice, Question

Milliseconds = Annotated[float, Field(ge=0, le=86_400_000, allow_inf_nan=False)]


class Given(BaseModel):
    """The answer to one question of a trial."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    choice: Choice
    rt_ms: Milliseconds | None = None  # from the moment the question was there


@dataclass(frozen=True)
class Taken:
    """An answer as it is stored: the side picked, None for neither, and the text of all answers."""

    side: str | None
    answers: str | None


def taken(
    questions: Sequence[Question],
    choice: Choice | None,
    rt_ms: float | None,
    answers: dict[str, Given] | None,
    real_side: str | None = None,
) -> Taken | None:
    """Return what is stored of an answer, None for one that the study does not take.

    `choice` is that of the first question. A skipped trial has no choice and no answers. Where one
    question is asked, a browser may leave `answers` out. Of one image, `real_side` is where the
    answer "real" stands.
    """
    side = choice if choice in SIDES else None
    if real_side is not None and choice in (REAL, MADE):
        side = real_side if choice == REAL else {"left": "right", "right": "left"}[real_side]
    if not questions:
        return Taken(side, None) if answers is None and choice == side else None
    if choice is None:
        return Taken(None, None) if answers is None else None
    given = answers or {questions[0].id: Given(choice=choice, rt_ms=rt_ms)}
    fits = set(given) == {question.id for question in questions}
    fits = fits and all(given[question.id].choice in question.answers for question in questions)
    if not fits or given[questions[0].id].choice != choice:
        return None
    return Taken(side, _text({name: one.model_dump() for name, one in given.items()}))


def _text(given: dict[str, Any]) -> str:
    return json.dumps(given, sort_keys=True, separators=(",", ":"))


def choices_of(text: str | None) -> dict[str, str]:
    """Return question -> choice of a stored text of answers; {} for none."""
    return {name: str(one["choice"]) for name, one in json.loads(text or "{}").items()}
