"""The tables that the page and LaTeX both print: each column once, as words and as sort keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analysis.report.results.schema import Interval, Model, Results
from analysis.report.text.terms import terms_of
from analysis.report.text.wording import (
    ESTIMANDS,
    MINUS,
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

Key = float | None  # what the page sorts a column by


@dataclass(frozen=True)
class WordCell:
    """One number as words, with its own value."""

    shown: str
    value: Key = None


@dataclass(frozen=True)
class Column:
    """One column's head; a wide page has more of them than a paper."""

    words: str
    page_only: bool = False


@dataclass(frozen=True)
class WordTable:
    """Rows with a name each, under columns; ``first`` heads the names."""

    name: str
    caption: str
    first: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[WordCell, ...]], ...]


def word_tables(results: Results) -> dict[str, WordTable]:
    """Return name -> table, for the tables that these results have."""
    makers: tuple[Callable[[Results], WordTable], ...] = (rates, errors, differences, exclusions)
    return {table.name: table for make in makers if (table := make(results)).rows}


def rates(results: Results) -> WordTable:
    """Return each model's rate with its interval, design and tests."""
    terms = terms_of(results)
    caption = f"{sentence(terms.rates)} {ESTIMANDS[results.estimand]}"
    if any(model.p_chance is not None for model in results.models):
        caption += f"; p against {terms.around}, adjusted: {results.adjustment}"
    columns = (
        *(Column(sentence(terms.rate)), Column(f"{level(results.alpha)} interval")),
        *(Column("Trials"), Column("Raters"), Column("Images"), Column("Effective n")),
        *(Column("Design effect"), Column("d′"), Column(f"p, {terms.around}", page_only=True)),
        *(Column("adjusted p"), Column("p, equivalence")),
    )
    rows = tuple((model.label, _rate_cells(model)) for model in results.models)
    return WordTable("rates", caption, "Model", columns, rows)


def _rate_cells(m: Model) -> tuple[WordCell, ...]:
    return (
        WordCell(percent(m.rate), m.rate),
        WordCell(interval(m.low, m.high), m.low),
        *(WordCell(count(each), each) for each in (m.trials, m.raters, m.items)),
        WordCell(number(m.n_eff, 0), m.n_eff),
        WordCell(number(m.deff), m.deff),
        WordCell(number(m.d_prime.value, 2), m.d_prime.value),
        *(WordCell(p_value(p), p) for p in (m.p_chance, m.p_adjusted, m.p_equivalence)),
    )


def errors(results: Results) -> WordTable:
    """Return both errors and the sensitivity of single images; no rows for two images a trial."""
    ends = Column(f"{level(results.alpha)} interval")
    only = Column(ends.words, page_only=True)
    caption = f"Errors and sensitivity against the real photos, {ESTIMANDS[results.estimand]}"
    columns = (
        *(Column("Error on fakes"), Column("Error on reals"), Column("Human error"), ends),
        *(Column("From real photos, points", page_only=True), only),
        *(Column("d′"), ends, Column("Criterion"), ends),
    )
    judged = results.judged if results.real_condition is not None else ()
    return WordTable(
        "errors", caption, "Model", columns, tuple((m.label, _error_cells(m)) for m in judged)
    )


def _error_cells(m: Model) -> tuple[WordCell, ...]:
    gap = m.above_real
    return (
        WordCell(percent(m.rate), m.rate),
        WordCell(percent(m.error_on_reals.value), m.error_on_reals.value),
        *_share_cells(m.human_error),
        *(
            WordCell(points(gap.value), gap.value),
            WordCell(point_interval(gap.low, gap.high), gap.low),
        ),
        *_number_cells(m.d_prime),
        *_number_cells(m.criterion),
    )


def differences(results: Results) -> WordTable:
    """Return every pairwise difference with its tests."""
    names = {model.key: model.label for model in results.models}
    rate = terms_of(results).rate
    caption = f"Differences in {rate}, percentage points; adjusted: {results.adjustment}"
    columns = (
        *(Column("Difference"), Column(f"{level(results.alpha)} interval")),
        *(Column("p"), Column("adjusted p")),
        *(Column("Shared raters", page_only=True), Column("Shared images", page_only=True)),
    )
    rows = tuple(
        (
            f"{names[d.a]} {MINUS} {names[d.b]}",
            (
                WordCell(points(d.difference), d.difference),
                WordCell(point_interval(d.low, d.high), d.low),
                *(WordCell(p_value(p), p) for p in (d.p, d.p_adjusted)),
                *(WordCell(count(each), each) for each in (d.shared_raters, d.shared_items)),
            ),
        )
        for d in results.differences
    )
    return WordTable("differences", caption, "Comparison", columns, rows)


def exclusions(results: Results) -> WordTable:
    """Return each model's rate with the study's exclusions and without them."""
    names = {model.key: model.label for model in results.models}
    ends = Column(f"{level(results.alpha)} interval")
    caption = f"{sentence(terms_of(results).rates)} with and without the study’s exclusions"
    columns = (
        *(Column("With exclusions"), ends, Column("Without"), ends),
        Column("Change, points", page_only=True),
    )
    rows = tuple(
        (
            names[s.key],
            (
                *_share_cells(s.with_exclusions),
                *_share_cells(s.without_exclusions),
                _change(s.with_exclusions.value, s.without_exclusions.value),
            ),
        )
        for s in results.sensitivity
    )
    return WordTable("exclusions", caption, "Model", columns, rows)


def _change(kept: Key, everybody: Key) -> WordCell:
    gap = None if kept is None or everybody is None else everybody - kept
    return WordCell(points(gap), gap)


def _share_cells(found: Interval) -> tuple[WordCell, WordCell]:
    return WordCell(percent(found.value), found.value), WordCell(
        interval(found.low, found.high), found.low
    )


def _number_cells(found: Interval) -> tuple[WordCell, WordCell]:
    words = span(found.low, found.high, 2)
    return WordCell(number(found.value, 2), found.value), WordCell(words, found.low)
