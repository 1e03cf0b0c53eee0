"""report.html: one file, in the look of `report`, with everything in it."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from analysis.report.page import html as study_page
from analysis.report.page.pictures import Picture as Embedded
from analysis.report.page.pictures import embed
from analysis.report.text.metric_view import ARROWS, metric_number
from analysis.report.text.wording import number
from replication.page.curves import drawn
from replication.results.schema import Cell, Picture, Results, Row, Table

TEMPLATES = Path(__file__).parent / "templates"
SIDE = 128  # CSS pixels of a picture


def render(results: Results) -> str:
    """Return the page."""
    styles = (study_page.TEMPLATES / "report.css", TEMPLATES / "paper.css")
    css = "\n".join(path.read_text(encoding="utf-8") for path in styles)
    return study_page.environment(TEMPLATES).get_template("paper.html").render(
        r=results, css=Markup(css), shown=shown, interval=interval, arrow=_arrow, embed=_embed,
        kind=kind, side=SIDE, drawn=drawn,
    )  # fmt: skip


def shown(cell: Cell, row: Row, column: str) -> str:
    """Return a number: a published one with the digits of the paper, ours with about four."""
    if not row.measured:
        return f"{cell.value:g}" + ("" if cell.spread is None else f" ± {cell.spread:g}")
    return number(cell.value) if _in_per_cent(column) else metric_number(cell.value)


def interval(cell: Cell, column: str) -> str:
    """Return a cell's interval in words, or ``""``."""
    if cell.low is None or cell.high is None:
        return ""
    digits = number if _in_per_cent(column) else metric_number
    return f"{digits(cell.low)} to {digits(cell.high)}"


def kind(row: Row) -> str:
    """Return what a row is: published; or measured, of simulated raters or not, on how much."""
    if not row.measured:
        return "published"
    return f"{'SIMULATED' if row.simulated else 'measured'} here, {row.source}"


def _in_per_cent(column: str) -> bool:
    return column.startswith(("fool rate", "CAS"))


def _arrow(table: Table, column: str) -> str:
    return ARROWS[table.better[column]]


def _embed(picture: Picture) -> Embedded:
    return embed(picture.path, SIDE)
