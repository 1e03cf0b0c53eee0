"""The metric tables as rows and columns: what the page and the LaTeX tables share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.report.results.schema import MetricValue, Published, Results
from analysis.report.text.published import MEASURED_AS
from analysis.report.text.wording import number
from metrics.catalogue import METRICS

ARROWS = {"higher": "↑", "lower": "↓"}
PAPERS = {name: words for words, (name, _, _) in MEASURED_AS.items()}


def metric_title(name: str) -> str:
    """Return a metric's printed name."""
    return METRICS[name].printed if name in METRICS else PAPERS.get(name, name)


def metric_number(value: float | None) -> str:
    """Return a score with about four significant digits."""
    if value is None:
        return number(None)
    size = abs(value)
    return number(value, 1 if size >= 100 else 2 if size >= 10 else 3 if size >= 0.1 else 4)


@dataclass(frozen=True)
class ScoreCell:
    """One score in a table."""

    value: float | None
    low: float | None
    high: float | None
    best: bool


def metric_view(results: Results) -> dict[str, Any]:
    """Return the metric table's columns, rows and settings for the page."""
    names = measured_names(results)
    first = {name: next(v for v in results.metrics.values if v.name == name) for name in names}
    rates = results.rates
    rows = []
    keys = dict.fromkeys(value.key for value in results.metrics.values)
    for key in sorted(keys, key=lambda key: (-(rates.get(key) or 0.0), key)):
        cells = [_cell(results, key, name) for name in names]
        rows.append({"label": key, "rate": rates.get(key), "cells": cells})
    return {
        "metric_columns": [
            (metric_title(n), ARROWS.get(first[n].direction, ""), _unit(first[n])) for n in names
        ],
        "metric_rows": rows,
        "metric_settings": [(metric_title(n), settings_of(results, n)) for n in names],
        "metric_warnings": sorted(
            {
                f"{v.key}, {metric_title(v.name)}: {w}"
                for v in results.metrics.values
                for w in v.warnings
            }
        ),
        "metric_number": metric_number,
        "printed": printed,
    }


def _cell(results: Results, key: str, name: str) -> ScoreCell | None:
    column = [v for v in results.metrics.values if v.name == name]
    mine = next((v for v in column if v.key == key), None)
    if mine is None:
        return None
    known = [v.value for v in column if v.value is not None]
    pick = max if mine.direction == "higher" else min
    best = len(known) > 1 and mine.value is not None and mine.value == pick(known)
    return ScoreCell(mine.value, mine.low, mine.high, best)


def _unit(value: MetricValue) -> str:
    return value.unit if value.unit and ".." not in value.unit else ""


def measured_names(results: Results) -> list[str]:
    """Return the names of the comparable metrics, in the order of the scores."""
    return list(dict.fromkeys(value.name for value in results.metrics.values))


def settings_of(results: Results, name: str) -> str:
    """Return in words what a metric's values rest on: images, network, precision, settings."""
    values = [value for value in results.metrics.values if value.name == name]
    counts = {value.n for value in values if value.n is not None}
    each = [f"{value.n} images of {value.key}" for value in values if value.n is not None]
    images = each if len(counts) > 1 else [f"{count} images" for count in counts]
    return ", ".join([*images, *_settings(values[0])])


def _settings(value: MetricValue) -> list[str]:
    parts = [f"extractor {value.extractor}" if value.extractor else ""]
    parts += [f"weights {value.weights_digest[:12]}" if value.weights_digest else ""]
    parts += [f"resize {value.resize}" if value.resize else ""]
    parts += [value.precision or ""]
    parts += [f"reference {value.reference_digest[:12]}" if value.reference_digest else ""]
    parts += [f"{name} {found}" for name, found in value.settings.items()]
    return [part for part in parts if part]


def printed(row: Published) -> str:
    """Return a published number with the digits of the paper."""
    return f"{row.value:g}" if row.spread is None else f"{row.value:g} ± {row.spread:g}"


def published_view(results: Results) -> list[tuple[str, dict[str, Any]]]:
    """Return (title, {quantities, systems, measured}) for each published table."""
    titles = dict.fromkeys(row.table for row in results.published)
    return [(title, _published_table(results, title)) for title in titles]


def _published_table(results: Results, title: str) -> dict[str, Any]:
    rows = [row for row in results.published if row.table == title]
    quantities = list(dict.fromkeys(row.quantity for row in rows))
    systems = []
    for system in dict.fromkeys(row.system for row in rows):
        mine = {row.quantity: row for row in rows if row.system == system}
        cells = [mine.get(quantity) for quantity in quantities]
        systems.append(
            {"system": system, "cells": cells, "source": next(iter(mine.values())).source}
        )
    return {
        "quantities": quantities,
        "systems": systems,
        "measured": _measured(results, quantities) if _beside(title) else [],
    }


def _beside(title: str) -> bool:
    return "cascade" not in title and "ablation" not in title


def _measured(results: Results, quantities: list[str]) -> list[dict[str, Any]]:
    rows = []
    conditions = dict.fromkeys(model.condition for model in results.models)
    for condition in conditions:
        values = [_measured_value(results, condition, quantity) for quantity in quantities]
        if any(value is not None for value in values):
            rows.append({"label": condition, "values": values})
    return rows


def _measured_value(results: Results, condition: str, quantity: str) -> float | None:
    name, factor, start = MEASURED_AS.get(quantity, ("", 1.0, 0.0))
    if name.startswith("fool rate"):
        if results.real_condition is not None:
            return None  # shares called real are no fool rates of two images
        task = name.removeprefix("fool rate ")
        found = [
            m.rate
            for m in results.models
            if m.condition == condition and (m.task or "task2") == task
        ]
    else:
        found = [
            v.value
            for v in results.metrics.values
            if v.key == condition and v.name == name and _as_in_the_papers(v)
        ]
    return start + factor * found[0] if found and found[0] is not None else None


def _as_in_the_papers(value: MetricValue) -> bool:
    """Return whether a classifier trained on samples is the one that the papers train."""
    return not value.name.startswith("cas_") or value.settings.get("network") == "resnet50"
