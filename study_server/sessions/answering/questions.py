"""What a browser answered, against the questions that the study file asks."""

from __future__ import annotations

import hashlib
import json
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from study_server.asking import Reason
from study_server.storage.chain import reason_digest
from study_server.studies.images.viewing import MOST_GLANCES, Glance
from study_server.trial_kinds import MADE, OTHER_SIDE, REAL, SIDES, Choice, Question

Milliseconds = Annotated[float, Field(ge=0, le=86_400_000, allow_inf_nan=False)]
Ratio = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]


class Given(BaseModel):
    """The answer to one question of a trial."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    choice: Annotated[str, Field(max_length=40)]  # as `taken` checks it
    rt_ms: Milliseconds | None = None  # from the moment the question was there


class Wrote(BaseModel):
    """Why a rater chose, as the browser says it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    text: str = Field(max_length=2_000)
    ms: Milliseconds | None = None  # from the question to the end of writing; no part of rt_ms

    @property
    def words(self) -> str:
        """Return the text without what is no text: control characters, white space around it."""
        kept = (c for c in self.text if c == "\n" or unicodedata.category(c) != "Cc")
        return "".join(kept).strip()


class Answer(BaseModel):
    """What the browser says of one trial: numbers are numbers, not words that look like them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    page: str = Field(max_length=64)
    trial: str = Field(max_length=64)
    key: str = Field(pattern=r"^[A-Za-z0-9-]{8,64}$")
    choice: Choice | None  # of the first question
    answers: dict[str, Given] | None = Field(default=None, max_length=20)
    rt_ms: Milliseconds | None = None
    exposure_ms: Milliseconds | None = None
    refresh_hz: Ratio | None = None
    dropped_frames: Count | None = None
    hidden_count: Count | None = None
    hidden_ms: Milliseconds | None = None
    input: Literal["keyboard", "mouse", "touch", "pen"] | None = None
    answered_during_exposure: bool | None = None
    scale: Ratio | None = None
    pixel_ratio: Ratio | None = None
    late_ms: Milliseconds | None = None
    layout: Literal["row", "column"] | None = None
    views: Count | None = None
    viewport: list[Glance] | None = Field(default=None, max_length=MOST_GLANCES)
    reason: Wrote | None = None

    def measures(self) -> dict[str, Any]:
        """Return everything measured, by column."""
        said = {"page", "trial", "key", "choice", "answers", "viewport", "reason"}
        return self.model_dump(exclude=said)

    def body_hash(self) -> str:
        """Return a digest of what makes two sendings the same: neither the tab nor the delay.

        Nor the reason, which is compared by itself: its words could be found out of a digest that
        stays when they are deleted.
        """
        body = self.model_dump(exclude={"page", "late_ms", "reason"})
        for added in ("answers", "viewport"):  # as before there were any
            if body[added] is None:
                del body[added]
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


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
    side: str | None = choice if choice in SIDES else None
    if real_side is not None and choice in (REAL, MADE):
        side = real_side if choice == REAL else OTHER_SIDE[real_side]
    if not questions:
        return Taken(side, None) if answers is None and choice == side else None
    if choice is None:
        return Taken(None, None) if answers is None else None
    given = answers or {questions[0].id: Given(choice=choice, rt_ms=rt_ms)}
    fits = set(given) == {question.id for question in questions}
    fits = fits and all(given[question.id].choice in question.choices for question in questions)
    if not fits or given[questions[0].id].choice != choice:
        return None
    return Taken(side, _text({name: one.model_dump() for name, one in given.items()}))


def _text(given: dict[str, Any]) -> str:
    return json.dumps(given, sort_keys=True, separators=(",", ":"))


def choices_of(text: str | None) -> dict[str, str]:
    """Return question -> choice of a stored text of answers; {} for none."""
    return {name: str(one["choice"]) for name, one in json.loads(text or "{}").items()}


def writes_as_asked(
    setting: Reason, asked: bool, choice: Choice | None, reason: Wrote | None
) -> bool:
    """Return whether a trial takes this reason, or none. A skipped trial has none."""
    if reason is None or not reason.words:
        return not (asked and choice is not None and setting.ask == "required")
    return asked and choice is not None and len(reason.words) <= setting.most


def reason_row(reason: Wrote | None) -> dict[str, Any] | None:
    """Return what is kept of a reason apart from its judgment, None for none."""
    if reason is None or not reason.words:
        return None
    return {"words": reason.words, "taken_ms": reason.ms, "nonce": secrets.token_hex(16)}


def digest_of(row: dict[str, Any] | None) -> str | None:
    """Return what the judgment holds of its reason."""
    return reason_digest(**row) if row else None
