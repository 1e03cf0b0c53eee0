"""tables/*.csv at full precision and tables/*.tex with booktabs, ready for a paper."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.judgments.csv_text import inert
from analysis.report.results.schema import Interval, Results
from analysis.report.text.metric_view import metric_number, metric_title
from analysis.report.text.terms import terms_of
from analysis.report.text.wording import (
    ESTIMANDS,
    count,
    interval,
    level,
    number,
    p_value,
    percent,
    point_interval,
    points,
    sentence,
    span,
)

LISTS = (
    *(
        "models",
        "differences",
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
    found["metrics"] = fields["metrics"]["values"]
    found["diagnostics"] = [
        {"check": check["name"], **each}
        for check in fields["diagnostics"]
        for each in check["bins"]
    ]
    return {f"{name}.csv": _csv(rows, results.simulated) for name, rows in found.items() if rows}


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
    makers: tuple[Callable[[Results], TexTable | None], ...] = (
        _rates,
        _errors,
        _pairs,
        _exclusions,
        _metrics,
    )
    tables = [table for make in makers if (table := make(results)) is not None]
    return {f"{table.name}.tex": _tex(table, results.simulated).encode() for table in tables}


def escape_tex(text: str) -> str:
    """Return text with LaTeX's special characters, and the report's own signs, written out."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def _tex(table: TexTable, simulated: bool) -> str:
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


def _errors(results: Results) -> TexTable | None:
    """Return the errors of a study of single images against the real photos."""
    if results.real_condition is None:
        return None
    rows = tuple(
        (
            m.label,
            number(None if m.rate is None else 100 * m.rate),
            _shares(m.error_on_reals)[0],
            *_shares(m.human_error),
            *_with_ends(m.d_prime, 2),
            *_with_ends(m.criterion, 2),
        )
        for m in results.judged
    )
    words = f"{level(results.alpha)} interval"
    columns = ("Model", "Error on fakes", "Error on reals", "Human error", words)
    caption = (
        f"Errors in per cent of trials and sensitivity against the real photos "
        f"({results.real_condition}), {ESTIMANDS[results.estimand]}."
    )
    return TexTable("errors", caption, (*columns, "d′", words, "c", words), rows)


def _with_ends(found: Interval, digits: int) -> tuple[str, str]:
    return number(found.value, digits), span(found.low, found.high, digits)


def _shares(found: Interval) -> tuple[str, str]:
    value = None if found.value is None else 100 * found.value
    return number(value), interval(found.low, found.high)


def _rates(results: Results) -> TexTable:
    terms = terms_of(results)
    rows = tuple(
        (
            *(m.label, number(None if m.rate is None else 100 * m.rate), interval(m.low, m.high)),
            *(count(m.trials), count(m.raters), count(m.items), number(m.n_eff, 0), number(m.deff)),
            *(
                number(m.d_prime.value, 2),
                p_value(m.p_adjusted or m.p_chance),
                p_value(m.p_equivalence),
            ),
        )
        for m in sorted(results.models, key=lambda model: (-(model.rate or 0.0), model.key))
    )
    caption = f"{sentence(terms.rates)} in per cent of trials, {ESTIMANDS[results.estimand]}"
    if any(model.p_chance is not None for model in results.models):
        caption += f"; p against {terms.around}, {results.adjustment}"
    columns = (
        *("Model", "Rate", f"{level(results.alpha)} interval", "Trials", "Raters", "Images"),
        *("n eff.", "Design effect", "d′", "p", "p equiv."),
    )
    return TexTable("rates", f"{caption}.", columns, rows)


def _pairs(results: Results) -> TexTable | None:
    if not results.differences:
        return None
    names = {model.key: model.label for model in results.models}
    rows = tuple(
        (
            f"{names[d.a]} \u2212 {names[d.b]}",
            *(
                points(d.difference),
                point_interval(d.low, d.high),
                p_value(d.p),
                p_value(d.p_adjusted),
            ),
        )
        for d in results.differences
    )
    rate = terms_of(results).rate
    caption = f"Differences in {rate}, percentage points; adjusted: {results.adjustment}."
    columns = ("Comparison", "Difference", f"{level(results.alpha)} interval", "p", "adjusted p")
    return TexTable("differences", caption, columns, rows)


def _exclusions(results: Results) -> TexTable | None:
    if not results.sensitivity:
        return None
    names = {model.key: model.label for model in results.models}
    rows = tuple(
        (
            names[s.key],
            *(
                percent(s.with_exclusions.value),
                interval(s.with_exclusions.low, s.with_exclusions.high),
            ),
            percent(s.without_exclusions.value),
            interval(s.without_exclusions.low, s.without_exclusions.high),
        )
        for s in results.sensitivity
    )
    words = f"{level(results.alpha)} interval"
    rates = sentence(terms_of(results).rates)
    columns = ("Model", "With exclusions", words, "Without", words)
    return TexTable("exclusions", f"{rates} with and without the exclusions.", columns, rows)


def _metrics(results: Results) -> TexTable | None:
    values = results.metrics.values
    if not values:
        return None
    names = list(dict.fromkeys(value.name for value in values))
    arrow = {value.name: "↑" if value.direction == "higher" else "↓" for value in values}
    found = {(value.key, value.name): value.value for value in values}
    rates = {model.condition: model.rate for model in results.models}
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
