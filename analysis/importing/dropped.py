"""Which rows are not kept, why, and when that is too many to go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.errors import TableError

DROP_LIMIT = 0.05  # the share of rows not understood above which an import is refused


@dataclass(frozen=True)
class Dropped:
    """``table`` has ``line``, ``reason`` and the row's columns; ``quiet`` held no answer at all.

    ``lost`` counts the rows that were there but not understood, of ``rows`` that hold something.
    """

    table: pd.DataFrame
    lost: int
    rows: int


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
