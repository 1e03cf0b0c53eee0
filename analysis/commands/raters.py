"""The table and the JSON of `analysis raters`: records, exclusions, and what they change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.columns import AGREEMENT, EXCLUSIONS
from analysis.commands.tables.terminal import (
    SIMULATED,
    column_table,
    plain,
    text_table,
)
from analysis.comparisons.real_or_fake import check_real
from analysis.errors import DesignError
from analysis.inference.agreement import judgments_alpha, split_half
from analysis.inference.clustered.crossed_design import design
from analysis.judgments.table import alike_ids, cells
from analysis.models.components import components_of_judgments
from analysis.raters.exclusions import apply_exclusions, exclusions, without_effect
from analysis.raters.facts import rater_facts
from analysis.rates.fool_rates import fool_rates
from analysis.rates.shrinkage import rater_rates


def raters_payload(
    judgments: pd.DataFrame,
    *,
    rules: Mapping[str, Any],
    estimand: str = "population",
    alpha: float = 0.05,
    real: str | None = None,
) -> dict[str, Any]:
    """Return flow, reasons, raters' records, agreement, and rates with and without exclusions."""
    if real is not None:
        check_real(judgments, real)
    found = exclusions(judgments, {name: _limit(name, value) for name, value in rules.items()})
    kept = apply_exclusions(judgments, found)
    facts = rater_facts(judgments).reset_index()
    records = [
        {**row, "excluded_by": list(found.reasons.get(row["rater_id"], ()))}
        for row in facts.to_dict("records")
    ]
    rates = {
        "without_exclusions": fool_rates(judgments, estimand=estimand, alpha=alpha),
        "with_exclusions": fool_rates(kept, estimand=estimand, alpha=alpha),
    }
    shrunken = [
        {**key, **row}
        for key, rows in cells(kept)
        if rows["fooled"].notna().any()
        for row in rater_rates(rows, alpha).to_dict("records")
    ]
    return {
        "flow": plain(found.flow),
        "rules": found.rules,
        "alpha": alpha,
        "notes": [*alike_ids(judgments), *without_effect(judgments, found.rules)],
        "reasons": plain(found.reasons),
        "raters": plain(records),
        "rater_rates": plain(shrunken),
        "agreement": [_agreement(key, rows) for key, rows in cells(kept)],
        **plain(rates),
        "simulated": bool(judgments["simulated"].any()),
        **({"real": real} if real else {}),
    }


def _limit(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DesignError(f"the limit of {name} is {value!r}, expected a number") from None


def _agreement(key: dict[str, str], rows: pd.DataFrame) -> dict[str, Any]:
    """Return Krippendorff's α, variance shares and split-half reliability of one condition."""
    answered = rows[rows["fooled"].notna()]
    shares: dict[str, float] | None = None
    if len(answered):
        codes = (answered[name].cat.codes.to_numpy() for name in ("rater_id", "item_id"))
        who = design(*codes)
        if who.raters > 1 and who.items > 1:
            y = answered["fooled"].to_numpy(dtype=np.float64)
            shares = components_of_judgments(y, who).shares
    return {
        **key,
        "krippendorff_alpha": plain(judgments_alpha(rows)) if len(answered) else None,
        "split_half": plain(split_half(rows)),
        "variance_shares": shares,
    }


def raters_text(payload: dict[str, Any]) -> str:
    """Return flow, broken rules, rates with and without, and agreement as text tables."""
    flow = [
        [each["step"], "" if each["limit"] is None else f"{each['limit']:g}",
         each["raters_out"], each["raters"], each["judgments"]]
        for each in payload["flow"]
    ]  # fmt: skip
    parts = [text_table(["flow", "limit", "raters out", "raters left", "main trials"], flow)]
    if payload["reasons"]:
        broken = [[rater, ", ".join(why)] for rater, why in payload["reasons"].items()]
        parts.append(text_table(["excluded rater", "rules broken"], broken))
    kept = {(e["condition"], e["task"]): e for e in payload["with_exclusions"]}
    rows = [
        (
            [each["condition"], each["task"] or "-"],
            {
                "with_exclusions": _rate(kept.get((each["condition"], each["task"]))),
                "without_exclusions": _rate(each),
            },
        )
        for each in payload["without_exclusions"]
    ]
    rate = "called real" if "real" in payload else "fool rate"
    parts.append(column_table([rate, "task"], EXCLUSIONS, rows, alpha=payload["alpha"]))
    parts.append(_agreement_text(payload["agreement"], payload["alpha"]))
    if payload["notes"]:
        parts.append("\n".join(f"note: {each}" for each in payload["notes"]))
    if payload["simulated"]:
        parts.insert(0, SIMULATED)
    return "\n\n".join(parts)


def _agreement_text(entries: list[dict[str, Any]], alpha: float) -> str:
    nothing = {"rater": None, "item": None}
    rows = [
        (
            [each["condition"], each["task"] or "-"],
            {
                "alpha": each["krippendorff_alpha"],
                "split_half": each["split_half"],
                "variance_shares": each["variance_shares"] or nothing,
            },
        )
        for each in entries
    ]
    low = "a low α means that people guess, which is what a good generator makes them do"
    return f"{column_table(['agreement', 'task'], AGREEMENT, rows, alpha=alpha)}\n{low}"


def _rate(entry: dict[str, Any] | None) -> dict[str, float | None]:
    if entry is None:
        return dict.fromkeys(("value", "low", "high"))
    return {"value": entry["rate"], "low": entry["low"], "high": entry["high"]}
