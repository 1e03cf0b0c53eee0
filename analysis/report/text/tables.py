"""tables/*.csv at full precision and tables/*.tex with booktabs, ready for a paper."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.report.results.schema import Results
from analysis.report.text.metric_view import metric_number, metric_title
from analysis.report.text.rankings import ranking_tables
from analysis.report.text.terms import terms_of
from analysis.report.text.word_tables import WordTable, word_tables
from analysis.report.text.wording import (
    percent,
    sentence,
)
from generators.foreign_text import inert

LISTS = (
    *(
        "models",
        "differences",
        "further",
        "ratings",
        "rating_shares",
        "sensitivity",
        "flow",
        "agreement",
        "pair_scores",
        "item_rates",
        "correlations",
        "published",
    ),
    "diagnostics",
)
_SPECIAL = {
    "\\": r"\textbackslash{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "[": "{[}",  # after the end of a row, LaTeX takes [ and * for arguments
    "*": "{*}",
    "|": r"\textbar{}",  # alone it is printed as a dash
    **dict.fromkeys("\r\n\t", " "),
    "\0": "{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\u202f": r"\,",
    "\u2212": "$-$",
    "–": "--",
    "’": "'",
    "′": "$'$",
    "·": r"$\cdot$",
    "±": r"$\pm$",
    "→": r"$\rightarrow$",
    "×": r"$\times$",
    "∞": r"$\infty$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "<": "$<$",
    ">": "$>$",
    "≤": r"$\leq$",
    "α": r"$\alpha$",
    "ρ": r"$\rho$",
    "τ": r"$\tau$",
    "“": "``",
    "”": "''",
}


@dataclass(frozen=True)
class TexTable:
    """A table of words: the first column left, the others right."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def csv_tables(results: Results) -> dict[str, bytes]:
    """Return file name -> CSV with every number at full precision and a `simulated` column."""
    fields = results.model_dump(mode="json")
    found: dict[str, list[dict[str, Any]]] = {name: fields[name] for name in LISTS}
    # Each metric has settings of its own: in a table they are words of one column.
    found["metrics"] = [
        row | {"settings": [f"{name} {value}" for name, value in row["settings"].items()]}
        for row in fields["metrics"]["values"]
    ]
    found["diagnostics"] = [
        {"check": check["name"], **each}
        for check in fields["diagnostics"]
        for each in check["bins"]
    ]
    found |= _of_rankings(fields["rankings"])
    return {f"{name}.csv": _csv(rows, results.simulated) for name, rows in found.items() if rows}


def _of_rankings(rankings: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    lists = {"ranking": "models", "wins": "contests", "divided_items": "divided"}
    return {
        name: [{"question": each["key"], **row} for each in rankings for row in each[key]]
        for name, key in lists.items()
    }


def _csv(rows: Sequence[dict[str, Any]], simulated: bool) -> bytes:
    marked = {"simulated": int(simulated)}
    flat = [marked | _flat(row) | marked for row in rows]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return stream.getvalue().encode()


def _flat(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}_")
        elif isinstance(value, list):
            flat[prefix + name] = inert("; ".join(map(str, value)))
        elif isinstance(value, float):
            flat[prefix + name] = repr(value)
        else:
            flat[prefix + name] = inert(value)
    return flat


def tex_tables(results: Results) -> dict[str, bytes]:
    """Return file name -> LaTeX table. Needs ``\\usepackage{booktabs}`` and nothing else."""
    words = word_tables(results) | ranking_tables(results)
    tables = [_of_words(table) for table in words.values() if not table.page_only]
    metrics = _metrics(results)
    tables += [] if metrics is None else [metrics]
    return {f"{table.name}.tex": tex_table(table, results.simulated).encode() for table in tables}


def escape_tex(text: str) -> str:
    """Return text with LaTeX's special characters, and the report's own signs, written out."""
    apart = re.sub("-(?=-)", "-\0", text.replace("\0", ""))  # two would be printed as one dash
    return "".join(_SPECIAL.get(letter, letter) for letter in apart)


def tex_table(table: TexTable, simulated: bool) -> str:
    """Return one table as LaTeX."""
    head = " & ".join(escape_tex(column) for column in table.columns)
    body = "\n".join(" & ".join(escape_tex(cell) for cell in row) + r" \\" for row in table.rows)
    warning = "% SIMULATED judgments: not data from people.\n" if simulated else ""
    stamp = r"\textbf{SIMULATED judgments.} " if simulated else ""
    align = "l" + "r" * (len(table.columns) - 1)
    return (
        f"{warning}% needs \\usepackage{{booktabs}}\n"
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{stamp}{escape_tex(table.caption)}}}\n\\label{{tab:{table.name}}}\n"
        f"\\begin{{tabular}}{{{align}}}\n\\toprule\n{head} \\\\\n\\midrule\n{body}\n\\bottomrule\n"
        "\\end{tabular}\n\\end{table}\n"
    )


def _of_words(table: WordTable) -> TexTable:
    """Return a table of the page as LaTeX has it: without the columns for wide pages."""
    kept = [place for place, column in enumerate(table.columns) if not column.page_only]
    return TexTable(
        table.name,
        f"{table.caption}.",
        (table.first, *(table.columns[place].words for place in kept)),
        tuple((name, *(cells[place].shown for place in kept)) for name, cells in table.rows),
    )


def _metrics(results: Results) -> TexTable | None:
    values = results.metrics.values
    if not values:
        return None
    names = list(dict.fromkeys(value.name for value in values))
    arrow = {value.name: "↑" if value.direction == "higher" else "↓" for value in values}
    found = {(value.key, value.name): value.value for value in values}
    rates = results.rates
    keys = sorted(
        dict.fromkeys(value.key for value in values), key=lambda k: (-(rates.get(k) or 0), k)
    )
    rows = tuple(
        (key, percent(rates.get(key)), *(metric_number(found.get((key, name))) for name in names))
        for key in keys
    )
    rate = terms_of(results).rate
    columns = ("Model", sentence(rate), *(f"{metric_title(name)} {arrow[name]}" for name in names))
    return TexTable("metrics", f"Automatic metrics beside the {rate}.", columns, rows)
