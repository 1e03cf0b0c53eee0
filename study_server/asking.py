"""What raters are asked besides the choices: a check, short questionnaires, reasons.

A format module (no flask, no sqlalchemy). Answers to questionnaires and reasons are personal data:
they are kept apart from the judgments, and for their own time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field, model_validator

from study_server.words import Option, Section, Words

ATTEMPTS = 2  # at a comprehension check; panels ask for two
MAX_TEXT = 2000
Block = Literal["vision", "screen"]


class Question(Section):
    """One question of a questionnaire."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    kind: Literal["choice", "number", "text"]
    text: Words
    options: tuple[Option, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    required: bool = True

    @model_validator(mode="after")
    def _kind_has_its_keys(self) -> Question:
        values = [option.value for option in self.options]
        if (self.kind == "choice") != (len(values) >= 2):
            raise ValueError(f"{self.id}: a choice, and only that, has two options or more")
        if len(set(values)) < len(values):
            raise ValueError(f"{self.id}: two options have the same value")
        if self.kind != "number" and (self.minimum is not None or self.maximum is not None):
            raise ValueError(f"{self.id}: only a number has minimum and maximum")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"{self.id}: minimum is above maximum")
        return self


class Ask(Section):
    """Questionnaires before the trials and after them."""

    blocks: tuple[Block, ...] = ()  # ready-made, asked first
    before: tuple[Question, ...] = ()
    after: tuple[Question, ...] = ()
    keep_days: int | None = Field(default=None, ge=0)  # after closing; None: as long as the study

    @model_validator(mode="after")
    def _ids_are_different(self) -> Ask:
        ids = [question.id for question in (*self.questions("before"), *self.questions("after"))]
        twice = [each for each in ids if ids.count(each) > 1]
        if twice:
            raise ValueError(f"two questions have the id {twice[0]!r}")
        return self

    def questions(self, when: str) -> tuple[Question, ...]:
        """Return the questions of ``before`` or ``after``, those of ready-made blocks first."""
        if when == "after":
            return self.after
        ready = [question for block in self.blocks for question in READY[block]]
        return (*ready, *self.before)


class Reason(Section):
    """Whether raters say in a short text why they chose, and on which share of the trials."""

    ask: Literal["never", "optional", "required"] = "never"
    share: float = Field(default=1, gt=0, le=1)  # of a rater's trials, drawn by the seed
    wording: Words | None = None  # None: the built-in words
    most: int = Field(default=200, ge=20, le=500)  # characters
    keep_days: int | None = Field(default=None, ge=0)  # after closing; None: as long as the study

    @model_validator(mode="after")
    def _is_asked(self) -> Reason:
        idle = sorted(self.model_fields_set - {"ask"})
        if self.ask == "never" and idle:
            raise ValueError(
                f"{idle[0]} says how reasons are asked, and none is:"
                ' expected ask = "optional" or "required"'
            )
        return self


class CheckQuestion(Section):
    """One question about the instructions, with its right answer."""

    text: Words
    options: tuple[Option, ...] = Field(min_length=2)
    right: str

    @model_validator(mode="after")
    def _right_is_an_option(self) -> CheckQuestion:
        values = [option.value for option in self.options]
        if self.right not in values:
            raise ValueError(f"right is {self.right!r}, expected one of {', '.join(values)}")
        return self


class Check(Section):
    """The comprehension check after the instructions: two attempts, then the rater is let go."""

    questions: tuple[CheckQuestion, ...] = Field(default=(), max_length=10)
    pass_mark: int | None = Field(default=None, ge=1)  # right answers; None: all of them

    @model_validator(mode="after")
    def _can_be_passed(self) -> Check:
        if self.pass_mark is not None and self.pass_mark > len(self.questions):
            raise ValueError(
                f"pass_mark is {self.pass_mark}, expected at most the {len(self.questions)}"
                " questions"
            )
        return self

    @property
    def needed(self) -> int:
        """Return how many answers must be right."""
        return len(self.questions) if self.pass_mark is None else self.pass_mark

    def right(self, answers: Mapping[str, str]) -> int:
        """Return how many answers are right; `answers` maps a question's number to a value."""
        return sum(answers.get(str(n)) == each.right for n, each in enumerate(self.questions))


def problem(question: Question, given: str) -> str | None:
    """Return what is wrong with an answer, as a short code for the page, None for nothing."""
    if not given:
        return "missing" if question.required else None
    if question.kind == "choice":
        return None if given in {option.value for option in question.options} else "choice"
    if question.kind == "text":
        return "long" if len(given) > MAX_TEXT else None
    value = as_number(given)
    if value is None:
        return "number"
    low, high = question.minimum, question.maximum
    return (
        "range"
        if (low is not None and value < low) or (high is not None and value > high)
        else None
    )


def as_number(given: str) -> float | None:
    """Return the number that a rater wrote, with a point or a comma, None for anything else."""
    text = given.strip().replace(",", ".")
    digits = text.removeprefix("-").replace(".", "", 1)
    return float(text) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None


def texts(ask: Ask, check: Check, reason: Reason) -> Iterator[tuple[str, Words | None]]:
    """Yield (where, text) of every text that the researcher wrote."""
    yield "reason.wording", reason.wording
    for when, asked in (("before", ask.before), ("after", ask.after)):
        for question in asked:
            yield f"ask.{when}.{question.id}", question.text
            for option in question.options:
                yield f"ask.{when}.{question.id}.{option.value}", option.text
    for number, each in enumerate(check.questions):
        yield f"check.questions.{number}", each.text
        for option in each.options:
            yield f"check.questions.{number}.{option.value}", option.text


def _choice(name: str, text: str, **options: str) -> Question:
    given = tuple(Option(value=value, text=words) for value, words in options.items())
    return Question(id=name, kind="choice", text=text, options=given)


# What recommendations for assessments of video quality ask of observers and viewing conditions
# (ITU-T P.910 and P.913): acuity, colour vision, screen, distance, light. In our own words; the
# texts are messages of the catalogues.
READY: dict[Block, tuple[Question, ...]] = {
    "vision": (
        _choice(
            "vision_correction",
            "Do you need glasses or contact lenses for the distance at which you sit?",
            none="I need none",
            worn="Yes, and I am wearing them",
            not_worn="Yes, but I am not wearing them",
        ),
        _choice(
            "vision_colour",
            "As far as you know, do you see all colours normally?",
            yes="Yes",
            no="No",
            unknown="I do not know, or prefer not to say",
        ),
    ),
    "screen": (
        _choice(
            "screen_kind",
            "What are you looking at?",
            phone="A phone",
            tablet="A tablet",
            laptop="A laptop",
            monitor="A separate screen",
            television="A television or projector",
        ),
        Question(
            id="screen_distance_cm",
            kind="number",
            text="About how many centimetres are your eyes from the screen?",
            minimum=10,
            maximum=600,
        ),
        _choice(
            "screen_light",
            "How bright is it around you?",
            dark="Dark",
            dim="Dim",
            bright="Bright",
            sun="Sunlight falls on the screen",
        ),
    ),
}
