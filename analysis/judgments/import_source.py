"""Anybody's file as a table of text: CSV, Excel, JSON lines or jsPsych, in any encoding."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import TableError

SEPARATORS = ",;\t|"
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")
EXCEL_SUFFIXES = (".xlsx", ".xlsm")
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class Source:
    """A table of text columns and a sentence on how it was read; ``first_line`` of its row 0."""

    table: pd.DataFrame
    how: str
    first_line: int


def read_source(
    path: Path,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> Source:
    """Return a file as text columns, empty where a value is missing.

    Raises
    ------
    TableError
        The file is missing, of an unknown kind, empty, or not decodable.
    """
    if not path.is_file():
        raise TableError(f"{path}: no such file")
    suffix = path.suffix.lower()
    if suffix in EXCEL_SUFFIXES:
        source = _excel(path, sheet)
    elif suffix in JSON_SUFFIXES:
        source = _json(path, encoding)
    elif suffix in TEXT_SUFFIXES:
        source = _delimited(path, separator, encoding)
    else:
        known = ", ".join((*TEXT_SUFFIXES, *EXCEL_SUFFIXES, *JSON_SUFFIXES))
        raise TableError(f"{path}: unknown kind of file {suffix!r}, expected one of {known}")
    if source.table.empty:
        raise TableError(f"{path}: holds no rows")
    return source


def decode(path: Path, encoding: str | None) -> tuple[str, str]:
    """Return a file's text and its encoding: the one given, else UTF-8 or UTF-16 by its mark.

    A file that is neither is read as Windows-1252, which the second value says.
    """
    data = path.read_bytes()
    marks = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
    marked = next((name for mark, name in marks.items() if data.startswith(mark)), "utf-8")
    for name in (encoding,) if encoding else (marked, "cp1252"):
        try:
            return data.decode(name), name
        except LookupError:
            raise TableError(f"{path}: no encoding is called {name!r}") from None
        except UnicodeDecodeError:
            continue
    raise TableError(f"{path}: cannot be decoded as {encoding or marked}; give --encoding")


def _delimited(path: Path, separator: str | None, encoding: str | None) -> Source:
    text, used = decode(path, encoding)
    chosen = separator or _sniffed(text)
    try:
        table = pd.read_csv(
            StringIO(text), sep=chosen, dtype="str", keep_default_na=False, index_col=False
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise TableError(f"{path}: {' '.join(str(error).split())}") from None
    return Source(_clean(table), f"text, separator {chosen!r}, {used}", 2)


def _sniffed(text: str) -> str:
    """Return the separator of the first line: the one that parts it into most fields."""
    first = next(iter(csv.reader([text.split("\n", 1)[0]], delimiter="\0")), [""])[0]
    return max(SEPARATORS, key=first.count)


def _excel(path: Path, sheet: str | None) -> Source:
    try:
        table = pd.read_excel(path, sheet_name=sheet or 0, dtype=str, keep_default_na=False)
    except ImportError:
        raise TableError(f"{path}: Excel files need the extra `excel` (openpyxl)") from None
    except Exception as error:  # openpyxl raises many kinds for a damaged file
        raise TableError(f"{path}: {' '.join(str(error).split())}") from None
    return Source(_clean(table), f"Excel, sheet {sheet or 'first'}", 2)


def _json(path: Path, encoding: str | None) -> Source:
    text, _ = decode(path, encoding)
    lines = path.suffix.lower() != ".json"
    try:
        if lines:
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            rows = list(_trials(json.loads(text)))
    except json.JSONDecodeError as error:
        raise TableError(f"{path}: not JSON ({error.msg} at line {error.lineno})") from None
    wrong = next((row for row in rows if not isinstance(row, dict)), None)
    if wrong is not None:
        raise TableError(f"{path}: found {wrong!r}, expected an object for each trial")
    flat = [_flat(row) for row in rows]
    how = "JSON lines" if lines else "JSON (jsPsych trials)"
    return Source(_clean(pd.DataFrame(flat)), how, 1)


def _trials(value: Any) -> Iterable[Any]:
    """Yield the trials of a jsPsych file: one list, a list of lists, or {"trials": [...]}."""
    if isinstance(value, dict):
        inner = next((value[key] for key in ("trials", "data") if key in value), None)
        value = [value] if inner is None else inner
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, list):
            yield from each
        else:
            yield each


def _flat(row: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested objects as dotted names; true and false as 1 and 0, null as empty."""
    out: dict[str, str] = {}
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            out |= _flat(value, f"{name}.")
        elif isinstance(value, bool):
            out[name] = str(int(value))
        elif isinstance(value, list):
            out[name] = json.dumps(value)
        else:
            out[name] = "" if value is None else str(value)
    return out


def _clean(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with text names and values, blanks at their ends cut off."""
    out = table.astype("object").where(table.notna(), "").astype(str)
    out.columns = pd.Index([str(column).strip() for column in table.columns])
    for position in range(out.shape[1]):
        out.isetitem(position, out.iloc[:, position].str.strip().to_numpy())
    return out
