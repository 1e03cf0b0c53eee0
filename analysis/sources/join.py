"""A second table beside the answers, joined by a key: the items shown, or the answer key."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.errors import TableError
from analysis.judgments.ids import folded


@dataclass(frozen=True)
class Join:
    """A second table, what it is called, and "COLUMN" or "OURS=THEIRS", several with commas.

    ``on`` is None where the tables share exactly one column's name.
    """

    table: pd.DataFrame
    name: str
    on: str | None = None


def joined(
    table: pd.DataFrame, join: Join, said: list[str]
) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """Return the table with the second's columns, and line and reason of rows without a partner.

    Keys are compared without case, blanks and width; "1.0" is "1". A column that both have is
    called NAME.COLUMN after the join.

    Raises
    ------
    TableError
        A key is missing, stands twice in the second table, or joins no row.
    """
    keys = _keys(table, join)
    partners = _by_key(join, [theirs for _, theirs in keys])
    ours = [
        tuple(folded(cell) for cell in row)
        for row in table[[ours for ours, _ in keys]].itertuples(index=False)
    ]
    found = [partners.get(key) for key in ours]
    shown = ", ".join(f"{one}={other}" if one != other else one for one, other in keys)
    if all(each is None for each in found):
        raise TableError(
            f"{join.name}: joins no row by {shown}: the first is {' / '.join(ours[0])!r},"
            f" the table begins with {' / '.join(next(iter(partners), ('',)))!r}"
        )
    alone = [
        (int(line), f"{join.name} has no row for {shown}")
        for line, each in zip(table.index, found, strict=True)
        if each is None
    ]
    kept = table[[each is not None for each in found]]
    rows = [each for each in found if each is not None]
    new = join.table.drop(columns=[theirs for _, theirs in keys])
    matched = new.iloc[rows]
    stem = join.name.rsplit("/", 1)[-1].split(".")[0]
    matched.columns = pd.Index(
        [f"{stem}.{name}" if name in table else name for name in new.columns]
    )
    matched.index = kept.index
    said.append(
        f"{', '.join(matched.columns)} <- {join.name} by {shown} ({len(kept)} of {len(table)} rows)"
    )
    return pd.concat([kept, matched], axis=1), alone


def _keys(table: pd.DataFrame, join: Join) -> list[tuple[str, str]]:
    if join.on is None:
        shared = [name for name in table.columns if name in join.table]
        if len(shared) != 1:
            raise TableError(
                f"{join.name}: shares {len(shared)} columns with the answers"
                f" ({', '.join(shared) or 'none'}); give --on COLUMN or --on OURS=THEIRS"
            )
        return [(shared[0], shared[0])]
    keys = []
    for each in join.on.split(","):
        ours, _, theirs = each.partition("=")
        keys.append((ours.strip(), (theirs or ours).strip()))
    for ours, theirs in keys:
        for name, where, which in ((ours, table, "the answers"), (theirs, join.table, join.name)):
            if name not in where:
                found = ", ".join(where.columns)
                raise TableError(f"--on {join.on!r}: {which} has no column {name!r}, found {found}")
    return keys


def _by_key(join: Join, names: list[str]) -> dict[tuple[str, ...], int]:
    """Return the row number of each key of the second table."""
    out: dict[tuple[str, ...], int] = {}
    for at, row in enumerate(join.table[names].itertuples(index=False)):
        key = tuple(folded(cell) for cell in row)
        if key in out:
            first, again = join.table.index[out[key]], join.table.index[at]
            raise TableError(
                f"{join.name}: lines {first} and {again} both hold {' / '.join(key)!r} in"
                f" {', '.join(names)}, expected one row a key"
            )
        out[key] = at
    return out
