"""The table and the JSON of `analysis items`: shrunken per-image fool rates."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.columns import ITEMS
from analysis.commands.tables.terminal import (
    FOOLED_WORDS,
    REAL_WORDS,
    SIMULATED,
    column_table,
    plain,
)
from analysis.comparisons.real_or_fake import check_real
from analysis.errors import DesignError
from analysis.judgments.table import cells
from analysis.numerals import counted
from analysis.rates.shrinkage import item_rates


def items_payload(
    judgments: pd.DataFrame, *, alpha: float = 0.05, real: str | None = None
) -> dict[str, Any]:
    """Return ``{"items": [...]}``: every image of every condition and task, most fooling first.

    With ``real``, the real photos of a study of single images, rates are shares called real.
    """
    if real is not None:
        check_real(judgments, real)
    entries = [
        {**key, **row, "simulated": bool(rows["simulated"].any())}
        for key, rows in cells(judgments)
        if rows["fooled"].notna().any()
        for row in item_rates(rows, alpha).to_dict("records")
    ]
    if not entries:
        raise DesignError(f"no answered trial: all {counted(len(judgments), 'judgment')} are skips")
    return {"items": plain(entries), "alpha": alpha, **({"real": real} if real else {})}


def items_text(payload: dict[str, Any], top: int) -> str:
    """Return the most fooling images of each condition and task as text tables."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in payload["items"]:
        groups.setdefault((each["condition"], each["task"]), []).append(each)
    words = REAL_WORDS if "real" in payload else FOOLED_WORDS
    parts = [SIMULATED] if any(each["simulated"] for each in payload["items"]) else []
    for (condition, task), entries in groups.items():
        rows = [
            ([each["item_id"]], {**each, "shrunk": each["shrunken"], "judgments": each["trials"]})
            for each in entries[:top]
        ]
        title = f"{condition} {task}".strip()
        names = [f"{title}: image"]
        parts.append(column_table(names, ITEMS, rows, alpha=payload["alpha"], words=words))
    return "\n\n".join(parts)
