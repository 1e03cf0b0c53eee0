"""What the commands print: aligned text tables, and JSON to a file or to standard output."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from analysis.columns import Column, terminal_table
from analysis.errors import TableError
from analysis.numerals import TERMINAL
from generators.files import write_atomically

FOOLED_WORDS = {"rate": "fool rate", "picked": "fooled"}
REAL_WORDS = {"rate": "called real", "picked": "real"}
SIMULATED = "SIMULATED: these judgments were made by simulated raters, not by people."


def text_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows under a header, the first column left-aligned and the others right-aligned."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def column_table(
    names: Sequence[str],
    columns: Sequence[Column],
    rows: Sequence[tuple[Sequence[object], Any]],
    *,
    alpha: float,
    words: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return rows of (names, entry) as a text table with the columns of `analysis.columns`.

    ``words`` fill in the heads: rate, picked, adjusted.
    """
    heads, cells = terminal_table(
        columns, [entry for _, entry in rows], {"level": f"{100 * (1 - alpha):g} %", **words}
    )
    lines = [[*own, *each] for (own, _), each in zip(rows, cells, strict=True)]
    return text_table([*names, *heads], lines)


def test_words(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return what the settings of a comparison fill into the heads of its tests."""
    return {
        "rate": "fool rate",
        "adjusted": f"p {settings['correction']}",
        "margin": f"{100 * settings['margin']:g}",
    }


percent = TERMINAL.percent
number = TERMINAL.number
interval = TERMINAL.interval
span = TERMINAL.span
p_text = TERMINAL.p_value


def plain(value: Any) -> Any:
    """Return dataclasses, arrays and numpy numbers as what JSON knows; NaN as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def json_text(value: Any) -> str:
    """Return a value as indented JSON that any reader accepts."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(value: Any, out: str) -> str:
    """Write a value as JSON to the file ``out``, or return its text when ``out`` is ``-``."""
    text = json_text(value)
    if out == "-":
        return text
    path = Path(out)
    if not path.parent.is_dir():
        raise TableError(f"{out}: the folder {path.parent} does not exist")
    write_atomically(path, text.encode())
    return ""
