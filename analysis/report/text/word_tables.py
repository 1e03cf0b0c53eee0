"""The tables that the page and LaTeX both print, in the words and numerals of a page.

What columns a table has stands in `analysis.columns`, which the terminal reads too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.columns import (
    AGREEMENT,
    DIFFERENCES,
    ERRORS,
    EXCLUSIONS,
    ITEMS,
    MEANS,
    OVER_IMAGES,
    OVER_MODELS,
    PAIR_SCORES,
    PICKED,
    RATES,
    SHARES,
    SIDE,
    Column,
    of_medium,
)
from analysis.numerals import PAGE
from analysis.report.results.schema import Results, Sensitivity
from analysis.report.results.values import Interval
from analysis.report.text.metric_view import metric_title
from analysis.report.text.terms import terms_of
from analysis.report.text.wording import ESTIMANDS, MINUS, level, points, sentence

Key = float | None  # what the page sorts a column by
Row = tuple[str, Sequence[str], Any]  # its name, further names, and what its numbers are of


@dataclass(frozen=True)
class WordCell:
    """One cell as words, with its own value; ``is_text`` tells a name from a number."""

    shown: str
    value: Key = None
    is_text: bool = False


@dataclass(frozen=True)
class Head:
    """One column's head; a wide page has more of them than a paper."""

    words: str
    page_only: bool = False
    is_text: bool = False


@dataclass(frozen=True)
class WordTable:
    """Rows with a name each, under columns; ``first`` heads the names.

    ``page_only``: too long for a paper.
    """

    name: str
    caption: str
    first: str
    columns: tuple[Head, ...]
    rows: tuple[tuple[str, tuple[WordCell, ...]], ...]
    page_only: bool = False


def word_tables(results: Results) -> dict[str, WordTable]:
    """Return name -> table, for the tables that these results have."""
    makers: tuple[Callable[[Results], WordTable], ...] = (
        *(
            rates,
            errors,
            further,
            ratings,
            rating_shares,
            differences,
            exclusions,
            agreement,
            items,
        ),
        *(over_models, over_images, pair_scores),
    )
    return {table.name: table for make in makers if (table := make(results)).rows}


def column_words(
    results: Results, name: str, caption: str, *, names: Sequence[str], columns: Sequence[Column],
    rows: Iterable[Row], page_only: bool = False,
) -> WordTable:  # fmt: skip
    """Return a table whose rows begin with ``names``, of which the first is the row's own."""
    terms = terms_of(results)
    words = {
        "rate": terms.rate,
        "picked": terms.picked,
        "around": terms.around,
        "level": level(results.alpha),
        "adjusted": "adjusted p",
    }
    kept = of_medium(columns, "page")
    heads = [Head(each, is_text=True) for each in names[1:]]
    heads += [Head(each.head("page", words), "paper" not in each.media) for each in kept]
    cells = tuple(
        (
            label,
            (
                *(WordCell(each, is_text=True) for each in further),
                *(WordCell(each.shown(entry, PAGE), each.value(entry)) for each in kept),
            ),
        )
        for label, further, entry in rows
    )
    return WordTable(name, caption, names[0], tuple(heads), cells, page_only)


def rates(results: Results) -> WordTable:
    """Return each model's rate with its interval, design and tests."""
    terms = terms_of(results)
    caption = f"{sentence(terms.rates)} {ESTIMANDS[results.estimand]}"
    if any(model.p_chance is not None for model in results.models):
        caption += f"; p against {terms.around}, adjusted: {results.adjustment}"
    rows = ((model.label, (), model) for model in results.models)
    return column_words(results, "rates", caption, names=["Model"], columns=RATES, rows=rows)


def errors(results: Results) -> WordTable:
    """Return both errors and the sensitivity of single images; no rows for two images a trial."""
    caption = f"Errors and sensitivity against the real photos, {ESTIMANDS[results.estimand]}"
    judged = results.judged if results.real_condition is not None else ()
    rows = (
        (m.label, (), {**vars(m), "error_on_fakes": Interval(value=m.rate, low=m.low, high=m.high)})
        for m in judged
    )
    return column_words(results, "errors", caption, names=["Model"], columns=ERRORS, rows=rows)


def further(results: Results) -> WordTable:
    """Return how often each model's output was picked over the photo, by each further question."""
    caption = f"Further questions, {ESTIMANDS[results.estimand]}"
    rows = ((each.condition, (each.words or each.question,), each) for each in results.further)
    names = ["Model", "Question"]
    return column_words(results, "further", caption, names=names, columns=PICKED, rows=rows)


