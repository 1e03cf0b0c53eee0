"""What questions a study file may ask, and their scales. A format module (no flask, no sqlalchemy).

Two images are compared by left and right; one image is rated on a scale:

* ``ordinal``: labelled steps in order, the lowest first; the answers score 1, 2, … up to their
  number (P.910's five steps of quality).
* ``nominal``: answers without an order (yes or no); each has a share.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from study_server.words import in_language, lacking

Scale = Literal["ordinal", "nominal"]
MOST_QUESTIONS = 10  # of one trial
FEWEST, MOST = 2, 7  # answers of a scale
_SUCH = '[{ value = "bad", text = { en = "Bad" } }, …]'


def check_questions(
    questions: Sequence[Any], languages: Collection[str], built_in: int = 1
) -> None:
    """Raise ValueError where questions share an id or lack their words in a language.

    The page has words of its own for a study of `built_in` questions.
    """
    ids = [question.id for question in questions]
    if len(set(ids)) < len(ids):
        raise ValueError(f"question {max(ids, key=ids.count)!r} is there twice")
    if len(ids) > MOST_QUESTIONS:
        raise ValueError(
            f"[[question]] is there {len(ids)} times, expected at most {MOST_QUESTIONS}: each trial"
            " asks them all"
        )
    for question in questions:
        if not question.wording and not question.options and len(questions) == built_in:
            continue
        missing = [
            language for language in languages if not (question.words(language) or "").strip()
        ]
        if missing:
            raise ValueError(
                f"question {question.id!r} has no wording in {missing[0]!r}, expected one in each"
                f" of study.languages ({', '.join(languages)}); to ask in one language only, write"
                " `languages = [...]` under [study]"
            )


def check_scale(question: Any) -> None:
    """Raise ValueError where a question's scale, options and answers do not make one kind."""
    about = f"question {question.id!r}"
    if (question.scale is None) == bool(question.options):
        there, missing = ("options", "scale") if question.options else ("scale", "options")
        expected = f"options = {_SUCH}" if missing == "options" else '"ordinal" or "nominal"'
        raise ValueError(f"{about} has {there} and no {missing}, expected {expected}")
    if question.scale is None:
        return
    if "answers" in question.model_fields_set:
        raise ValueError(
            f"{about} has both answers and options: answers are about two images, options about one"
        )
    values = [option.value for option in question.options]
    if not FEWEST <= len(values) <= MOST:
        raise ValueError(
            f"{about} has {len(values)} option{'s' * (len(values) != 1)} ({', '.join(values)}),"
            f" expected {FEWEST} to {MOST}"
        )
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise ValueError(f"{about}: the option {twice[0]!r} is there twice, expected each once")


def check_scales(
    questions: Sequence[Any], languages: Collection[str], columns: Collection[str]
) -> None:
    """Raise ValueError where questions of a scale cannot stand in the table of ratings.

    ``columns`` are that table's: whoever turns questions into columns would have two of a name.
    """
    for question in rated(questions):
        about = f"question {question.id!r}"
        if question.id in columns:
            raise ValueError(
                f"{about}: that is the name of a column of the export's table, choose another"
            )
        for option in question.options:
            language = lacking(option.text, languages)
            if language is not None:
                raise ValueError(
                    f"{about}: the option {option.value!r} has no text in {language!r}, expected"
                    f" one in each of study.languages ({', '.join(languages)})"
                )
        for language in languages:
            read = [in_language(option.text, language).strip() for option in question.options]
            twice = [text for text in read if read.count(text) > 1 or not text]
            if twice:
                what = f"two options read {twice[0]!r}" if twice[0] else "an option reads ''"
                raise ValueError(f"{about}: {what} in {language!r}, expected words of its own each")


def check_rated(questions: Sequence[Any], own: str) -> None:
    """Raise ValueError for questions that cannot follow a single trial's `own`, by its id."""
    for place, question in enumerate(questions):
        if "answers" in question.model_fields_set:
            raise ValueError(
                f"question {question.id!r}: answers are {', '.join(question.answers)}, which are"
                " about two images; of a single image, expected scale and options, or neither"
                " where the question is whether it is real"
            )
        if place and not question.options:
            raise ValueError(
                f"question {question.id!r} has no scale and no options; only the first"
                " [[question]] may leave them out, and then words whether the image is real"
            )
        if question.options and question.id == own:
            raise ValueError(
                f"question {own!r}: that is the id of the trial's own question, choose another"
            )


def refuse_scales(questions: Sequence[Any]) -> None:
    """Raise ValueError for a scale in a trial that shows two images."""
    for question in questions:
        if question.options:
            raise ValueError(
                f'question {question.id!r}: scale and options are for [design] trial = "single",'
                " where one image is rated; of two images, answers are left and right, and tie or"
                " bad if wanted"
            )


def rated(questions: Sequence[Any]) -> tuple[Any, ...]:
    """Return those of a trial's questions that take an answer of a scale."""
    return tuple(question for question in questions if question.options)


def options_in(question: Mapping[str, Any], language: str | None = None) -> dict[str, str]:
    """Return value -> words of a question's options, as an export holds it; {} without a scale.

    >>> options_in({"options": [{"value": "no", "text": {"en": "No"}}]})
    {'no': 'No'}
    """
    found = {}
    for option in question.get("options") or ():
        text = option["text"]
        text = text if isinstance(text, str) else text.get(language or "en") or text.get("en")
        found[str(option["value"])] = text or in_language(option["text"], "en")
    return found


def scale_in_words(question: Mapping[str, Any], language: str | None = None) -> str:
    """Return what a question's options are, as an export holds it; "" without a scale.

    >>> steps = [{"value": "bad", "text": "Bad"}, {"value": "good", "text": "Good"}]
    >>> scale_in_words({"scale": "ordinal", "options": steps})
    '1 Bad, 2 Good'
    """
    words = list(options_in(question, language).values())
    if question.get("scale") == "ordinal":
        words = [f"{score} {text}" for score, text in enumerate(words, start=1)]
    return ", ".join(words)
