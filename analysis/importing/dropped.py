"""Which rows are not kept, why, and when that is too many to go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.errors import TableError
from analysis.importing.answers.meanings import Answers

PERSONAL_KEYS = ("rater_id", "session_id", "trial_id")
DROP_LIMIT = 0.05  # the share of rows not understood above which an import is refused


@dataclass(frozen=True)
class Dropped:
    """The rows of a foreign table that become no judgment.

    ``table`` has ``line``, ``reason`` and the row's own columns. ``lost`` counts the rows that
    were there but not understood, of ``rows`` that hold something.
    """

    table: pd.DataFrame
    lost: int
    rows: int


def reasons_of(
    found: pd.DataFrame, ids: Sequence[str], answers: Answers
) -> tuple[list[str], list[bool]]:
    """Return why each row cannot be kept, "" where it can, and which hold no answer at all."""
    reasons, quiet = [], []
    rows = zip(*(found[name] for name in ids), strict=True)
    for cells, outcome, shown in zip(rows, answers.outcomes, answers.shown, strict=True):
        empty = next((name for name, cell in zip(ids, cells, strict=True) if not cell), None)
        quiet.append(empty is not None and outcome == "")
        if empty is not None:
            reasons.append(f"{empty} is empty" + (", and so is the answer" if quiet[-1] else ""))
        else:
            reasons.append(f"answer {shown!r} is not understood" if outcome is None else "")
    return reasons, quiet


def without_empty(
    reasons: Sequence[str], quiet: Sequence[bool], answers: Answers
) -> tuple[list[str], list[bool]]:
    """Return reasons and quiet rows where an empty answer means that nobody was asked."""
    pairs = list(zip(reasons, answers.outcomes, strict=True))
    told = [reason or ("not asked" if outcome == "" else "") for reason, outcome in pairs]
    silent = [each or outcome == "" for each, outcome in zip(quiet, answers.outcomes, strict=True)]
    return told, silent


def refuse_contradictions(
    found: pd.DataFrame, reasons: Sequence[str], keys: Sequence[str], answer: str
) -> None:
    """Raise `TableError` if rows that agree in their keys have different answers."""
    good = found[[reason == "" for reason in reasons]]
    both = good.drop_duplicates([*keys, answer])
    twice = both[both.duplicated(keys, keep=False)]
    if twice.empty:
        return
    group = twice[(twice[keys] == twice[keys].iloc[0]).all(axis=1)]
    what = [f"{name} {group[name].iloc[0]!r}" for name in keys if name not in PERSONAL_KEYS]
    raise TableError(
        f"lines {group.index[0]} and {group.index[1]}: one rater gave two answers,"
        f" {group[answer].iloc[0]!r} and {group[answer].iloc[1]!r}, to {', '.join(what)}"
        f" ({len(twice.drop_duplicates(keys))} such); if the study asked twice, give"
        " --map trial_id=COLUMN"
    )


def with_repeats(found: pd.DataFrame, reasons: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Return the reasons with those of rows that agree in their keys with an earlier one."""
    again = iter(found[[reason == "" for reason in reasons]].duplicated(keys))
    said = "the same judgment as in an earlier row"
    return [reason or (said if next(again) else "") for reason in reasons]


def dropped_rows(
    table: pd.DataFrame,
    reasons: Sequence[str],
    quiet: Sequence[bool],
    broken: Iterable[tuple[int, str]],
) -> Dropped:
    """Return the rows that have a reason, and those that are none; `quiet` ones are no loss."""
    gone = [reason != "" for reason in reasons]
    out = table[gone].copy()
    out.insert(0, "reason", [reason for reason in reasons if reason])
    out.insert(0, "line", out.index)
    extra = pd.DataFrame(list(broken), columns=["line", "reason"])
    lost = sum(each and not silent for each, silent in zip(gone, quiet, strict=True)) + len(extra)
    whole = pd.concat([out, extra]).fillna("") if len(extra) else out
    rows = len(table) + len(extra) - sum(quiet)
    return Dropped(whole.reset_index(drop=True), lost, rows)


def refuse_lost(dropped: Dropped) -> None:
    """Raise `TableError` if more than the limit of the rows was not understood."""
    if dropped.rows and dropped.lost > DROP_LIMIT * dropped.rows:
        counts = Counter(reason for reason in dropped.table["reason"])
        first, count = counts.most_common(1)[0]
        line = dropped.table.loc[dropped.table["reason"] == first, "line"].iloc[0]
        raise TableError(
            f"{dropped.lost} of {dropped.rows} rows are not understood, at most"
            f" {100 * DROP_LIMIT:g} % may be: {count} x {first} (first in line {line});"
            " --allow-dropped imports the rest knowingly"
        )


def dropped_text(dropped: Dropped) -> list[str]:
    """Return the reasons with how often and where, the most frequent first."""
    lines = []
    for reason, rows in dropped.table.groupby("reason", sort=False):
        some = ", ".join(map(str, rows["line"].head(5)))
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        lines.append(f"  {len(rows)} x {reason} (lines {some}{more})")
    return lines
