"""Text of others where it is shown: on a terminal one line, in a spreadsheet no formula.

Names of files come out of archives and folders of anybody. Numbers that people type are finite.
A door (standard library only, and click where a command is at work).
"""

from __future__ import annotations

import math
from typing import Any

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def one_line(text: str) -> str:
    r"""Return text with an escape (``\n``, ``\x1b``) for each character that does not print.

    A line end would make two lines of one, and an escape sequence would command the terminal.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def is_formula(value: Any) -> bool:
    """Return whether a spreadsheet would run a cell: text that begins like a formula, no number."""
    if not isinstance(value, str) or value[:1] not in FORMULA_STARTS:
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def inert(value: Any) -> Any:
    """Return what a CSV holds for a value: an apostrophe before text that is run as a formula.

    One more comes before text that begins so already: `as_meant` gives every text back.
    """
    return f"'{value}" if isinstance(value, str) and is_formula(value.lstrip("'")) else value


def as_meant(text: str) -> str:
    """Return the text that `inert` made a cell of."""
    return text[1:] if text.startswith("'") and is_formula(text.lstrip("'")) else text


def finite(_context: object, _option: object, value: float | None) -> float | None:
    """Return an option's number, for click to call: NaN passes every range, and infinity many.

    Raises `click.BadParameter`, which names the option, for one that is not finite.
    """
    if value is not None and not math.isfinite(value):
        import click

        raise click.BadParameter(f"{value} is not a finite number.")
    return value
