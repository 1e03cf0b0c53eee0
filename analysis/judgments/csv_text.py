"""A CSV file of ours as columns of text, every line as long as the header."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.errors import TableError
from generators.files import read_file

MOST_BYTES = 2**31


def read_text_table(path: Path) -> pd.DataFrame:
    """Return a CSV file with every column as text, nothing taken for a missing value.

    The index is the row's line in the file less 2, which `line_of` gives back.
    """
    if path.is_dir():
        raise TableError(f"{path}: is a folder, expected a CSV file of judgments")
    if not path.exists():
        raise TableError(f"{path}: no such file, expected a CSV file of judgments")
    try:
        data = read_file(path, MOST_BYTES)
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror})") from None
    text = _text_of(data, path)
    width, lines = _refuse_ragged(text, path)
    try:
        table = pd.read_csv(
            StringIO(text),
            dtype="str",
            keep_default_na=False,
            index_col=False,
            usecols=range(width),
        )
        return table if lines is None else table.set_axis(np.array(lines) - 2)
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        raise TableError(f"{path}: {' '.join(str(error).split())}") from None


def _text_of(data: bytes, path: Path) -> str:
    """Return the text of a CSV file, its lines ended by LF. Raises `TableError` for another's."""
    if data.startswith((b"PK\x03\x04", b"\x1f\x8b", b"PAR1")):
        raise TableError(
            f"{path}: is no text (Excel, Parquet or packed?); `analysis import` reads such files"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); `analysis import`"
            " reads other encodings"
        ) from None
    if "\0" in text:
        raise TableError(f"{path}: holds a NUL byte at {text.index(chr(0))}, expected text")
    if not text.strip():
        raise TableError(f"{path}: is empty, expected a header and rows")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def line_of(table: pd.DataFrame | pd.Series, row: int | np.integer) -> int:
    """Return the line of the file that a row, counted from 0, begins in; the header's is 1."""
    at = table.index[int(row)]
    return (int(at) if isinstance(at, int | np.integer) else int(row)) + 2


def _refuse_ragged(text: str, path: Path) -> tuple[int, list[int] | None]:
    """Return the number of columns, and the rows' lines if blank or broken ones are among them.

    Empty fields past the header's end are let pass.

    Raises
    ------
    TableError
        Fields are not separated by commas, a column's name is there twice, or a line has more or
        fewer fields than the header.
    """
    header = next(csv.reader([text.lstrip("\n").split("\n", 1)[0]]))
    while header and not header[-1].strip():
        header.pop()
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise TableError(f"{path}: two columns are called {twice!r}, expected one")
    width = len(header)
    if width == 1 and (other := next((sign for sign in ";\t|" if sign in header[0]), None)):
        raise TableError(
            f"{path}: the header has {other!r} and no comma; `analysis import` reads other"
            " separators"
        )
    if _even(text, width):
        return width, None
    csv.field_size_limit(2**24)
    reader = csv.reader(StringIO(text), strict=True)
    line, lines = 1, []
    try:
        for fields in reader:
            if fields and (len(fields) < width or any(fields[width:])):
                raise TableError(
                    f"{path}: line {line} has {len(fields)} fields where the header has {width}"
                )
            lines += [line] if fields else []
            line = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"{path}: line {line}: {error}") from None
    return width, None if lines == list(range(1, len(lines) + 1)) else lines[1:]


def _even(text: str, width: int) -> bool:
    """Return whether every line has this many fields; False where a quotation makes it unclear."""
    data = np.frombuffer(text.rstrip("\n").encode() + b"\n", dtype=np.uint8)
    if (data == ord('"')).any():
        return False
    ends = np.flatnonzero(data == ord("\n"))
    commas = np.searchsorted(np.flatnonzero(data == ord(",")), ends)
    return bool((np.diff(commas, prepend=0) == width - 1).all())


def refuse_near_columns(columns: Iterable[object], known: Iterable[str], name: str) -> None:
    """Refuse a column that has a known one's name but for case, blanks and hyphens.

    It would be left unread: half of the raters are then not excluded, or two tasks are pooled.

    Raises
    ------
    TableError
        With the column's name and the one that was meant.
    """
    meant = {_plain(each): each for each in known}
    for column in map(str, columns):
        other = meant.get(_plain(column))
        if other is not None and column != other:
            raise TableError(
                f"{name}: column {column!r}, expected {other!r}"
                " (`analysis import --map` renames columns)"
            )


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
