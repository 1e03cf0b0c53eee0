"""A result as a notebook shows it: a table with its notes, as HTML, as LaTeX, as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from analysis.commands.tables.terminal import SIMULATED, text_table
from analysis.report.text.tables import TexTable, tex_table


@dataclass(frozen=True)
class View:
    """What is shown of a result: words only, made from its numbers."""

    name: str  # of the LaTeX label
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    simulated: bool = False


class Result:
    """What every result can do besides holding its numbers."""

    @property
    def view(self) -> View:
        """Return what is shown of the result."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        """Return the result as a notebook shows it."""
        view = self.view
        head = "".join(f"<th>{escape(column)}</th>" for column in view.columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in view.rows
        )
        stamp = f"<p><strong>{escape(SIMULATED)}</strong></p>" if view.simulated else ""
        notes = "".join(f"<p><small>{escape(note)}</small></p>" for note in view.notes)
        caption = f"<caption>{escape(view.caption)}</caption>"
        table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"<div>{stamp}{table}{notes}</div>"

    def latex(self) -> str:
        """Return the table as LaTeX. It needs ``\\usepackage{booktabs}`` and nothing else."""
        view = self.view
        rows = tuple(map(tuple, view.rows))
        table = TexTable(view.name, view.caption, tuple(view.columns), rows)
        return tex_table(table, view.simulated)

    def __str__(self) -> str:
        """Return the table as text, with its notes."""
        view = self.view
        lines = [SIMULATED] if view.simulated else []
        return "\n".join([*lines, text_table(view.columns, view.rows), *view.notes])
