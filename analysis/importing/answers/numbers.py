"""Numbers as people write them: decimal points or commas, thousands apart, never by guesswork."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from analysis.errors import TableError
from analysis.judgments.ids import MISSING, folded

PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
GROUPED = re.compile(r"[+-]?\d{1,3}(([.,'’ \u00a0\u202f])\d{3})(\2\d{3})*([.,]\d+)?")
AMBIGUOUS = re.compile(r"[+-]?\d{1,3}([.,]\d{3})+")


def decimal_sign(cells: Iterable[str], given: str | None, column: str) -> str:
    """Return "." or ",": the sign given, else the one that the column's cells show.

    Raises
    ------
    TableError
        They could be read either way ("1,234"), or show both.
    """
    if given is not None:
        return given
    marked = [cell for cell in cells if "," in cell or re.search(r"\d[.'’ \u00a0\u202f]\d", cell)]
    shown = {sign for cell in marked if (sign := _shown(cell))}
    unclear = [cell for cell in marked if AMBIGUOUS.fullmatch(cell)]
    if len(shown) > 1:
        raise TableError(
            f"{column!r} holds numbers with decimal points and with commas; give --decimal"
        )
    if not shown and unclear and ("," in "".join(unclear) or len(unclear) == len(marked) > 1):
        raise TableError(
            f"{column!r} holds {unclear[0]!r}: thousands or decimals? give --decimal (. or ,)"
        )
    return next(iter(shown), ".")


def _shown(cell: str) -> str | None:
    """Return the decimal sign that a number cannot but have, None where it shows none."""
    if "," in cell and "." in cell:
        return max(",.", key=cell.rindex)
    if cell.count(",") > 1:
        return "."
    if cell.count(".") > 1:
        return ","
    for sign in ",.":
        parts = cell.split(sign)
        if (
            len(parts) == 2
            and re.fullmatch(r"[+-]?\d+", parts[0])
            and not AMBIGUOUS.fullmatch(cell)
        ):
            return sign if re.fullmatch(r"\d+", parts[1]) else None
    return None


def number(cell: str, decimal: str = ".") -> float | None:
    """Return a number, None where the cell is none.

    >>> number("1.234,5", ","), number("3"), number("4 of 5")
    (1234.5, 3.0, None)
    """
    text = cell.strip()
    thousands = "," if decimal == "." else "."
    if GROUPED.fullmatch(text):
        text = re.sub(rf"[{re.escape(thousands)}'’ \u00a0\u202f]", "", text)
    text = text.replace(decimal, ".") if thousands not in text else text
    value = float(text) if PLAIN.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


def column_text(
    cells: Sequence[str], decimal: str | None, name: str, seconds: bool = False
) -> list[str]:
    """Return a column's numbers in one spelling, "" where there is none.

    Times (a name that ends in _ms) are made milliseconds where they are in `seconds`.

    Raises
    ------
    TableError
        A cell is not a number or below 0, or rt_ms cannot be in milliseconds.
    """
    cells = ["" if folded(cell) in MISSING else cell for cell in cells]
    sign = decimal_sign(cells, decimal, name)
    values = {cell: number(cell, sign) for cell in dict.fromkeys(cells)}
    wrong = next((cell for cell, value in values.items() if cell and value is None), None)
    if wrong is not None:
        raise TableError(
            f"{name} is {wrong!r}, expected a number; --ignore COLUMN leaves a column alone"
        )
    below = next((cell for cell in cells if (values[cell] or 0.0) < 0), None)
    if below is not None:
        raise TableError(
            f"{name} is {below!r}, expected 0 or more; --ignore COLUMN leaves a column alone,"
            " --where 'COLUMN>=0' such rows out"
        )
    factor = 1000 if seconds and name.endswith("_ms") else 1
    known = sorted(value for cell in cells if (value := values[cell]) is not None)
    if name == "rt_ms" and known and 0 < factor * known[len(known) // 2] < 30:
        raise TableError(
            f"rt_ms: half are below {known[len(known) // 2]:g}, which cannot be milliseconds;"
            " give --seconds, or --ignore the column"
        )
    return [
        "" if value is None else f"{factor * value:.15g}"
        for value in (values[cell] for cell in cells)
    ]
