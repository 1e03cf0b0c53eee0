"""What every reader of a foreign file returns: a table of text, and how it came about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.errors import TableError
from analysis.judgments.ids import same_id

SIZE_LIMIT = 2**30  # bytes of a file, and of what a packed one unpacks to


class Absent(str):
    """An empty cell whose row has no such column: a key that is not in an object.

    It is ``""`` to everybody who does not ask: only an answer that is not there at all is no skip.
    """


ABSENT = Absent()


@dataclass(frozen=True)
class SourceTable:
    """A table of text, ``""`` where a value is missing; its index holds the line of each row.

    ``how`` says how it was read, ``broken`` holds line and reason of each row that is none,
    ``left_out`` says in words what was left out on purpose, and ``digest`` is the file's sha256.
    """

    table: pd.DataFrame
    how: str
    broken: tuple[tuple[int, str], ...] = ()
    left_out: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True)
class Reading:
    """What the user said of a file; None where it is to be found out.

    ``each`` is a dotted path to the list (or object) in JSON whose members are the rows.
    """

    separator: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    skip_lines: int = 0
    section: str | None = None
    each: str | None = None
    number_repeated: bool = False
    keep_unfinished: bool = False


def text_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], lines: Sequence[int]
) -> pd.DataFrame:
    """Return rows of text as a table with one column a name and the lines as its index."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    data = {name: list(column) for name, column in zip(header, columns, strict=True)}
    return pd.DataFrame(
        data, index=pd.Index(np.asarray(lines, dtype=np.int64), name="line"), dtype="object"
    )


def source_of_records(
    records: Iterable[tuple[int, list[str]]], how: str, reading: Reading, name: str
) -> SourceTable:
    """Return numbered records, of which the first is the header, as a source.

    A record of another length than the header, and the header again, are reported as broken;
    empty fields past the header's end are not.

    Raises
    ------
    TableError
        There is no record, or the header holds a name twice.
    """
    numbered = iter(records)
    first = next(numbered, None)
    if first is None:
        raise TableError(f"{name}: is empty, expected a header and rows")
    names = without_empty_end(first[1])
    header = named_header(names, number_repeated=reading.number_repeated, where=name)
    rows, lines, broken = [], [], []
    for line, fields, why in _checked(numbered, names, first[0]):
        if why:
            broken.append((line, why))
        else:
            rows.append(fields)
            lines.append(line)
    return SourceTable(text_table(header, rows, lines), how, tuple(broken))


def _checked(
    records: Iterator[tuple[int, list[str]]], header: list[str], header_line: int
) -> Iterator[tuple[int, list[str], str]]:
    """Yield the line, the fields and why it is not a row ("" where it is one)."""
    width = len(header)
    for line, found in records:
        fields = found[:width] if not any(found[width:]) else found
        if fields == header:
            yield line, fields, f"the header of line {header_line} again"
        elif len(fields) != width:
            yield line, fields, f"{len(fields)} fields where the header has {width}"
        else:
            yield line, fields, ""


def without_empty_end(fields: list[str]) -> list[str]:
    """Return fields up to the last that is not empty."""
    end = len(fields)
    while end and not fields[end - 1].strip():
        end -= 1
    return fields[:end]


def named_header(names: Sequence[str], *, number_repeated: bool, where: str) -> list[str]:
    """Return the names of a header, stripped; with `number_repeated` a repeated one gets a number.

    A column without a name is called "column N". Raises `TableError` for a name that is there
    twice and is not to be numbered.
    """
    out: list[str] = []
    for position, raw in enumerate(names, 1):
        name = same_id(raw) or f"column {position}"
        if name in out:
            if not number_repeated:
                raise TableError(
                    f"{where}: two columns are called {name!r} (the {out.index(name) + 1}. and"
                    f" the {position}.); rename one, or give --number-repeated"
                )
            count = sum(same_id(each) == name for each in names[:position])
            name = f"{name} ({count})"
        out.append(name)
    return out
