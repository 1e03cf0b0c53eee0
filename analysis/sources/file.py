"""Anybody's file as a table of text: CSV, Excel, Parquet or JSON, packed or not."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pandas as pd

from analysis.errors import TableError
from analysis.sources.nested import looks_like_json, read_json
from analysis.sources.surveys import without_survey_rows
from analysis.sources.table import ABSENT, SIZE_LIMIT, Reading, SourceTable
from analysis.sources.text import read_text
from analysis.sources.workbook import read_excel, read_parquet
from generators.files import read_file

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat")
EXCEL_SUFFIXES = (".xlsx", ".xlsm")
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
PARQUET_SUFFIXES = (".parquet", ".pq")
MARKS = {
    b"PK\x03\x04": "an Excel file (.xlsx) or a .zip",
    b"\xd0\xcf\x11\xe0": "an old Excel file (save it as .xlsx)",
    b"\x1f\x8b": "packed (.gz)",
    b"PAR1": "Parquet (.parquet)",
}
READERS: dict[str, Callable[[bytes, Reading, str], SourceTable]] = {
    **dict.fromkeys(TEXT_SUFFIXES, read_text),
    **dict.fromkeys(EXCEL_SUFFIXES, read_excel),
    **dict.fromkeys(JSON_SUFFIXES, read_json),
    **dict.fromkeys(PARQUET_SUFFIXES, read_parquet),
}


def read_source(path: Path, reading: Reading | None = None) -> SourceTable:
    """Return a file as text columns, empty where a value is missing.

    A folder, or a .zip of several files, is read as one table of all tables in it, with a column
    ``file`` that holds the name of each without its suffix.

    Raises
    ------
    TableError
        The file is missing, of an unknown kind, too large, empty, or not what its kind should be.
    """
    reading = reading or Reading()
    if not path.exists():
        raise TableError(f"{path}: no such file, expected a table")
    if path.is_dir():
        return _of_folder(path, reading)
    packed = _bytes_of(path)
    members = _unpacked(packed, path.name, str(path))
    digest = hashlib.sha256(packed).hexdigest()
    if len(members) == 1:
        data, inner = members[0]
        return replace(_table_of(data, inner, str(path), reading), digest=digest)
    parts = [(inner, _table_of(data, inner, f"{path}/{inner}", reading)) for data, inner in members]
    return replace(_together(parts), digest=digest)


def _bytes_of(path: Path) -> bytes:
    try:
        return read_file(path, SIZE_LIMIT)
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror})") from None


def _table_of(data: bytes, name: str, where: str, reading: Reading) -> SourceTable:
    suffix = Path(name).suffix.lower()
    reader = READERS.get(suffix)
    kind = next((kind for mark, kind in MARKS.items() if data.startswith(mark)), "")
    if suffix in (*TEXT_SUFFIXES, *JSON_SUFFIXES) and kind:
        raise TableError(f"{where}: is no text but {kind}; give it that ending")
    if reader is None:
        known = ", ".join((*READERS, ".gz or .zip of one of them"))
        raise TableError(f"{where}: unknown kind of file {suffix!r}, expected one of {known}")
    if suffix == ".txt" and looks_like_json(data):
        reader = read_json  # JATOS writes JSON into a .txt
    source = without_survey_rows(reader(data, reading, where), reading.keep_unfinished)
    if source.table.empty:
        without = f" without {' and '.join(source.left_out)}" if source.left_out else ""
        header = ", ".join(name for name in source.table.columns[:4] if name)
        raise TableError(
            f"{where}: holds no rows{without} under the header {header[:60]!r}; if that is a title,"
            " give --skip-lines with the number of lines above the header"
        )
    return source


def _of_folder(path: Path, reading: Reading) -> SourceTable:
    """Return all tables below a folder as one; hidden files and links are not looked at."""
    files = [
        each
        for each in sorted(path.rglob("*"))
        if each.is_file() and not each.is_symlink() and _counts(each.relative_to(path).as_posix())
    ]
    known = [each for each in files if each.suffix.lower() in READERS]
    if not known:
        raise TableError(f"{path}: holds no table (expected files of {', '.join(READERS)})")
    if sum(each.stat().st_size for each in known) > SIZE_LIMIT:
        raise TableError(f"{path}: holds over {SIZE_LIMIT} bytes; give it in parts")
    parts, digest = [], hashlib.sha256()
    for each in known:
        data = _bytes_of(each)
        digest.update(hashlib.sha256(data).digest())
        name = each.relative_to(path).as_posix()
        parts.append((name, _table_of(data, name, str(each), reading)))
    others = [each.name for each in files if each not in known]
    source = _together(parts)
    said = (f"{len(others)} files of other kinds: {', '.join(others[:5])}",) if others else ()
    return replace(source, left_out=(*said, *source.left_out), digest=digest.hexdigest())


def _together(parts: list[tuple[str, SourceTable]]) -> SourceTable:
    """Return several tables below each other; a column that one lacks is empty there, and said."""
    tables = [source.table.assign(file=str(Path(name).with_suffix(""))) for name, source in parts]
    whole = pd.concat(tables).fillna(ABSENT)
    left_out = [each for _, source in parts for each in source.left_out]
    for column in whole.columns:
        count = sum(column not in table for table in tables)
        if count:
            left_out.append(f"column {column!r} in {count} of {len(parts)} files, which lack it")
    return SourceTable(
        whole,
        f"{len(parts)} files, the first as {parts[0][1].how}",
        tuple(each for _, source in parts for each in source.broken),
        tuple(left_out),
    )


def _unpacked(data: bytes, name: str, where: str) -> list[tuple[bytes, str]]:
    """Return the bytes and name of what a .gz or .zip holds, else of the file itself."""
    suffix = Path(name).suffix.lower()
    try:
        if suffix == ".gz":
            with gzip.open(BytesIO(data)) as stream:
                return [(_within_limit(stream.read(SIZE_LIMIT + 1), where), Path(name).stem)]
        if suffix in (".zip", ".jrzip"):
            with zipfile.ZipFile(BytesIO(data)) as folder:
                names = sorted(each for each in folder.namelist() if _counts(each))
                if not names:
                    raise TableError(f"{where}: holds no file")
                if sum(each.file_size for each in folder.infolist()) > SIZE_LIMIT:
                    raise TableError(f"{where}: unpacks to over {SIZE_LIMIT} bytes")
                return [(folder.read(each), each) for each in names]
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise TableError(f"{where}: cannot be unpacked ({error})") from None
    return [(data, name)]


def _counts(member: str) -> bool:
    """Return whether a name in a folder or .zip is one of data: no folder, hidden file or list."""
    parts = member.split("/")
    return (
        bool(parts[-1])
        and parts[-1] != "metadata.json"
        and not any(part.startswith(".") or part == "__MACOSX" for part in parts)
    )


def _within_limit(data: bytes, where: str) -> bytes:
    if len(data) > SIZE_LIMIT:
        raise TableError(f"{where}: unpacks to over {SIZE_LIMIT} bytes; give it in parts")
    return data
