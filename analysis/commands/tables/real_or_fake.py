"""The tables of single images, real or fake, in `analysis fool-rates` and `analysis compare`."""

from __future__ import annotations

from typing import Any

from analysis.columns import AGAINST_REAL, ERRORS
from analysis.commands.tables.terminal import column_table, test_words
from analysis.comparisons.verdict import ONE_IMAGE, Verdict
from analysis.rates.fool_rates import ESTIMAND_WORDS

MEANINGS = (
    "called real: the share of images that raters called real; it is the error on fakes",
    "human error: the mean of the errors on fakes and on reals; 50 % = cannot tell",
    "d′ = z(called real, of reals) - z(called real, of fakes)",
    "criterion > 0: fake is said too readily",
)


def errors_text(entries: list[dict[str, Any]], alpha: float) -> str:
    """Return errors, d' and criterion of each condition, against the real photos of its task."""
    tasks = any(each["task"] for each in entries)
    names = [f"against {entries[0]['real']}", *(["task"] if tasks else [])]
    rows = [([each["condition"], *([each["task"]] if tasks else [])], each) for each in entries]
    return "\n".join([column_table(names, ERRORS, rows, alpha=alpha), *MEANINGS, *_notes(entries)])


def against_real_text(entries: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    """Return each condition's difference from the real photos, its tests and its verdict."""
    rows = [
        (
            [each["condition"], each["task"] or "-"],
            {**each, "said": ONE_IMAGE[Verdict(each["verdict"])]},
        )
        for each in entries
    ]
    table = column_table(
        [f"against {settings['real']}", "task"], AGAINST_REAL, rows,
        alpha=settings["alpha"], words=test_words(settings),
    )  # fmt: skip
    estimand = settings["estimand"]
    words = (
        f"difference: called real, minus that of the real photos; estimand: {estimand}"
        f" ({ESTIMAND_WORDS[estimand]})"
    )
    return "\n".join([table, words, *_notes(entries)])


def _notes(entries: list[dict[str, Any]]) -> list[str]:
    return [f"note: {each['condition']}: {flag}" for each in entries for flag in each["flags"]]
