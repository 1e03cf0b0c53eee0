"""What a trial shows and asks, as data of the study file. A format module (no flask, no SQL).

* ``real-or-model``: a real photo beside a model's output (Task-1 and Task-2 of SR3).
* ``preference``: two models' outputs of one item; what stands beside them the file says.
* ``single``: one image, a real photo or a model's output; raters say which it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from math import gcd
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from study_server.questions import (
    Scale,
    check_questions,
    check_rated,
    check_scale,
    check_scales,
    refuse_scales,
    scale_in_words,
)
from study_server.words import Option, Section, is_pair

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]  # of which there is a catalogue
Kind = Literal["real-or-model", "preference", "single"]
Beside = Literal["nothing", "reference", "input", "prompt"]
View = Literal["whole", "crop", "zoom"]
RealSide = Literal["drawn", "left", "right"]
Choice = Literal["left", "right", "tie", "bad", "real", "made"]
SIDES = ("left", "right")
OTHER_SIDE = {"left": "right", "right": "left"}
REAL, MADE = "real", "made"  # the two answers about one image, and the two truths
REFERENCE = "reference"  # in a table of comparisons, the real photo in place of a model


def _all_or_pairs(given: Any) -> Any:
    """Return what `design.pairs` says as it is. Raises ValueError where it lists no pairs."""
    listed = isinstance(given, (list, tuple)) and given != []
    if given != "all" and not (listed and all(is_pair(each, str) for each in given)):
        raise ValueError(
            f'{given!r}, expected "all" or a list of pairs of models, such as [["ours", "theirs"]]'
        )
    return given


def _of_pixels(given: Any) -> Any:
    """Return a window's sides as they are. Raises ValueError where they are no two numbers."""
    if not is_pair(given, int) or not all(8 <= side <= 8192 for side in given):
        raise ValueError(
            f"{given!r}, expected [width, height], each 8 to 8192 pixels, such as [512, 512]"
        )
    return given


Pairs = Annotated[Literal["all"] | tuple[tuple[str, str], ...], BeforeValidator(_all_or_pairs)]
Window = Annotated[tuple[int, int], BeforeValidator(_of_pixels)]  # width, height


class Question(Section):
    """One question of a trial, its words in each language, and the answers that it takes."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    wording: dict[Language, str] = Field(default_factory=dict)  # {}: the built-in words
    answers: tuple[Choice, ...] = SIDES  # type: ignore[assignment]
    scale: Scale | None = None  # of one image: what its options are
    options: tuple[Option, ...] = ()

    @property
    def choices(self) -> tuple[str, ...]:
        """Return the answers that it takes, as they are stored."""
        return tuple(option.value for option in self.options) or self.answers

    def score(self, choice: str | None) -> int | None:
        """Return the place of an answer in an ordinal scale, from 1; None for any other."""
        if self.scale != "ordinal" or choice is None:
            return None
        return self.choices.index(choice) + 1

    @model_serializer(mode="wrap")
    def _as_one_kind(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return what its kind has: a question of before scales is written as it was then."""
        other = ("answers",) if self.options else ("scale", "options")
        return {name: value for name, value in dump(self).items() if name not in other}

    @model_validator(mode="after")
    def _two_sides_at_least(self) -> Question:
        check_scale(self)
        if {REAL, MADE} & set(self.answers):
            raise ValueError(
                f"question {self.id!r}: answers are {', '.join(self.answers)}, expected left and"
                " right, and tie or bad if wanted; those about a single image are fixed, so leave"
                " the key out there"
            )
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
IS_REAL = Question(id=REAL)  # what is asked of a real photo, alone or beside an output