def ratings(results: Results) -> WordTable:
    """Return the mean score of each condition's single images, by each ordinal question."""
    caption = f"Mean scores, {ESTIMANDS[results.estimand]}"
    labels = _by_condition(results)
    rows = (
        (labels[each.condition], (each.words or each.question,), each) for each in results.ratings
    )
    names = ["Images of", "Question"]
    return column_words(results, "ratings", caption, names=names, columns=MEANS, rows=rows)


def rating_shares(results: Results) -> WordTable:
    """Return how often each answer was given to each condition's images, by nominal questions."""
    caption = f"Answers without an order, {ESTIMANDS[results.estimand]}"
    labels = _by_condition(results)
    rows = (
        (labels[each.condition], (each.words or each.question, each.said), each)
        for each in results.rating_shares
    )
    names = ["Images of", "Question", "Answer"]
    return column_words(results, "rating-shares", caption, names=names, columns=SHARES, rows=rows)


def differences(results: Results) -> WordTable:
    """Return every pairwise difference with its tests."""
    labels = _labels(results)
    rate = terms_of(results).rate
    caption = f"Differences in {rate}, percentage points; adjusted: {results.adjustment}"
    rows = ((f"{labels[d.a]} {MINUS} {labels[d.b]}", (), d) for d in results.differences)
    return column_words(
        results, "differences", caption, names=["Comparison"], columns=DIFFERENCES, rows=rows
    )


def exclusions(results: Results) -> WordTable:
    """Return each model's rate with the study's exclusions and without them."""
    labels = _labels(results)
    caption = f"{sentence(terms_of(results).rates)} with and without the study’s exclusions"
    rows = ((labels[s.key], (), s) for s in results.sensitivity)
    made = column_words(
        results, "exclusions", caption, names=["Model"], columns=EXCLUSIONS, rows=rows
    )
    changes = [_change(each) for each in results.sensitivity]
    return WordTable(
        made.name,
        made.caption,
        made.first,
        (*made.columns, Head("Change, points", page_only=True)),
        tuple(
            (label, (*cells, change))
            for (label, cells), change in zip(made.rows, changes, strict=True)
        ),
    )


def _change(found: Sensitivity) -> WordCell:
    kept, everybody = found.with_exclusions.value, found.without_exclusions.value
    gap = None if kept is None or everybody is None else everybody - kept
    return WordCell(points(gap), gap)


def agreement(results: Results) -> WordTable:
    """Return how far raters agree on each model's images, and whether they favoured a side."""
    labels = _labels(results)
    columns = AGREEMENT if results.real_condition is not None else (*AGREEMENT, *SIDE)
    rows = ((labels[a.key], (), a) for a in results.agreement)
    return column_words(
        results,
        "agreement",
        "Agreement between raters",
        names=["Model"],
        columns=columns,
        rows=rows,
    )


def items(results: Results) -> WordTable:
    """Return the rate of every image: for the page, where it can be sorted and opened."""
    labels = _labels(results)
    caption = f"{sentence(terms_of(results).rate)} of every image"
    rows = ((i.item_id, (labels[i.key],), i) for i in results.item_rates)
    names = ["Image", "Model"]
    return column_words(
        results, "items", caption, names=names, columns=ITEMS, rows=rows, page_only=True
    )


def over_models(results: Results) -> WordTable:
    """Return each metric's correlation with the rates over models."""
    tasks = len({model.task for model in results.models}) > 1
    rows = (
        (metric_title(c.metric), (c.task or PAGE.none,) if tasks else (), c)
        for c in results.correlations
        if c.level == "model"
    )
    caption = "Over models: does the metric rank them as people do?"
    names = ["Metric", "Task"] if tasks else ["Metric"]
    return column_words(
        results, "over-models", caption, names=names, columns=OVER_MODELS, rows=rows
    )


def over_images(results: Results) -> WordTable:
    """Return each metric's correlation with the images' rates, within each model."""
    labels = _labels(results)
    rows = (
        (metric_title(c.metric), (labels.get(c.key or "", c.key or ""),), c)
        for c in results.correlations
        if c.level == "image"
    )
    caption = "Over images, within each model: does the metric find the images that fool?"
    return column_words(
        results, "over-images", caption, names=["Metric", "Model"], columns=OVER_IMAGES, rows=rows
    )


def pair_scores(results: Results) -> WordTable:
    """Return how often each metric prefers, of two outputs, the one that fooled more."""
    rows = ((metric_title(s.metric), (), s) for s in results.pair_scores)
    caption = "Two outputs of one image: does the metric prefer the one that fooled more?"
    return column_words(
        results, "pair-scores", caption, names=["Metric"], columns=PAIR_SCORES, rows=rows
    )


def _by_condition(results: Results) -> dict[str, str]:
    """Return condition -> label; studies of single images have no tasks."""
    return {model.condition: model.label for model in results.models}


def _labels(results: Results) -> dict[str, str]:
    return {model.key: model.label for model in results.models}
