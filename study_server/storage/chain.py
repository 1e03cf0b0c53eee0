"""The chain of a session's judgments: each link is a digest of the one before and of the row.

Anybody who changes, takes out or puts in a stored judgment breaks it (`study verify-export`).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

GENESIS = "0" * 64  # what the first link of every session's chain is chained to
CHAINED = (
    *("position", "key", "choice", "fooled", "rt_ms", "exposure_ms", "refresh_hz"),
    *("dropped_frames", "hidden_count", "hidden_ms", "input", "answered_during_exposure"),
    *("scale", "pixel_ratio", "late_ms", "layout", "views", "answers", "viewport", "reason"),
    "answered_at",
)
# Judgments stored by the first version, which had no columns for these two.
CHAINED_AT_FIRST = tuple(name for name in CHAINED if name not in ("layout", "views"))


def chain_link(
    before: str, number: int, row: dict[str, Any], names: tuple[str, ...] | None = None
) -> str:
    """Return the sha256 over the link before, the rater's number and a judgment's fields.

    `answers`, `viewport` and `reason` are fields of the trials that have them: the others' links
    are those of before.
    """
    fields = {name: row[name] for name in names or CHAINED} | {"rater": number}
    for added in ("answers", "viewport", "reason"):
        if fields.get(added) is None:
            fields.pop(added, None)
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


def reason_digest(words: str, taken_ms: float | None, nonce: str) -> str:
    """Return what a judgment holds of its reason.

    Who deletes words and nonce leaves a digest that tells nobody what they were, and the chain
    whole.
    """
    text = json.dumps([nonce, words, taken_ms], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
