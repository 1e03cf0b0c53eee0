"""Tables of the papers with the measured rows in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.report.results.schema import Published
from analysis.report.text.published import published_rows
from replication.results.measured import Measured, better
from replication.results.schema import Cell, Row, Table
from replication.stages.systems import System


def table_of(
    name: str,
    published: str,
    measured: Sequence[tuple[System, Measured]],
    *,
    title: str = "",
    notes: Sequence[str] = (),
) -> Table:
    """Return a published table, each measured row under the published one that it stands beside.

    `published` is the table's title in `analysis.report.text.published`. Measured systems that the
    papers do not have come last. Columns that only measured rows have come after the papers' own.
    """
    theirs = [row for row in published_rows() if row.table == published]
    rows: list[Row] = []
    for system in dict.fromkeys(row.system for row in theirs):
        rows.append(_published([row for row in theirs if row.system == system]))
        rows += [_measured(ours, found) for ours, found in measured if ours.published == system]
    known = {row.system for row in theirs}
    rows += [_measured(ours, found) for ours, found in measured if ours.published not in known]
    columns = tuple(dict.fromkeys([row.quantity for row in theirs] + _own(rows)))
    return Table(name, title or published, columns, tuple(rows), better(columns), tuple(notes))


def _own(rows: Sequence[Row]) -> list[str]:
    return [column for row in rows if row.measured for column in row.cells]


def _published(rows: Sequence[Published]) -> Row:
    cells = {
        row.quantity: Cell(row.value, spread=row.spread, verified=row.verified) for row in rows
    }
    return Row(rows[0].system, measured=False, cells=cells, source=rows[0].source)


def _measured(system: System, found: Measured) -> Row:
    cells: Mapping[str, Cell] = found.cells
    return Row(system.title, True, dict(cells), found.rests_on, found.simulated)
