"""The table and the JSON of `analysis compare`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.commands.terminal import SIMULATED, number, p_text, percent, plain, text_table
from analysis.rates.comparisons import MARGIN, against_half, compare
from analysis.rates.fool_rates import ESTIMAND_WORDS
from analysis.rates.odds_ratios import odds_ratios
from analysis.rates.verdict import TWO_IMAGES, Verdict


def compare_payload(
    judgments: pd.DataFrame,
    *,
    baseline: str | None = None,
    estimand: str = "population",
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
        "estimand": estimand,
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
    """Return the payload as text tables with their notes."""
    entries, settings = payload["comparisons"], payload["settings"]
    parts = [_pairs_text(entries, settings)] if entries else []
    parts.append(_halves_text(payload["against_half"], settings))
    parts += [f"note: {e['first']} - {e['second']}: {flag}" for e in entries for flag in e["flags"]]
    parts += _permutation_notes(entries, settings)
    if payload["odds_ratios"]:
        parts.append(_odds_text(payload["odds_ratios"]))
    if any(each["simulated"] for each in (*entries, *payload["against_half"])):
        parts.insert(0, SIMULATED)
    return "\n\n".join(parts)


def _pairs_text(entries: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    permuted = settings["permutations"] > 0
    header = ["difference (points)", "task", "value"]
    header += [f"{100 * (1 - settings['alpha']):g} % interval", "p", f"p {settings['correction']}"]
    header += ["p equiv.", "p non-inf.", "shared raters/images"]
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
    return text_table([*header, *(["p perm., these images"] if permuted else [])], rows)


def _halves_text(entries: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    header = ["against 50 %", "task", "fool rate %", "p", f"p {settings['correction']}"]
    header += [f"TOST ±{100 * settings['margin']:g}", "verdict"]
    rows = [
        [each["condition"], each["task"] or "-", percent(each["rate"]), p_text(each["p"]),
         p_text(each["p_adjusted"]), p_text(each["p_equivalent"]),
         TWO_IMAGES[Verdict(each["verdict"])]]
        for each in entries
    ]  # fmt: skip
    estimand = settings["estimand"]
    words = f"estimand: {estimand} ({ESTIMAND_WORDS[estimand]})"
    return f"{text_table(header, rows)}\n{words}"


def _permutation_notes(entries: list[dict[str, Any]], settings: dict[str, Any]) -> list[str]:
    """Return what the permutation test holds for, and where there was none."""
    if not settings["permutations"]:
        return []
    found = [
        f"note: {each['first']} - {each['second']}: no permutation test, {why}"
        for each in entries
        if (why := each["permutation_refused"])
    ]
    if any(each["p_permutation"] is not None for each in entries):
        words = "note: p perm. holds for new raters on these images only (fixed-images)"
        if settings["estimand"] != "fixed-images":
            words += "; for new images read p, since equally good models differ on any few images"
        found.append(words)
    return found


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
