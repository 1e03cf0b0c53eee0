"""Ids under the one rule of `ids`, pseudonyms for raters, and what could name a person."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from analysis.errors import TableError
from analysis.judgments.ids import folded, look_alikes, same_id, shown
from analysis.numerals import counted
from generators.errors import cause
from generators.files import write_atomically
from generators.foreign_text import as_meant, inert

ROUNDED = re.compile(r"\d([.,]\d+)?[eE]\+\d+")
NO_ID = ("nan", "na", "n/a", "null", "undefined", "<na>", "#n/a", "nat")
PERSONAL = {
    "an e-mail address": re.compile(r"[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}"),
    "an IP address": re.compile(r"\d{1,3}(\.\d{1,3}){3}|(?=.*:.*:)[0-9a-fA-F:]{6,39}"),
    "a panel's id": re.compile(r"[0-9a-f]{24}|A[0-9A-Z]{11,14}"),
}


def under_one_rule(
    columns: Sequence[pd.Series], what: str, decision: str | None, said: list[str]
) -> list[pd.Series]:
    """Return columns of one kind of id, each id in one spelling.

    `decision` is what to do with ids that look alike: "one" takes the most frequent spelling,
    "different" keeps them, None refuses them.

    Raises
    ------
    TableError
        Ids look alike and nobody decided.
    """
    cells = pd.concat(list(columns)) if len(columns) > 1 else columns[0]
    spelled = {cell: same_id(cell) for cell in cells.unique()}
    spelled = {cell: "" if folded(each) in NO_ID else each for cell, each in spelled.items()}
    spelled = _without_point_zero(spelled)
    merged = len(spelled) - len(set(spelled.values()) | {""})
    if merged > 0:
        said.append(f"{what}: {merged} spellings that differ in blanks or Unicode form made one")
    rounded = next((each for each in spelled.values() if ROUNDED.fullmatch(each)), None)
    rounded = rounded or _of_15_digits(spelled.values())
    if rounded is not None:
        said.append(
            f"caution: {what} {rounded!r} is a number that a spreadsheet rounded: different ids may"
            " have become one; export them anew as text"
        )
    groups = look_alikes(set(spelled.values()))
    if groups and decision is None:
        them = " and ".join(map(shown, groups[0]))
        raise TableError(
            f"{what} {them} look alike ({counted(len(groups), 'such group')}); give"
            " --look-alikes one, or --look-alikes different"
        )
    if groups and decision == "one":
        counts = Counter(spelled[cell] for cell in cells)
        chosen = {
            each: max(group, key=lambda one: counts[one]) for group in groups for each in group
        }
        spelled = {cell: chosen.get(each, each) for cell, each in spelled.items()}
        said.append(f"{what}: {counted(len(groups), 'group')} of ids that look alike made one each")
    return [column.map(spelled) for column in columns]


def _of_15_digits(ids: Iterable[str]) -> str | None:
    """Return a long number if all of them end in zeros: spreadsheets keep 15 digits."""
    long = {each for each in ids if re.fullmatch(r"\d{16,}", each)}
    return min(long) if len(long) > 1 and not any(each[15:].strip("0") for each in long) else None


def _without_point_zero(spelled: dict[str, str]) -> dict[str, str]:
    """Return ids without ".0" where all are whole numbers, as a float column of pandas is."""
    filled = [each for each in spelled.values() if each]
    if any(each.endswith(".0") for each in filled) and all(
        re.fullmatch(r"\d+(\.0+)?", each) for each in filled
    ):
        return {cell: each.partition(".")[0] for cell, each in spelled.items()}
    return spelled


def pseudonyms(
    ids: pd.Series, digest: str, key: Path | None, said: list[str]
) -> tuple[pd.Series, dict[str, str]]:
    """Return raters' ids replaced, and the whole list of id -> pseudonym.

    A pseudonym is "r", four hex digits of the file's digest and a running number in order of
    appearance: raters of two files never get one by chance. An existing `key` file is read first,
    and its raters keep theirs. Raises `TableError` if it is none.
    """
    known = read_key(key) if key is not None and key.exists() else {}
    prefix = f"r{digest[:4] or '0000'}"
    taken = {name for name in known.values() if name.startswith(f"{prefix}-")}
    for each in ids.unique():
        if each and each not in known:
            known[each] = f"{prefix}-{len(taken) + 1:04d}"
            taken.add(known[each])
    count = int((ids.unique() != "").sum())
    said.append(
        f"rater_id: {count} rater{'' if count == 1 else 's'} under pseudonyms ({prefix}-0001, …)"
    )
    return ids.map(lambda each: known.get(each, "")), known


def read_key(path: Path) -> dict[str, str]:
    """Return a list of raters as `write_key` writes it. Raises `TableError`."""
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(
            f"{path}: cannot be read ({cause(error)}), expected a list of raters"
        ) from None
    if any(set(row) != {"id", "rater_id"} or None in row.values() for row in rows) or not rows:
        raise TableError(f"{path}: expected a list of raters with the columns id, rater_id")
    out = {as_meant(row["id"]): row["rater_id"] for row in rows}
    if len(out) < len(rows) or len(set(out.values())) < len(rows):
        raise TableError(f"{path}: holds a rater or a pseudonym twice")
    return out


def write_key(path: Path, known: dict[str, str]) -> None:
    """Write the list of raters, for the owner's eyes only."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("id", "rater_id"), *((inert(each), name) for each, name in known.items())])
    write_atomically(path, text.getvalue().encode(), private=True)


def personal(table: pd.DataFrame) -> list[str]:
    """Return a sentence for each column that seems to name people or their machines."""
    out = []
    for name in table.columns:
        for kind, pattern in PERSONAL.items():
            hits = sum(bool(pattern.fullmatch(cell)) for cell in table[name].astype(str).unique())
            if hits:
                out.append(f"{name!r} holds what looks like {kind} ({hits} different ones)")
                break
    return out
