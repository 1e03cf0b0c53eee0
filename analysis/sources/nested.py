"""JSON as a table: one document, one document a line, lists in lists, rows deep inside.

Nested objects become dotted names (``response.choice``), members of lists numbered ones
(``result.0.value``), except that a list of one plain value is that value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pandas as pd

from analysis.errors import TableError
from analysis.sources.table import ABSENT, Reading, SourceTable
from analysis.sources.text import decoded

ROW_LISTS = ("trials", "data", "rows", "results")
MOST_MEMBERS = 20  # of a list that become columns; a longer one is kept as JSON


def looks_like_json(data: bytes) -> bool:
    """Return whether a file begins as JSON does (only texts of one byte a letter are known)."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{")


def read_json(data: bytes, reading: Reading, name: str) -> SourceTable:
    """Return JSON as a table, one row an object.

    Raises
    ------
    TableError
        It is not JSON, nested too deeply, names a key twice, or does not hold a list of objects.
    """
    text, _ = decoded(data, reading.encoding, name)
    try:
        documents = list(_documents(text, name))
        rows = list(_rows(documents, reading.each, name))
    except RecursionError:
        raise TableError(f"{name}: is nested too deeply to be read") from None
    if not rows:
        raise TableError(f"{name}: holds no rows")
    several = len(documents) > 1
    how = f"JSON, {len(documents)} documents" if several else "JSON"
    return SourceTable(table_of_objects(rows), f"{how}, {len(rows)} rows")


def table_of_objects(rows: list[dict[str, str]]) -> pd.DataFrame:
    """Return flat objects as a table, ``""`` where one lacks a key, numbered from 1."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    if parents := _parents(names):
        rows = [_with_lists(row, parents) for row in rows]
    data = {name: [row.get(name, ABSENT) for row in rows] for name in names}
    return pd.DataFrame(data, index=pd.RangeIndex(1, len(rows) + 1, name="line"), dtype="object")


def _parents(names: list[str]) -> dict[str, str]:
    """Return the nearest name that a dotted name is nested in, of those that are names too."""
    known, out = set(names), {}
    for name in names:
        above = name.rpartition(".")[0]
        while above and above not in known:
            above = above.rpartition(".")[0]
        if above:
            out[name] = above
    return out


def _with_lists(row: dict[str, str], parents: dict[str, str]) -> dict[str, str]:
    """Return a row in which a name that is a plain value elsewhere has its several values here.

    "choice" is "Real" in one row and ["Real", "Fake"] in another: no answer is not what that is.
    """
    parts: dict[str, list[str]] = {}
    for key in row.keys() & parents.keys():
        if row[key] and not row.get(parents[key]):
            parts.setdefault(parents[key], []).append(key)
    return row | {name: ", ".join(row[key] for key in sorted(keys)) for name, keys in parts.items()}


def _documents(text: str, name: str) -> Iterator[Any]:
    """Yield the JSON documents that follow each other in a text."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise TableError(f"{name}: an object holds the key {twice!r} twice")
        return out

    decoder = json.JSONDecoder(
        object_pairs_hook=unique, parse_int=str, parse_float=str, parse_constant=str
    )
    at, end = 0, len(text)
    while at < end:
        if text[at].isspace():
            at += 1
            continue
        try:
            document, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            line = error.lineno
            raise TableError(f"{name}: not JSON ({error.msg} at line {line})") from None
        yield document


def _rows(documents: list[Any], each: str | None, name: str) -> Iterator[dict[str, str]]:
    if each is not None:
        path = each.split(".")
        rows = [row for document in documents for row in _inner(document, path, {}, "")]
        if not rows:
            raise TableError(f"{name}: nothing lies at {each!r}, as --each wants")
        yield from rows
        return
    for document in documents:
        members = _members(document) if len(documents) == 1 else _flattened(document)
        for member in members:
            if not isinstance(member, dict):
                raise TableError(f"{name}: found {member!r}, expected an object for each trial")
            if len(documents) == 1 and document is member:
                _refuse_one_object(member, name)
            yield flat(member)


def _flattened(value: Any) -> Iterator[Any]:
    """Yield a list's members, those of lists in it too; what is not a list is yielded itself."""
    if isinstance(value, list):
        for member in value:
            yield from _flattened(member)
    else:
        yield value


