"""The table and the JSON of `analysis compare`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.commands.terminal import SIMULATED, number, p_text, percent, plain, text_table
from analysis.rates.comparisons import MARGIN, against_half, compare
from analysis.rates.odds_ratios import odds_ratios


def compare_payload(
    judgments: pd.DataFrame,
    *,
    baseline: str | None = None,
    family: Sequence[str] = (),
    correction: str = "holm",
    margin: float = MARGIN,
    alpha: float = 0.05,
    permutations: int = 0,
    seed: int = 0,
    odds: bool = False,
) -> dict[str, Any]:
    """Return the keys comparisons, against_half, odds_ratios (None unless asked), settings."""
    shared: dict[str, Any] = {
        "family": family,
        "correction": correction,
        "margin": margin,
        "alpha": alpha,
    }
    pairs = compare(judgments, baseline=baseline, permutations=permutations, seed=seed, **shared)
    halves = against_half(judgments, **shared)
    settings = {"baseline": baseline, "permutations": permutations, "seed": seed, **shared}
    ratios = odds_ratios(judgments, baseline=baseline, alpha=alpha) if odds else None
    return {
        "odds_ratios": plain(ratios),
        "comparisons": plain(pairs),
        "against_half": plain(halves),
        "settings": plain(settings),
    }


def compare_text(payload: dict[str, Any]) -> str:
    """Return the payload as two text tables."""
    settings = payload["settings"]
    entries = payload["comparisons"]
    permuted = settings["permutations"] > 0
    header = [
        "difference (points)",
        "task",
        "value",
        f"{100 * (1 - settings['alpha']):g} % interval",
    ]
    header += ["p", f"p {settings['correction']}", "p equiv.", "p non-inf.", "shared raters/images"]
    rows = [
        [
            f"{each['first']} - {each['second']}",
            each["task"] or "-",
            percent(each["difference"]),
            "-" if each["low"] is None else f"{percent(each['low'])} to {percent(each['high'])}",
            *(p_text(each[key]) for key in ("p", "p_adjusted", "p_equivalent", "p_noninferior")),
            f"{each['shared_raters']}/{each['shared_items']}",
            *([p_text(each["p_permutation"])] if permuted else []),
        ]
        for each in entries
    ]
    halves = [
        [each["condition"], each["task"] or "-", percent(each["rate"]), p_text(each["p"]),
         p_text(each["p_adjusted"]), p_text(each["p_equivalent"]), each["verdict"]]
        for each in payload["against_half"]
    ]  # fmt: skip
    columns = ["against 50 %", "task", "fool rate %", "p", f"p {settings['correction']}"]
    parts = [
        text_table([*header, *(["p perm."] if permuted else [])], rows),
        text_table([*columns, f"TOST ±{100 * settings['margin']:g}", "verdict"], halves),
        *(f"note: {e['first']} - {e['second']}: {flag}" for e in entries for flag in e["flags"]),
    ]
    if payload["odds_ratios"]:
        parts.append(_odds_text(payload["odds_ratios"]))
    if any(each["simulated"] for each in (*entries, *payload["against_half"])):
        parts.insert(0, SIMULATED)
    return "\n\n".join(parts)


def _odds_text(entries: list[dict[str, Any]]) -> str:
    rows = [
        [
            f"{each['condition']} : {each['baseline']}",
            each["task"] or "-",
            number(each["odds_ratio"], 2),
            f"{number(each['low'], 2)} to {number(each['high'], 2)}",
            p_text(each["p"]),
        ]
        for each in entries
    ]
    table = text_table(["odds ratio (GLMM)", "task", "value", "interval", "p"], rows)
    return f"{table}\nfor a given rater and image: farther from 1 than the rates' odds"
