"""results.json: every number of the report, at full precision."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Cell:
    """One number. `low` and `high` are a 95 % interval, `spread` a paper's own ±."""

    value: float
    low: float | None = None
    high: float | None = None
    spread: float | None = None
    verified: str | None = None  # of a published number: V or S (`analysis.report.text.published`)


@dataclass(frozen=True)
class Row:
    """One system's numbers: published, or measured here."""

    system: str
    measured: bool
    cells: dict[str, Cell]
    source: str  # of a published row its table, of a measured one what it rests on
    simulated: bool = False


@dataclass(frozen=True)
class Table:
    """One table: columns that papers print, columns of ours, rows."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    better: dict[str, str]  # column -> higher or lower
    notes: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Return whether any row rests on simulated raters."""
        return any(row.simulated for row in self.rows)

    @property
    def measured(self) -> bool:
        """Return whether any row was measured here."""
        return any(row.measured for row in self.rows)

    @property
    def sources(self) -> tuple[str, ...]:
        """Return where the published rows were printed."""
        return tuple(dict.fromkeys(row.source for row in self.rows if not row.measured))


@dataclass(frozen=True)
class Picture:
    """An image file with the words under it."""

    path: Path
    words: str
    alt: str


@dataclass(frozen=True)
class Plate:
    """Pictures side by side, row by row; each row of one item."""

    name: str
    title: str
    rows: tuple[tuple[Picture, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Point:
    """One point of a curve; `words` stand beside it where x does not say what it is."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    words: str = ""


@dataclass(frozen=True)
class Curve:
    """Lines of points, each with its label."""

    name: str
    title: str
    x: str
    y: str
    lines: tuple[tuple[str, tuple[Point, ...]], ...]
    note: str = ""
    log_x: bool = False


@dataclass(frozen=True)
class Section:
    """One part of the report: what it is about, its tables and pictures; or what it lacks."""

    name: str
    title: str
    differs: tuple[str, ...]  # what differs from the papers, in plain words
    tables: tuple[Table, ...] = ()
    curves: tuple[Curve, ...] = ()
    plates: tuple[Plate, ...] = ()
    lacks: str = ""  # in one line, what it needs


@dataclass(frozen=True)
class Results:
    """The whole report."""

    quick: bool
    sections: tuple[Section, ...]
    created_at: str

    @property
    def simulated(self) -> bool:
        """Return whether any number rests on simulated raters."""
        return any(table.simulated for section in self.sections for table in section.tables)


def to_json(results: Results) -> bytes:
    """Return results.json: sorted keys, without the pictures' places on this machine."""
    fields = {"format_version": FORMAT_VERSION, **asdict(results)}
    for section in fields["sections"]:
        del section["plates"]
    return (json.dumps(fields, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
