"""Texts of a study file in one language or several. A format module (no flask, no sqlalchemy)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# One text for all languages, or language -> text.
Words = str | dict[str, str]


def in_language(words: Words, language: str) -> str:
    """Return a text in a language; where it has none of its own, the first that there is."""
    if isinstance(words, str):
        return words
    return words.get(language) or next(iter(words.values()))


def lacking(words: Words | None, languages: Iterable[str]) -> str | None:
    """Return the first language that a text lacks, None for one that lacks none."""
    if not isinstance(words, Mapping):
        return None
    return next((each for each in languages if not words.get(each, "").strip()), None)
