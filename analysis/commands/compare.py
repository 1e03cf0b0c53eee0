"""The table and the JSON of `analysis compare`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.columns import AGAINST_HALF, DIFFERENCES, ODDS_RATIOS, PERMUTED
from analysis.commands.tables.real_or_fake import against_real_text
from analysis.commands.tables.terminal import (
    SIMULATED,
    column_table,
    plain,
    test_words,
)
from analysis.comparisons.against_half import against_half
from analysis.comparisons.comparisons import compare
from analysis.comparisons.odds_ratios import odds_ratios
from analysis.comparisons.real_or_fake import against_real, caution, check_real
from analysis.comparisons.verdict import MARGIN, TWO_IMAGES, Verdict
from analysis.errors import DesignError
from analysis.rates.fool_rates import ESTIMAND_WORDS


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
    real: str | None = None,
) -> dict[str, Any]:
    """Return the keys comparisons, against_half, odds_ratios (None unless asked), settings.

    With ``real``, the condition of real photos of single-image trials, ``against_real`` stands in
    the place of ``against_half`` and the pairs are of the other conditions.
    """
    shared: dict[str, Any] = {
        "estimand": estimand,
        "family": family,
        "correction": correction,
        "margin": margin,
        "alpha": alpha,
    }
    how: dict[str, Any] = {"permutations": permutations, "seed": seed}
    reference: dict[str, Any] = {}
    models = judgments
    if real is None:
        reference["against_half"] = plain(against_half(judgments, **shared))
        if said := caution(judgments):
            reference["caution"] = said
    else:
        models = _models(judgments, real, baseline)
        reference["against_real"] = plain(against_real(judgments, real, **shared))
        shared["family"] = [name for name in family if name != real]
    pairs = compare(models, baseline=baseline, **how, **shared)
    ratios = odds_ratios(judgments, baseline=baseline or real, alpha=alpha) if odds else None
    settings = {"baseline": baseline, **({"real": real} if real else {}), **how, **shared}
    return {
        "odds_ratios": plain(ratios),
        "comparisons": plain(pairs),
        **reference,
        "settings": plain(settings),
    }


def _models(judgments: pd.DataFrame, real: str, baseline: str | None) -> pd.DataFrame:
    """Return the judgments of the conditions that are not the real photos."""
    if baseline == real:
        raise DesignError(
            f"{real!r} is both the real photos and the baseline: leave --baseline out, every"
            " condition is held against the real photos anyway"
        )
    check_real(judgments, real)
    return judgments[judgments["condition"] != real]


def compare_text(payload: dict[str, Any]) -> str:
    """Return the payload as text tables with their notes."""
    entries, settings = payload["comparisons"], payload["settings"]
    parts = [_pairs_text(entries, settings)] if entries else []
    reference = payload.get("against_real", payload.get("against_half", []))
    if "real" in settings:
        parts.append(against_real_text(reference, settings))
    else:
        parts.append(_halves_text(reference, settings))
    if "caution" in payload:
        parts.append(f"note: {payload['caution']}")
    parts += [f"note: {e['first']} - {e['second']}: {flag}" for e in entries for flag in e["flags"]]
    parts += _permutation_notes(entries, settings)
    if payload["odds_ratios"]:
        parts.append(_odds_text(payload["odds_ratios"], settings["alpha"]))
    if any(each["simulated"] for each in (*entries, *reference)):
        parts.insert(0, SIMULATED)
    return "\n\n".join(parts)


def _pairs_text(entries: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    columns = [*DIFFERENCES, *([PERMUTED] if settings["permutations"] > 0 else [])]
    rows = [([f"{each['first']} - {each['second']}", each["task"] or "-"], each)
            for each in entries]  # fmt: skip
    words = {"adjusted": f"p {settings['correction']}"}
    return column_table(["comparison", "task"], columns, rows, alpha=settings["alpha"], words=words)


def _halves_text(entries: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    rows = [
        (
            [each["condition"], each["task"] or "-"],
            {**each, "said": TWO_IMAGES[Verdict(each["verdict"])]},
        )
        for each in entries
    ]
    words = test_words(settings)
    table = column_table(
        ["against 50 %", "task"], AGAINST_HALF, rows, alpha=settings["alpha"], words=words
    )
    estimand = settings["estimand"]
    return f"{table}\nestimand: {estimand} ({ESTIMAND_WORDS[estimand]})"


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


def _odds_text(entries: list[dict[str, Any]], alpha: float) -> str:
    rows = [
        ([f"{each['condition']} : {each['baseline']}", each["task"] or "-"], each)
        for each in entries
    ]
    table = column_table(["odds ratio (GLMM)", "task"], ODDS_RATIOS, rows, alpha=alpha)
    notes = [
        f"note: {each['condition']} : {each['baseline']}: {flag}"
        for each in entries
        for flag in each["flags"]
    ]
    words = "for a given rater and image: farther from 1 than the rates' odds"
    return "\n".join([table, words, *notes])
