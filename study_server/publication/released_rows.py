"""The rows of a release: pseudonyms drawn anew, without what could lead back to a person."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Sequence
from pathlib import Path

from generators.foreign_text import as_meant, inert
from study_server.errors import StudyError
from study_server.publication.released_tables import Table

# Exports from before these columns have none of them.
ADDED = ("window_x", "window_y")

Row = dict[str, str]


def released_rows(export: Path, tables: Sequence[Table]) -> list[list[Row]]:
    """Return each table's rows, by pseudonym and position, every rater under one new name.

    The pseudonyms are random and kept nowhere. Raises `StudyError` for a table without its columns.
    """
    read = [_read(export / table.file, table) for table in tables]
    names = _pseudonyms(sorted({row["rater_id"] for rows in read for row in rows}))
    return [
        sorted(
            (row | {"rater_id": names[row["rater_id"]]} for row in rows),
            key=lambda row: (row["rater_id"], int(row["position"])),
        )
        for rows in read
    ]


def _read(file: Path, table: Table) -> list[Row]:
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        needed = [name for name in table.columns if name not in ADDED]
        missing = [name for name in needed if name not in (reader.fieldnames or [])]
        if missing:
            raise StudyError(f"{file}: has no column {missing[0]!r}, expected a study's export")
        return [{name: as_meant(row.get(name, "")) for name in table.columns} for row in reader]


def _pseudonyms(raters: Sequence[str]) -> dict[str, str]:
    shuffled = list(raters)
    secrets.SystemRandom().shuffle(shuffled)
    width = max(3, len(str(len(shuffled))))
    return {rater: f"p{number:0{width}d}" for number, rater in enumerate(shuffled, start=1)}


def to_csv(rows: Sequence[Row], table: Table) -> bytes:
    """Return the rows as CSV that no spreadsheet runs."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table.columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: inert(cell) for name, cell in row.items()} for row in rows)
    return text.getvalue().encode()


def to_parquet(rows: Sequence[Row], table: Table) -> bytes:
    """Return the rows as Parquet, with the types of the codebook; an empty cell is null."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise StudyError(
            "a release holds Parquet, which needs the extra `parquet`: pip install pyarrow"
        ) from None
    types = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(),
             "boolean": pa.bool_()}  # fmt: skip
    columns = {
        name: pa.array([_typed(row[name], kind) for row in rows], types[kind])
        for name, (kind, _, _) in table.columns.items()
    }
    stream = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), stream)
    return bytes(stream.getvalue())


def _typed(cell: str, kind: str) -> str | bool | int | float | None:
    if kind == "string":
        return cell
    if cell == "":
        return None
    return bool(int(cell)) if kind == "boolean" else int(cell) if kind == "integer" else float(cell)
