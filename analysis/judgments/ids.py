"""One rule for when two ids are the same, and when they only look it.

*The same* are ids that differ in what nobody can see: blanks at the ends, the kind or number of
blanks inside, the Unicode form (NFC or NFD) and characters without width. They are made one.

*Alike* are ids that then still differ in case, width (full-width letters), leading zeros, or in
letters of another alphabet that look like Latin ones (Cyrillic а, Greek Ο). Whether they are one
is for a person to say: a reader of somebody's table refuses them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache

# Words for "there is no value", as `folded`. A spreadsheet's #N/A is a formula that failed.
MISSING = ("", "na", "n/a", "nan", "null", "none", "<na>", "nat")

# Letters that look like Latin ones, casefolded: the common ones of Unicode's confusables (TR 39).
_ALPHABETS = {
    "a": "аα", "b": "вβ", "c": "сϲ", "d": "ԁ", "e": "еε", "h": "һнη", "i": "іιı", "j": "ј",
    "k": "кκ", "m": "м", "n": "ν", "o": "оοօσς", "p": "рρ", "q": "ԛ", "s": "ѕ", "t": "тτ",
    "u": "υս", "w": "ԝω", "x": "хχ", "y": "уγү", "z": "ζ", "-": "‐‑‒–—−", "'": "‘’", '"': "“”",
}  # fmt: skip
_LOOK_ALIKE = {ord(each): latin for latin, others in _ALPHABETS.items() for each in others}


def same_id(text: str) -> str:
    """Return an id as it is written down: NFC, nothing invisible, single blanks, none at the ends.

    >>> same_id(" R\\u200b1\\u00a0 ")
    'R1'
    """
    if text.isascii() and " " not in text and text.isprintable():
        return text
    seen = "".join(each for each in text if unicodedata.category(each) != "Cf")
    return " ".join(unicodedata.normalize("NFC", seen).split())


@lru_cache(maxsize=2**14)  # a table has millions of cells and few answers
def folded(text: str) -> str:
    """Return a word as answers are compared: as `same_id`, and without case and width.

    A whole number written with zeros behind its point is that number, so that "1.0" is "1".
    """
    plain = " ".join(unicodedata.normalize("NFKC", same_id(text)).casefold().split())
    return re.sub(r"^([+-]?\d+)\.0+$", r"\1", plain)


def last_part(name: str) -> str:
    """Return a column's name behind its last dot or colon, `folded`: programs nest what they store.

    >>> last_part("data.Key_Resp")
    'key_resp'
    """
    return re.split("[.:]", folded(name))[-1]


def drawn(text: str) -> str:
    """Return an id as it looks on paper, without case, width and blanks.

    >>> drawn("R-1") == drawn("r\\u20131") == drawn("Ｒ -1")
    True
    """
    return folded(text).translate(_LOOK_ALIKE).replace(" ", "")


def alike(text: str) -> str:
    """Return what ids that look alike have in common: as `drawn`, and without leading zeros."""
    return re.sub(r"(?<![\d.])0+(?=\d)", "", drawn(text))


def look_alikes(ids: Iterable[str], look: Callable[[str], str] = alike) -> list[tuple[str, ...]]:
    """Return the groups of different ids that look alike, each sorted, in sorted order."""
    groups: dict[str, set[str]] = {}
    for each in ids:
        groups.setdefault(look(each), set()).add(each)
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)


def shown(text: str) -> str:
    """Return an id in quotes, with a letter of another alphabet by its number too."""
    return repr(text) if text.isascii() else f"{text!r} ({text!a})"


def written_twice(ids: Iterable[str]) -> tuple[str, str] | None:
    """Return two different spellings of one id, which differ in what nobody can see, or None."""
    seen: dict[str, str] = {}
    for each in sorted(ids):
        first = seen.setdefault(same_id(each), each)
        if first != each:
            return first, each
    return None
