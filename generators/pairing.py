"""Which item of one folder is which of another: by equal ids, or by one pattern that fits all.

A door: other packages take the rule of ids and the templates of names from here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from generators.images.item_names import IdRule, same_id, strip_template

__all__ = ["IdRule", "Pairing", "pair_ids", "strip_template", "why_unpaired"]

_SHOWN = 3


@dataclass(frozen=True)
class Pairing:
    """`partner`: an id -> the other side's id; `said`: how, where they are not simply equal."""

    partner: dict[str, str]
    said: str = ""


def pair_ids(ids: Sequence[str], others: Sequence[str]) -> Pairing | None:
    """Return how two lists of ids pair completely, or None where they do not.

    Equal ids pair. Where none is equal, Unicode's composed form of both (NFC) is tried, and then a
    prefix and suffix that all of one side carry (``baby_SRx4`` with ``baby``). A pattern counts
    only if it pairs every item of both sides: a guess that fits some is no pairing.
    """
    if set(ids) == set(others):
        return Pairing({item: item for item in ids})
    if len(ids) != len(others) or not ids or set(ids) & set(others):
        return None
    return _composed(ids, others) or _decorated(ids, others) or _turned(_decorated(others, ids))


def _composed(ids: Sequence[str], others: Sequence[str]) -> Pairing | None:
    known = {unicodedata.normalize("NFC", other): other for other in others}
    partner = {item: known.get(unicodedata.normalize("NFC", item), "") for item in ids}
    if "" in partner.values() or len(set(partner.values())) < len(ids):
        return None
    return Pairing(partner, "names differ in Unicode form only (NFC, NFD)")


def _decorated(ids: Sequence[str], others: Sequence[str]) -> Pairing | None:
    """Return the pairing if every id is one of the others between one prefix and one suffix."""
    shortest, known = min(ids, key=len), set(others)
    extra = len(shortest) - min(map(len, others))
    if extra < 1:
        return None
    for length in range(extra + 1):
        before, after = shortest[:length], shortest[len(shortest) - (extra - length) :]
        partner = {
            item: item[length : len(item) - len(after)]
            for item in ids
            if item.startswith(before) and item.endswith(after)
        }
        if len(partner) == len(ids) and set(partner.values()) == known:
            return Pairing(partner, f"names are {before}{{id}}{after} here and {{id}} there")
    return None


def _turned(found: Pairing | None) -> Pairing | None:
    if found is None:
        return None
    said = found.said.replace(" here and {id} there", " there and {id} here")
    return Pairing({other: item for item, other in found.partner.items()}, said)


def why_unpaired(ids: Sequence[str], others: Sequence[str]) -> str:
    """Return a few ids of each side in words, and what they would have to differ in to pair."""
    shown = f"{_shown(ids)} here and {_shown(others)} there"
    if {same_id(item) for item in ids} & {same_id(other) for other in others}:
        return f"{shown}; some differ in capitals only"
    return shown


def _shown(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return ", ".join(repr(item) for item in ids[:_SHOWN]) + more
