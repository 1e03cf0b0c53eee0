"""The report's words for its numbers: percentages, p-values, verdict sentences."""

from __future__ import annotations

from analysis.rates.verdict import Verdict
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


def image_words(rate: ItemRate) -> str:
    """Return an image's counts and shrunken rate, ``picked in 5 of 25, 21.3 % shrunken``."""
    return f"picked in {rate.fooled} of {rate.judgments}, {percent(rate.shrunk)} shrunken"


def verdict_sentence(model: Model, alpha: float, margin: float, *, simulated: bool = False) -> str:
    """Return one model's verdict with its rate, interval and estimand.

    Simulated judgments say nothing about people.
    """
    if model.verdict is Verdict.UNDEFINED:
        why = " ".join(model.notes) or "no trial was answered"
        return f"{model.label} has no {model.estimand} fool rate here: {why}"
    rate = (
        f"{percent(model.rate)} of trials ({level(alpha)} interval "
        f"{interval(model.low, model.high)}, {ESTIMANDS[model.estimand]})"
    )
    opening = _OPENINGS[model.verdict].format(
        who="Simulated raters" if simulated else "People", label=model.label, rate=rate
    )
    return f"{opening} {_closing(model, margin)}".rstrip()


_OPENINGS = {
    Verdict.INDISTINGUISHABLE: "{who} could not tell {label} from real photos: it was picked in "
    "{rate}.",
    Verdict.CLOSE: "{label} comes close to real photos: it was picked in {rate}.",
    Verdict.ABOVE: "{who} took {label} for the real photo more often than the photo itself: in "
    "{rate}.",
    Verdict.BELOW: "{who} could tell {label} from real photos: it fooled them in {rate}.",
    Verdict.UNDECIDED: "It is not settled whether {label} passes for real: it was picked in "
    "{rate}.",
    Verdict.UNTESTED: "{label} was picked in {rate}.",
}


def _closing(model: Model, margin: float) -> str:
    within = f"the ±{100 * margin:g}-point margin around 50{NARROW_SPACE}%"
    if model.verdict in (Verdict.INDISTINGUISHABLE, Verdict.CLOSE):
        also = ", and still different from it" if model.verdict is Verdict.CLOSE else ""
        return f"That is inside {within} (equivalence {p_phrase(model.p_equivalence)}){also}."
    if model.verdict is Verdict.UNDECIDED:
        return (
            f"Neither a difference from 50{NARROW_SPACE}% (adjusted {p_phrase(model.p_adjusted)}) "
            f"nor a place inside {within} is shown; more raters and images would narrow it."
        )
    if model.verdict is Verdict.UNTESTED:
        return "The declared family of tests leaves it out, so nothing is claimed of it."
    return ""