def questions_of(
    trial: Kind, asked: tuple[Question, ...], task_words: dict[Language, str]
) -> tuple[Question, ...]:
    """Return what each trial asks; () where only a real photo is to be told from an output.

    Where more is asked of a photo and an output, `IS_REAL` comes first, in the study's own words
    if it has any. So it does of single images, unless the file begins with a question without a
    scale, which words it.
    """
    if trial == "single":
        worded = asked[:1] if asked and not asked[0].options else ()
        own = (worded or (IS_REAL,))[0].model_copy(update={"answers": (REAL, MADE)})
        return (own, *asked[len(worded) :])
    if trial == "real-or-model" and asked:
        return (IS_REAL.model_copy(update={"wording": task_words}), *asked)
    return asked or (() if trial == "real-or-model" else BUILT_IN)


def of_each(made_share: float, models: int) -> tuple[int, int]:
    """Return the smallest numbers of real photos and of each model's outputs with that share made.

    Of two models and a half: 2 and 1.
    """
    share = Fraction(made_share).limit_denominator(100)
    each = share.numerator // gcd(share.numerator, models)
    total = models * each / share
    return int(total) - models * each, each


def pairs_of(conditions: list[str], pairs: Pairs, baseline: str | None) -> list[tuple[str, str]]:
    """Return the pairs of models that are held against each other, in the file's order."""
    if baseline is not None:
        return [(baseline, name) for name in conditions if name != baseline]
    return list(combinations(conditions, 2)) if pairs == "all" else list(pairs)


_OF_PREFERENCE = ("pairs", "baseline", "showings")
_OF_SINGLE = ("made_share", "real_side")
_ASK = "what such a study asks stands under [[question]]"


def check_trials(file: Any, columns: Collection[str]) -> None:
    """Raise ValueError for keys that a study file's kind of trial needs, or has no use for.

    ``columns`` are those of the table that ratings of single images are exported to.
    """
    design, images = file.design, file.images
    built_in = 0 if design.trial == "real-or-model" else 1
    check_questions(file.question, file.study.languages, built_in)
    if design.trial != "real-or-model":
        for key in ("tasks", "question"):
            if key in file.study.model_fields_set:
                raise ValueError(f"study.{key} is for a real photo beside an output: {_ASK}")
    if design.trial == "preference":
        check_preference(list(file.conditions), design)
    elif design.trial == "single":
        _check_single(file)
    else:
        _check_real_or_model(file)
    if design.trial == "single":
        check_scales(file.question, file.study.languages, columns)
    else:
        refuse_scales(file.question)
        _refuse_keys(file, [f"design.{key}" for key in _OF_SINGLE], "single")
    for what, run in (("reference", images.reference), ("input", images.inputs)):
        if images.beside == what and run is None:
            key = "inputs" if what == "input" else what
            raise ValueError(f"images.beside is {what!r}: images.{key} is missing")


def _refuse_keys(file: Any, keys: list[str], kind: str) -> None:
    """Raise ValueError where the file sets one of these keys, which are for another kind."""
    for key in keys:
        section, name = key.split(".")
        if name in getattr(file, section).model_fields_set:
            raise ValueError(f'{key} is for [design] trial = "{kind}"')


def _check_real_or_model(file: Any) -> None:
    _refuse_keys(file, [f"design.{key}" for key in _OF_PREFERENCE], "preference")
    if file.question:
        _check_further(file)
    strange = ["images.beside"] if file.images.beside != "nothing" else []
    strange += ["images.prompts"] if file.images.prompts is not None else []
    _refuse_keys(file, strange, "preference")
    if file.images.reference is None:
        raise ValueError("the key images.reference is missing")


def _check_further(file: Any) -> None:
    """Raise ValueError for questions that cannot follow that of a photo beside an output."""
    if any(question.id == REAL for question in file.question):
        raise ValueError(
            f"question {REAL!r}: that is the id of the trial's own question (study.question words"
            " it), choose another"
        )
    if len(file.study.tasks) > 1:
        raise ValueError(
            f"study.tasks names {' and '.join(file.study.tasks)}: with [[question]] expected one,"
            " for the same question would be asked in two settings"
        )
    if REFERENCE in file.conditions:
        raise ValueError(
            f"conditions: {REFERENCE!r} is the name of the real photos in comparisons.csv, choose"
            " another"
        )


