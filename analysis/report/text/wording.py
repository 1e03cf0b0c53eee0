"""The report's words for its numbers: percentages, p-values, verdict sentences."""

from __future__ import annotations

from analysis.report.results.schema import ItemRate, Model

ESTIMANDS = {
    "population": "over new raters and new images",
    "fixed-images": "over new raters, these images only",
    "rater-average": "over new raters and new images, each rater counting alike",
}
NARROW_SPACE = "\u202f"
MINUS = "\u2212"
NONE = "–"


def number(value: float | None, digits: int = 1) -> str:
    """Return a number with a true minus sign, or a dash for one that is not defined."""
    if value is None:
        return NONE
    text = f"{value:.{digits}f}"
    text = text.removeprefix("-") if float(text) == 0 else text
    return text.replace("-", MINUS)


def percent(value: float | None, digits: int = 1) -> str:
    """Return a proportion as a percentage, ``12.3 %``."""
    if value is None:
        return NONE
    return f"{number(100 * value, digits)}{NARROW_SPACE}%"


def points(value: float | None, digits: int = 1) -> str:
    """Return a difference of proportions in percentage points, always signed."""
    if value is None:
        return NONE
    text = number(100 * value, digits)
    return text if text.startswith(MINUS) or float(text) == 0 else f"+{text}"


def interval(low: float | None, high: float | None, digits: int = 1) -> str:
    """Return an interval of proportions in percent, ``9.1 to 16.0``."""
    if low is None or high is None:
        return NONE
    return f"{number(100 * low, digits)} to {number(100 * high, digits)}"


def point_interval(low: float | None, high: float | None, digits: int = 1) -> str:
    """Return an interval of differences in signed percentage points, ``+3.5 to +11.9``."""
    if low is None or high is None:
        return NONE
    return f"{points(low, digits)} to {points(high, digits)}"


def p_value(p: float | None) -> str:
    """Return a p-value as papers print it: three digits, and ``< 0.001`` below that."""
    if p is None:
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_phrase(p: float | None) -> str:
    """Return ``p = 0.012`` or ``p < 0.001``."""
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def count(value: int | None) -> str:
    """Return a count with thin spaces between thousands."""
    return NONE if value is None else f"{value:,}".replace(",", NARROW_SPACE)


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
