"""The tables of single images, real or fake, in `analysis fool-rates` and `analysis compare`."""

from __future__ import annotations

from typing import Any

from analysis.columns import ERRORS
from analysis.commands.terminal import column_table, interval, p_text, percent, text_table
from analysis.rates.fool_rates import ESTIMAND_WORDS
from analysis.rates.verdict import ONE_IMAGE, Verdict

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
    header = [f"against {settings['real']}", "task", "difference (points)"]
    header += [f"{100 * (1 - settings['alpha']):g} % interval", "p", f"p {settings['correction']}"]
    header += [f"TOST ±{100 * settings['margin']:g}", "verdict"]
    rows = [
        [
            each["condition"],
            each["task"] or "-",
            *_shares(each["difference"]),
            *(p_text(each[key]) for key in ("p", "p_adjusted", "p_equivalent")),
            ONE_IMAGE[Verdict(each["verdict"])],
        ]
        for each in entries
    ]
    estimand = settings["estimand"]
    words = (
        f"difference: called real, minus that of the real photos; estimand: {estimand}"
        f" ({ESTIMAND_WORDS[estimand]})"
    )
    return "\n".join([text_table(header, rows), words, *_notes(entries)])


def _notes(entries: list[dict[str, Any]]) -> list[str]:
    return [f"note: {each['condition']}: {flag}" for each in entries for flag in each["flags"]]


def _shares(estimate: dict[str, float | None]) -> tuple[str, str]:
    return percent(estimate["value"]), interval(estimate["low"], estimate["high"])
