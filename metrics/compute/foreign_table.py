"""A table of another program's scores, read strictly: a row for each image and metric."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from generators.files import read_file
from metrics.catalogue import METRICS
from metrics.errors import ScoreError

COLUMNS = ("item", "metric", "value", "direction", "source")
MOST_BYTES = 1 << 30
LONGEST_NAME = 80
LONGEST_SOURCE = 500
LARGEST = 1e100  # a mean of such values is still a number
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*")
# What `float` takes besides these, 1_000 or digits of other scripts, no other program reads so.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def folded(name: str) -> str:
    """Return what two names have in common that a reader would take for one."""
    return re.sub(r"[^a-z0-9+]+", "_", name.casefold()).strip("_")


_OWN = {
    folded(title): metric.name
    for metric in reversed(METRICS.values())
    for title in (metric.title, metric.printed, metric.name)
} | {name: name for name in ("cas", "cas_top1", "cas_top5")}  # of `metrics cas`


@dataclass
class Column:
    """One metric of a table: `values` is item id, as the table has it, -> value."""

    direction: str
    source: str
    values: dict[str, float] = field(default_factory=dict)


def read_table(path: Path) -> dict[str, Column]:
    """Return metric -> column of a CSV of `COLUMNS`. Raises `ScoreError` naming the line."""
    rows = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    found: dict[str, Column] = {}
    try:
        header = next(rows, [])
        if sorted(header) != sorted(COLUMNS):
            shown, expected = ",".join(header)[:200], ",".join(COLUMNS)
            raise ScoreError(f"{path}: the columns are {shown!r}, expected {expected!r}")
        for row in rows:
            if row:
                _take(f"{path}: line {rows.line_num}", header, row, found)
    except csv.Error as error:
        raise ScoreError(f"{path}: line {rows.line_num}: not CSV ({error})") from None
    if not found:
        raise ScoreError(f"{path}: holds no rows")
    return found


def _text(path: Path) -> str:
    try:
        data = read_file(path, MOST_BYTES)
    except OSError as error:
        raise ScoreError(f"{path}: cannot be read ({error.strerror})") from None
    at = data.find(b"\0")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = error.start
    if at < 0:
        return text
    line = data.count(b"\n", 0, at) + 1
    found = f"holds the byte 0x{data[at]:02x}"
    raise ScoreError(f"{path}: line {line}: {found}, expected CSV text in UTF-8")


def _take(where: str, header: Sequence[str], row: list[str], found: dict[str, Column]) -> None:
    if len(row) != len(header):
        raise ScoreError(f"{where} has {len(row)} cells, expected {len(header)}")
    given = dict(zip(header, row, strict=True))
    item, cell = given["item"], {key: text.strip() for key, text in given.items()}
    name = cell["metric"]
    direction, source = cell["direction"], cell["source"]
    if name not in found:
        check_names(where, name, found)
    for fault in faults_of(direction, source):
        raise ScoreError(f"{where}: {fault}")
    column = found.setdefault(name, Column(direction, source))
    for key in ("direction", "source"):
        if cell[key] != getattr(column, key):
            first = getattr(column, key)
            raise ScoreError(f"{where}: {key} of {name} is {cell[key]!r}, above it is {first!r}")
    if item in column.values:
        raise ScoreError(f"{where}: {name} of item {item!r} stands there twice")
    column.values[item] = _number(where, cell["value"])


def check_names(where: str, name: str, others: Sequence[str] | dict[str, Column]) -> None:
    """Raise `ScoreError` for a name that is none, or that a reader takes for another metric's."""
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise ScoreError(
            f"{where}: metric is {name[:LONGEST_NAME]!r}, expected letters, digits and _ . + -, "
            f"at most {LONGEST_NAME}"
        )
    if folded(name) == "item_id":
        raise ScoreError(f"{where}: metric is {name!r}, which is the name of the column of ids")
    if own := _OWN.get(folded(name)):
        raise ScoreError(
            f"{where}: metric is {name!r}, and {own} is one that foolrate computes; call another "
            f"program's by another name, such as other_{name}"
        )
    for other in others:
        if other != name and folded(other) == folded(name):
            raise ScoreError(
                f"{where}: metric is {name!r}, and there is {other!r}, too: write one name alike"
            )


def faults_of(direction: str, source: str) -> Iterator[str]:
    """Yield what is wrong with what a table says of a metric."""
    if direction not in ("higher", "lower"):
        yield f"direction is {direction!r}, expected higher or lower"
    if not source:
        yield "the source is empty, expected a program with its version"
    if not source.isprintable() or len(source) > LONGEST_SOURCE:
        shown = source[:LONGEST_NAME]
        yield f"source is {shown!r}, expected a line of at most {LONGEST_SOURCE} characters"


def _number(where: str, text: str) -> float:
    if not _NUMBER.fullmatch(text) or not abs(float(text)) < LARGEST:
        raise ScoreError(
            f"{where}: value is {text!r}, expected a finite number such as 0.5 or 1e-3"
        )
    return float(text)
