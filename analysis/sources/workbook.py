"""Excel and Parquet as a table. Each needs an optional library, which a message names."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO
from itertools import zip_longest
from typing import Any

from analysis.errors import TableError
from analysis.sources.nested import flat, plain, table_of_objects
from analysis.sources.table import (
    SIZE_LIMIT,
    Reading,
    SourceTable,
    source_of_records,
    without_empty_end,
)


def read_excel(data: bytes, reading: Reading, name: str) -> SourceTable:
    """Return a sheet of an Excel file as a table; a date is ISO 8601, a boolean true or false.

    Raises
    ------
    TableError
        openpyxl is missing, the file is damaged, there is no such sheet, or a formula has no
        stored value.
    """
    try:
        import openpyxl
    except ImportError:
        raise TableError(
            f"{name}: Excel files need the extra `excel`: pip install openpyxl, or save it as CSV"
        ) from None
    try:
        with zipfile.ZipFile(BytesIO(data)) as packed:
            unpacked = sum(member.file_size for member in packed.infolist())
        if unpacked > SIZE_LIMIT:
            raise TableError(f"{name}: unpacks to {unpacked} bytes, at most {SIZE_LIMIT} are read")
        books = [
            openpyxl.load_workbook(BytesIO(data), read_only=True, data_only=values)
            for values in (True, False)
        ]
        sheet, others = _chosen(books[0].sheetnames, reading.sheet, name)
        values, formulas = (_cells(book[sheet]) for book in books)
        rows = list(_rows(values, formulas, name))
    except TableError:
        raise
    except Exception as error:  # openpyxl raises many kinds for a damaged file
        raise TableError(f"{name}: not an Excel file ({' '.join(str(error).split())})") from None
    more = f"; not read: {', '.join(others)} (--sheet)" if others else ""
    return source_of_records(
        _padded(rows, reading.skip_lines), f"Excel, sheet {sheet!r}{more}", reading, name
    )


def _chosen(sheets: list[str], wanted: str | None, name: str) -> tuple[str, list[str]]:
    if wanted is not None and wanted not in sheets:
        raise TableError(f"{name}: no sheet {wanted!r} (--sheet), found {', '.join(sheets)}")
    sheet = sheets[0] if wanted is None else wanted
    return sheet, [each for each in sheets if each != sheet] if wanted is None else []


def _cells(sheet: Any) -> Iterator[tuple[Any, ...]]:
    sheet.reset_dimensions()  # what the file claims of its size is not believed
    rows: Iterator[tuple[Any, ...]] = sheet.iter_rows(values_only=True)
    return rows


def _rows(
    values: Iterator[tuple[Any, ...]], formulas: Iterator[tuple[Any, ...]], name: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and text of each row that holds any."""
    for number, (row, written) in enumerate(zip_longest(values, formulas, fillvalue=()), 1):
        for value, formula in zip(row, written, strict=False):
            if value is None and isinstance(formula, str) and formula.startswith("="):
                raise TableError(
                    f"{name}: row {number}: the formula {formula[:40]!r} has no stored value;"
                    " open and save the file in a spreadsheet program"
                )
        fields = [plain(value) for value in row]
        if any(fields):
            yield number, without_empty_end(fields)


def _padded(rows: list[tuple[int, list[str]]], skip: int) -> Iterator[tuple[int, list[str]]]:
    """Yield rows as long as the header, whose empty cells a sheet does not hold."""
    kept = [(number, fields) for number, fields in rows if number > skip]
    width = len(kept[0][1]) if kept else 0
    for number, fields in kept:
        yield number, fields + [""] * (width - len(fields))


def read_parquet(data: bytes, reading: Reading, name: str) -> SourceTable:
    """Return a Parquet file as a table; columns of bytes (images, say) are left out.

    Raises
    ------
    TableError
        pyarrow is missing, or the file is damaged or too large.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise TableError(
            f"{name}: Parquet files need the extra `parquet`: pip install pyarrow, or save as CSV"
        ) from None
    try:
        file = pq.ParquetFile(BytesIO(data))
        groups = range(file.metadata.num_row_groups)
        size = sum(file.metadata.row_group(each).total_byte_size for each in groups)
        if size > SIZE_LIMIT:
            raise TableError(f"{name}: unpacks to {size} bytes, at most {SIZE_LIMIT} are read")
        table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{name}: not a Parquet file ({' '.join(str(error).split())})") from None
    twice = [name for name in table.column_names if table.column_names.count(name) > 1]
    if twice:
        raise TableError(f"{name}: two columns are called {twice[0]!r}, expected one")
    table = table.slice(reading.skip_lines)
    while any(pa.types.is_struct(column.type) for column in table.schema):
        table = table.flatten()
    raw = [
        column.name
        for column in table.schema
        if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
    ]
    rows = [flat(row) for row in table.drop_columns(raw).to_pylist()]
    left_out = (f"columns of bytes: {', '.join(raw)}",) if raw else ()
    return SourceTable(table_of_objects(rows), "Parquet", left_out=left_out)