def _members(document: Any) -> Iterator[Any]:
    """Yield the rows of one document: a list, an object that holds one, or pandas' objects."""
    if isinstance(document, dict):
        names, rows = document.get("columns"), document.get("data")
        if isinstance(names, list) and isinstance(rows, list):
            return iter([dict(zip(names, row, strict=False)) for row in rows])
        if _by_list(document):
            return iter(
                [
                    dict(zip(document, row, strict=True))
                    for row in zip(*document.values(), strict=True)
                ]
            )
        if _by_column(document):
            indices = next(iter(document.values()))
            return iter([{key: column[at] for key, column in document.items()} for at in indices])
        document = next((document[key] for key in ROW_LISTS if key in document), document)
    return _flattened(document)


def _by_list(document: dict[str, Any]) -> bool:
    """Return whether a document holds equally long lists of plain values: a column each."""
    columns = list(document.values())
    return (
        len(columns) > 1
        and all(isinstance(column, list) and column for column in columns)
        and len({len(column) for column in columns}) == 1
        and not any(isinstance(each, dict | list) for column in columns for each in column)
    )


def _by_column(document: dict[str, Any]) -> bool:
    """Return whether a document holds columns of numbered values, as pandas' to_json writes."""
    columns = list(document.values())
    if len(columns) < 2 or not all(isinstance(column, dict) for column in columns):
        return False
    numbered = all(key.isdecimal() for key in columns[0])
    return (
        bool(columns[0])
        and numbered
        and all(column.keys() == columns[0].keys() for column in columns)
    )


def _refuse_one_object(document: dict[str, Any], name: str) -> None:
    paths = list(_lists(document, ""))
    if paths:
        raise TableError(
            f"{name}: is one object, expected a list of trials; give --each PATH"
            f" (there are lists at {', '.join(paths[:5])})"
        )


def _lists(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of lists of objects, and of objects of objects."""
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        members = list(inner.values()) if isinstance(inner, dict) else inner
        if isinstance(members, list) and members and all(isinstance(m, dict) for m in members):
            yield f"{path}{key}"
        yield from _lists(inner, f"{path}{key}.")


def _inner(
    value: Any, path: list[str], outer: dict[str, str], prefix: str
) -> Iterator[dict[str, str]]:
    """Yield the rows at a path; each holds what stands around it too."""
    if isinstance(value, list):
        for member in value:
            yield from _inner(member, path, outer, prefix)
    elif not path:
        yield outer | (
            flat(value, prefix) if isinstance(value, dict) else {prefix[:-1]: plain(value)}
        )
    elif isinstance(value, dict) and path[0] in value:
        rest = {key: inner for key, inner in value.items() if key != path[0]}
        inside, here = value[path[0]], f"{prefix}{path[0]}."
        around = outer | flat(rest, prefix)
        if isinstance(inside, dict) and all(
            isinstance(each, dict | list) for each in inside.values()
        ):
            for key, each in inside.items():
                yield from _inner(each, path[1:], around | {f"{here}key": key}, here)
        else:
            yield from _inner(inside, path[1:], around, here)


def flat(row: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a nested object as one of dotted names with text.

    Raises `TableError` where two of its values would get the same name.
    """
    out: dict[str, str] = {}
    for key, value in row.items():
        name = _written(f"{prefix}{key}")
        found = _parts(value, name)
        both = out.keys() & found.keys()
        if both:
            raise TableError(f"an object holds {min(both)!r} both as one key and as nested ones")
        out |= found
    return out


def _parts(value: Any, name: str) -> dict[str, str]:
    if isinstance(value, dict):
        return flat(value, f"{name}.")
    if not isinstance(value, list):
        return {name: plain(value)}
    if len(value) == 1 and not isinstance(value[0], dict | list):
        return {name: plain(value[0])}
    if not value or len(value) > MOST_MEMBERS:
        return {name: json.dumps(value, ensure_ascii=False, default=str) if value else ""}
    return flat({str(at): member for at, member in enumerate(value)}, f"{name}.")


def plain(value: Any) -> str:
    """Return a value of JSON, Excel or Parquet as text; one that is missing is empty.

    >>> plain(True), plain(2.0), plain(None)
    ('true', '2', '')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime):
        midnight = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return _written(str(value).strip())


def _written(text: str) -> str:
    """Return a text that can be written down. Raises `TableError` for half a character."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            found = text[error.start : error.end]
            raise TableError(f"a value holds {found!r}, which is no character") from None
    return text
