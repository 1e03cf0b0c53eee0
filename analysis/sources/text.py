"""Delimited text as a table: any encoding, separator and kind of line end, sections and preambles.

No row is cut or padded in silence: a row with more or fewer fields than the header is reported.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from analysis.errors import TableError
from analysis.sources.table import Reading, SourceTable, source_of_records

SEPARATORS = ",;\t|"
FIELD_LIMIT = 2**24
MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8-sig",
}


def decoded(data: bytes, encoding: str | None, name: str) -> tuple[str, str]:
    """Return a file's text, its lines ended by LF, and its encoding.

    The encoding is the one given, else UTF-8, UTF-16 or UTF-32 by its mark, else UTF-8; what is
    none of these is read as Windows-1252, which the second value says.
    """
    marked = next((known for mark, known in MARKS.items() if data.startswith(mark)), "utf-8")
    for used in (encoding,) if encoding else (marked, "cp1252"):
        try:
            text = data.decode(used)
        except LookupError:
            raise TableError(f"{name}: no encoding is called {used!r} (--encoding)") from None
        except UnicodeError:
            continue
        if "\0" in text:
            raise TableError(
                f"{name}: holds a NUL byte at {text.index(chr(0))}, expected text"
                " (UTF-16 without its mark? give --encoding utf-16-le)"
            )
        return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff"), used
    raise TableError(f"{name}: cannot be decoded as {encoding or marked}; give --encoding")


def read_text(data: bytes, reading: Reading, name: str) -> SourceTable:
    """Return delimited text as a table.

    Raises
    ------
    TableError
        It is empty, cannot be decoded, has a broken quotation, or a column's name twice.
    """
    text, used = decoded(data, reading.encoding, name)
    lines = text.split("\n")
    start, stop = _span(lines, reading, name)
    while start < stop and not lines[start].strip():
        start += 1
    if start == stop:
        raise TableError(f"{name}: is empty, expected a header and rows")
    told = re.fullmatch(r'"?sep=(.)"?', lines[start])  # Excel's own first line
    separator = reading.separator or (told[1] if told else _sniffed(lines[start]))
    if len(separator) != 1:
        raise TableError(f"--separator {separator!r}, expected one character")
    start += 1 if told else 0
    records = _records(lines[start:stop], separator, start + 1, name)
    return source_of_records(records, f"text, separator {separator!r}, {used}", reading, name)


def _span(lines: list[str], reading: Reading, name: str) -> tuple[int, int]:
    """Return the first line of the table and the one after its last, from 0."""
    if reading.section is None:
        return min(reading.skip_lines, len(lines)), len(lines)
    wanted = reading.section.strip().casefold()
    titles = [line.strip(" \t,;|\"'").casefold() for line in lines]
    if wanted not in titles:
        raise TableError(f"{name}: no line is {reading.section!r}, as --section wants")
    start = titles.index(wanted) + 1
    while start < len(lines) and not titles[start]:
        start += 1
    ends = (at for at in range(start, len(lines)) if not titles[at])
    return start + reading.skip_lines, next(ends, len(lines))


def _sniffed(header: str) -> str:
    """Return the separator of the header: the one that parts it into most fields."""
    bare = "".join(header.split('"')[::2])  # what stands between quotation marks does not count
    return max(SEPARATORS, key=bare.count)


def _records(
    lines: list[str], separator: str, first: int, name: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and fields of each record; lines without a field are passed over."""
    csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator, strict=True)
    at = first
    try:
        for record in reader:
            if any(record):
                yield at, [field.strip() for field in record]
            at = first + reader.line_num
    except csv.Error as error:
        raise TableError(f"{name}: line {at}: {error}; is a quotation mark missing?") from None
