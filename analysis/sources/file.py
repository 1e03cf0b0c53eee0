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

from analysis.errors import TableError
from analysis.sources.nested import looks_like_json, read_json
from analysis.sources.surveys import without_survey_rows
from analysis.sources.table import SIZE_LIMIT, Reading, Source
from analysis.sources.text import read_text
from analysis.sources.workbook import read_excel, read_parquet
from generators.files import read_file

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat")
EXCEL_SUFFIXES = (".xlsx", ".xlsm")
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
PARQUET_SUFFIXES = (".parquet", ".pq")
READERS: dict[str, Callable[[bytes, Reading, str], Source]] = {
    **dict.fromkeys(TEXT_SUFFIXES, read_text),
    **dict.fromkeys(EXCEL_SUFFIXES, read_excel),
    **dict.fromkeys(JSON_SUFFIXES, read_json),
    **dict.fromkeys(PARQUET_SUFFIXES, read_parquet),
}


def read_source(path: Path, reading: Reading | None = None) -> Source:
    """Return a file as text columns, empty where a value is missing.

    Raises
    ------
    TableError
        The file is missing, of an unknown kind, too large, empty, or not what its kind should be.
    """
    reading = reading or Reading()
    if not path.exists():
        raise TableError(f"{path}: no such file")
    try:
        packed = read_file(path, SIZE_LIMIT)
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}") from None
    data, inner = _unpacked(packed, path.name, str(path))
    suffix = Path(inner).suffix.lower()
    reader = READERS.get(suffix)
    if reader is None:
        known = ", ".join((*READERS, ".gz or .zip of one of them"))
        raise TableError(f"{path}: unknown kind of file {suffix!r}, expected one of {known}")
    if suffix == ".txt" and looks_like_json(data):
        reader = read_json  # JATOS writes JSON into a .txt
    source = reader(data, reading, str(path))
    source = without_survey_rows(source, reading.keep_unfinished)
    if source.table.empty:
        raise TableError(f"{path}: holds no rows")
    return replace(source, digest=hashlib.sha256(packed).hexdigest())


def _unpacked(data: bytes, name: str, where: str) -> tuple[bytes, str]:
    """Return the bytes and name of the one file in a .gz or .zip, else of the file itself."""
    suffix = Path(name).suffix.lower()
    try:
        if suffix == ".gz":
            with gzip.open(BytesIO(data)) as stream:
                return _within_limit(stream.read(SIZE_LIMIT + 1), where), Path(name).stem
        if suffix == ".zip":
            with zipfile.ZipFile(BytesIO(data)) as folder:
                names = [each.filename for each in folder.infolist() if _counts(each.filename)]
                if len(names) != 1:
                    raise TableError(f"{where}: holds {len(names)} files, expected one table")
                with folder.open(names[0]) as stream:
                    return _within_limit(stream.read(SIZE_LIMIT + 1), where), names[0]
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise TableError(f"{where}: cannot be unpacked ({error})") from None
    return data, name


def _counts(member: str) -> bool:
    return not member.endswith("/") and not member.startswith("__MACOSX/")


def _within_limit(data: bytes, where: str) -> bytes:
    if len(data) > SIZE_LIMIT:
        raise TableError(f"{where}: unpacks to over {SIZE_LIMIT} bytes; give it in parts")
    return data
