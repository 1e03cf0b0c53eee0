"""The report's words for its numbers: the page's numerals, counts with nouns, notes."""

from __future__ import annotations

from analysis.numerals import PAGE
from analysis.rates.fool_rates import ESTIMAND_WORDS
from analysis.report.results.schema import ItemRate, Model

ESTIMANDS = ESTIMAND_WORDS
NARROW_SPACE = "\u202f"
MINUS = PAGE.minus
NONE = PAGE.none

number = PAGE.number
percent = PAGE.percent
points = PAGE.points
interval = PAGE.interval
span = PAGE.span
point_interval = PAGE.point_interval
p_value = PAGE.p_value
count = PAGE.count


def p_phrase(p: float | None) -> str:
    """Return ``p = 0.012`` or ``p < 0.001``."""
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def plural(value: int, word: str) -> str:
    """Return a count with its noun in the right number."""
    return f"{count(value)} {word}" + ("" if value == 1 else "s")


def sentence(words: str) -> str:
    """Return words with a capital letter at their head."""
    return words[:1].upper() + words[1:]


def level(alpha: float) -> str:
    """Return the confidence level in words, ``95 %``."""
    return f"{100 * (1 - alpha):g}{NARROW_SPACE}%"


def image_words(rate: ItemRate, picked: str) -> str:
    """Return an image's counts and shrunken rate, ``picked in 5 of 25, 21.3 % shrunken``."""
    return f"{picked} in {rate.fooled} of {rate.judgments}, {percent(rate.shrunk)} shrunken"


def notes(model: Model) -> list[str]:
    """Return what a reader has to be told of a model's rate, as sentences."""
    return [f"{sentence(flag)}." for flag in model.flags]