def _check_single(file: Any) -> None:
    _refuse_keys(file, ["design.pairs", "design.baseline", "images.beside"], "preference")
    _refuse_keys(file, ["images.inputs", "images.inputs_kernel"], "real-or-model")
    if file.images.flicker:
        raise ValueError("images.flicker lets two images change places: a single trial shows one")
    if file.images.reference is None:
        raise ValueError("the key images.reference is missing: a part of the images is real")
    if REAL in file.conditions:
        raise ValueError("conditions: 'real' is the name of the real photos, choose another")
    check_rated(file.question, REAL)
    for section in ("pay", "use"):
        if getattr(file, section).side_bias_alpha is not None:
            raise ValueError(
                f"{section}.side_bias_alpha is for trials of two images: of one, favouring an"
                " answer is what the criterion measures"
            )
    if file.results.public != "never":
        raise ValueError(
            f"results.public is {file.results.public!r}, expected 'never': the public page has no"
            " words for single images yet"
        )
    _check_shares(file)


def _check_shares(file: Any) -> None:
    design = file.design
    models = len(file.conditions) if design.kind == "within-raters" else 1
    real, each = of_each(design.made_share, models)
    total = real + models * each
    below = design.trials // total * total
    if design.trials % total:
        near = " or ".join(str(n) for n in (below, below + total) if n)
        of_whom = "the model" if models == 1 else f"each of {models} models"
        raise ValueError(
            f"design.trials is {design.trials}, expected a multiple of {total}, such as {near}:"
            f" of every {total} images {real} are real and {each} made by {of_whom}"
        )
    if design.showings > 1 and (max(real, each) > 1 or total % design.showings):
        raise ValueError(
            f"design.showings is {design.showings}, expected 1, or a divisor of {total} where one"
            f" image in {models + 1} is real: no image comes up twice as the same"
        )


ANSWERS = {
    "left": "left",
    "right": "right",
    "tie": "no difference",
    "bad": "both are bad",
    REAL: "from a camera",
    MADE: "made by a computer",
}


def built_in_words(trial: str, beside: str | None, *, prompted: bool) -> str:
    """Return the question that raters read, in English, where the study file words none."""
    if trial == "single":
        return "Is this image from a camera, or was it made by a computer?"
    if trial == "real-or-model":
        return "Which image would you guess is from a camera?"
    if beside == "input":
        return (
            "Which of the two images is a better high quality version of the low resolution image"
            " in the middle?"
        )
    if beside == "reference":
        return "Which of the two images is closer to the one in the middle?"
    fits = "Which of the two images fits the description better?"
    return fits if prompted else "Which of the two images do you prefer?"


def question_in_words(question: Mapping[str, Any], language: str | None = None) -> str:
    """Return a question, as an export or a study file holds it, with its answers.

    Its words in ``language``, else in English, else in its first; "the built-in words" for none:

    >>> question_in_words({"wording": {"en": "Better?"}, "answers": ["left", "right", "tie"]})
    '“Better?” (left, right, no difference)'
    """
    wording: Mapping[str, str] = question.get("wording") or {}
    words = wording.get(language or "en") or wording.get("en") or next(iter(wording.values()), "")
    answers = scale_in_words(question, language)
    answers = answers or ", ".join(ANSWERS.get(a, str(a)) for a in question.get("answers") or ())
    said = f"“{words}”" if words else "the built-in words"
    return f"{said} ({answers})" if answers else said


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


def prompted(images: Any) -> bool:
    """Return whether a prompt stands over the images: of a file, or of the runs."""
    return images.prompts is not None or images.beside == "prompt"


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
    idle = [name for name in conditions if named and not any(name in pair for pair in seen)]
    if idle:
        raise ValueError(
            f"conditions names {idle[0]!r}, which is in no pair of design.pairs: raters would never"
            " see it"
        )
