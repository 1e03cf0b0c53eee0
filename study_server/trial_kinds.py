"""What a trial shows and asks, as data of the study file. A format module (no flask, no SQL).

* ``real-or-model``: a real photo beside a model's output (Task-1 and Task-2 of SR3).
* ``preference``: two models' outputs of one item; what stands beside them the file says.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]  # of which there is a catalogue
Kind = Literal["real-or-model", "preference"]
Beside = Literal["nothing", "reference", "input"]
Choice = Literal["left", "right", "tie", "bad"]
Pairs = Literal["all"] | Annotated[tuple[tuple[str, str], ...], Field(min_length=1)]
View = Literal["whole", "crop", "zoom"]
Length = Annotated[int, Field(ge=8, le=8192)]  # of a window's side, in pixels
Window = tuple[Length, Length]  # width, height
SIDES = ("left", "right")


class Section(BaseModel):
    """A part of the file: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Question(Section):
    """One question of a trial, its words in each language, and the answers that it takes."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    wording: dict[Language, str] = Field(default_factory=dict)  # {}: the built-in words
    answers: tuple[Choice, ...] = SIDES  # type: ignore[assignment]

    @model_validator(mode="after")
    def _two_sides_at_least(self) -> Question:
        if not set(SIDES) <= set(self.answers) or len(set(self.answers)) < len(self.answers):
            raise ValueError(
                f"question {self.id!r}: answers are {', '.join(self.answers) or 'none'},"
                " expected left and right, and tie or bad if wanted, each once"
            )
        return self

    def words(self, language: str) -> str | None:
        """Return the question in a language, None where it is the built-in one."""
        return self.wording.get(language)


BUILT_IN = (Question(id="preference"),)  # of a file that asks none in its own words


def pairs_of(conditions: list[str], pairs: Pairs, baseline: str | None) -> list[tuple[str, str]]:
    """Return the pairs of models that are held against each other, in the file's order."""
    if baseline is not None:
        return [(baseline, name) for name in conditions if name != baseline]
    return list(combinations(conditions, 2)) if pairs == "all" else list(pairs)


_OF_PREFERENCE = ("pairs", "baseline", "showings")
_ASK = "what a preference study asks stands under [[question]]"


def check_trials(file: Any) -> None:
    """Raise ValueError for keys that a study file's kind of trial needs, or has no use for."""
    design, images = file.design, file.images
    check_questions(file.question, file.study.languages)
    if design.trial == "preference":
        check_preference(list(file.conditions), design)
        for key in ("tasks", "question"):
            if key in file.study.model_fields_set:
                raise ValueError(f"study.{key} is for a real photo beside an output: {_ASK}")
    else:
        _check_real_or_model(file)
    for what, run in (("reference", images.reference), ("input", images.inputs)):
        if images.beside == what and run is None:
            key = "inputs" if what == "input" else what
            raise ValueError(f"images.beside is {what!r}: images.{key} is missing")


def _check_real_or_model(file: Any) -> None:
    strange = [f"design.{key}" for key in _OF_PREFERENCE if key in file.design.model_fields_set]
    strange += ["[[question]]"] if file.question else []
    strange += ["images.beside"] if file.images.beside != "nothing" else []
    strange += ["images.prompts"] if file.images.prompts is not None else []
    if strange:
        raise ValueError(f'{strange[0]} is for [design] trial = "preference"')
    if file.images.reference is None:
        raise ValueError("the key images.reference is missing")


def check_view(images: Any) -> None:
    """Raise ValueError for keys of ``[images]`` that its view needs, or has no use for."""
    if images.view == "crop" and images.window is None:
        raise ValueError(
            'images.view is "crop": images.window is missing, expected [width, height]'
        )
    if images.window is not None and images.view != "crop":
        raise ValueError('images.window is for images.view = "crop"')
    if images.flicker and images.view != "zoom":
        raise ValueError('images.flicker is for images.view = "zoom"')


def view_in_words(view: str, window: Sequence[int] | None, *, flicker: bool) -> str:
    """Return what raters see of the images, for whoever reads about the study."""
    if view == "crop" and window:
        across, down = window
        return f"a window of {across}x{down} pixels, at the same place of all, drawn for each trial"
    if view == "zoom":
        places = ", and see in each other's place while they hold a key" if flicker else ""
        return f"whole images at first, which raters enlarge and move together{places}"
    return "whole images"


def check_preference(conditions: list[str], design: Any) -> None:
    """Raise ValueError where a preference study's models, pairs and showings do not fit."""
    if len(conditions) < 2:
        raise ValueError(
            f"conditions names one model, {conditions[0]!r}: a preference study compares models,"
            " expected two or more"
        )
    _check_pairs(conditions, design)
    pairs = len(pairs_of(conditions, design.pairs, design.baseline))
    if pairs % design.showings or design.trials % design.showings:
        raise ValueError(
            f"design.showings is {design.showings}, expected a divisor of the {pairs} pairs and of"
            f" design.trials ({design.trials}): an item's showings are balanced over the pairs"
        )


def _check_pairs(conditions: list[str], design: Any) -> None:
    named = [] if design.pairs == "all" else list(design.pairs)
    if named and design.baseline is not None:
        raise ValueError("design.pairs lists pairs and design.baseline names a model: give one")
    strangers = [name for pair in [*named, (design.baseline,)] for name in pair if name]
    strangers = [name for name in strangers if name not in conditions]
    if strangers:
        known = ", ".join(conditions)
        raise ValueError(f"design: {strangers[0]!r} is no condition, expected one of {known}")
    seen: set[frozenset[str]] = set()
    for pair in named:
        if len(set(pair)) < 2 or frozenset(pair) in seen:
            raise ValueError(
                f"design.pairs: {pair[0]!r} and {pair[1]!r}, expected two models, each pair once"
            )
        seen.add(frozenset(pair))


def check_questions(questions: tuple[Question, ...], languages: tuple[str, ...]) -> None:
    """Raise ValueError where questions share an id or lack their words in a language."""
    ids = [question.id for question in questions]
    if len(set(ids)) < len(ids):
        raise ValueError(f"question {max(ids, key=ids.count)!r} is there twice")
    for question in questions:
        if not question.wording and len(questions) == 1:
            continue
        missing = [language for language in languages if not question.words(language)]
        if missing:
            raise ValueError(
                f"question {question.id!r} has no wording in {missing[0]!r}, expected one in each"
                f" of study.languages ({', '.join(languages)})"
            )
