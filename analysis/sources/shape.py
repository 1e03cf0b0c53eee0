"""A foreign table brought into one row an answer: filters, patterns, wide columns, radio buttons.

Every step says in words what it did. Patterns and filters are applied as soon as their column is
there: a filter on a column of the file before anything else, one on a joined column after it.
"""

from __future__ import annotations

import difflib
import json
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from analysis.errors import TableError
from analysis.judgments.ids import MISSING, folded
from analysis.sources.join import Join, joined
from analysis.sources.nested import flat, plain
from analysis.sources.table import ABSENT, SourceTable

ORDERS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What the user asked for; the regular expressions have named groups, which become columns.

    ``json_columns`` hold JSON in their cells. ``extract`` and ``where`` begin with a column's name:
    "path=(?P<condition>.+)/(?P<item_id>.+)[.]png", "Status=Approved", "Progress>=90". ``wide``
    matches the names of columns with one answer each (its group ``column`` says what a cell is,
    else ``cells`` does), ``radio`` the names of columns of which one is true. ``combine`` joins
    columns by a hyphen: "condition=model,scale".
    """

    json_columns: tuple[str, ...] = ()
    extract: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    wide: str | None = None
    cells: str = "fooled"
    radio: str | None = None
    joins: tuple[Join, ...] = field(default=())
    combine: tuple[str, ...] = ()


def shaped(source: SourceTable, shape: Shape) -> tuple[SourceTable, list[str]]:
    """Return a source in its asked-for shape, and each step in words.

    Rows that find no partner in a joined table are reported as broken.

    Raises
    ------
    TableError
        A column is not there, a pattern is none or matches nothing, or no row is left.
    """
    said: list[str] = []
    waiting = _Waiting(list(shape.extract), list(shape.where), said)
    table = waiting.applied(_opened(source.table, shape.json_columns))
    if shape.wide:
        table = waiting.applied(_long(table, shape.wide, shape.cells, said))
    if shape.radio:
        table = waiting.applied(_pressed(table, shape.radio, said))
    broken = list(source.broken)
    for join in shape.joins:
        table, alone = joined(table, join, said)
        broken += alone
        table = waiting.applied(table)
    table = waiting.applied(_combined(table, shape.combine, said))
    waiting.finish(table)
    return replace(source, table=table, broken=tuple(broken)), said


@dataclass
class _Waiting:
    """Patterns and filters that wait for their column."""

    extract: list[str]
    where: list[str]
    said: list[str]

    def applied(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table after those whose column is there."""
        for given in [each for each in self.extract if _parted(each, ["="], table)]:
            self.extract.remove(given)
            table = _extracted(table, given, self.said)
        ready = [each for each in self.where if _parted(each, ["!=", *ORDERS, "="], table)]
        self.where = [each for each in self.where if each not in ready]
        return _filtered(table, ready, self.said) if ready else table

    def finish(self, table: pd.DataFrame) -> None:
        for option, left in (("--extract", self.extract), ("--where", self.where)):
            if left:
                name = re.split(r"!=|>=|<=|=|<|>", left[0])[0]
                column_of(table, name, f"for {option} {left[0]!r}")


def column_of(table: pd.DataFrame, name: str, what: str) -> str:
    """Return a column's name; raise `TableError` with those that are there if it is not."""
    if name in table:
        return name
    near = difflib.get_close_matches(name, list(table.columns), n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    below = next((line for line, row in table.head(9).iterrows() if name in row.tolist()), None)
    if below is not None:
        hint = f"; {name!r} stands in line {below}: is that the header? give --skip-lines"
    raise TableError(f"no column {name!r} {what}, found {listed(table.columns)}{hint}")


def listed(names: Iterable[str], most: int = 30) -> str:
    """Return names in one line, a long list cut with its count."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def compiled(pattern: str, option: str) -> re.Pattern[str]:
    """Return a regular expression with at least one named group."""
    try:
        found = re.compile(pattern)
    except re.error as error:
        raise TableError(f"{option} {pattern!r} is no regular expression ({error})") from None
    if not found.groupindex:
        raise TableError(f"{option} {pattern!r} names no group, expected one like (?P<item_id>.+)")
    return found


def _parted(given: str, signs: list[str], table: pd.DataFrame) -> tuple[str, str, str] | None:
    """Return column, sign and rest of COLUMN=REST for the longest column that is there."""
    found = [
        (name, sign, given[len(name) + len(sign) :])
        for name in table.columns
        for sign in signs
        if given.startswith(name + sign)
    ]
    return max(found, key=lambda each: (len(each[0]), len(each[1])), default=None)


def _extracted(table: pd.DataFrame, given: str, said: list[str]) -> pd.DataFrame:
    """Return the table with the groups of a pattern as new columns."""
    parted = _parted(given, ["="], table)
    assert parted is not None
    name, _, rest = parted
    pattern = compiled(rest, "--extract")
    there = [group for group in pattern.groupindex if group in table]
    if there:
        raise TableError(f"--extract makes {there[0]!r}, which is a column already")
    found = [pattern.search(value) for value in table[name]]
    misses = found.count(None)
    if misses == len(found):
        raise TableError(
            f"--extract {rest!r} matches no {name!r}, the first is {table[name].iloc[0]!r}"
        )
    new = {
        group: [(match[group] or "") if match else "" for match in found]
        for group in pattern.groupindex
    }
    said.append(
        f"{', '.join(new)} <- the pattern in {name!r}"
        + (f" ({misses} do not match)" if misses else "")
    )
    return table.assign(**new)


def _combined(table: pd.DataFrame, combine: tuple[str, ...], said: list[str]) -> pd.DataFrame:
    """Return the table with new columns, each made of several."""
    for given in combine:
        new, _, rest = given.partition("=")
        names = [column_of(table, name.strip(), "for --combine") for name in rest.split(",")]
        if new in table or not new or len(names) < 2:
            raise TableError(f"--combine {given!r}, expected NEW=COLUMN,COLUMN with a new name")
        table = table.assign(**{new: table[names].agg("-".join, axis=1)})
        said.append(f"{new} <- {' and '.join(map(repr, names))}")
    return table


def _filtered(table: pd.DataFrame, conditions: list[str], said: list[str]) -> pd.DataFrame:
    """Return the rows that meet all conditions; several = on one column mean one of them."""
    parted = [each for given in conditions if (each := _parted(given, ["!=", *ORDERS, "="], table))]
    keep = np.ones(len(table), dtype=bool)
    equals: dict[str, set[str]] = {}
    for name, sign, value in parted:
        if sign == "=":
            equals.setdefault(name, set()).add(folded(value))
        elif sign == "!=":
            keep &= [folded(each) != folded(value) for each in table[name]]
        else:
            keep &= [_ordered(each, sign, value, name) for each in table[name]]
    for name, allowed in equals.items():
        keep &= [folded(each) in allowed for each in table[name]]
    shown = ", ".join(f"{name}{sign}{value}" for name, sign, value in parted)
    if not keep.any():
        name = parted[0][0]
        values = listed(sorted({repr(each) for each in table[name]}), 8)
        raise TableError(
            f"--where {shown} keeps none of {len(table)} rows; {name!r} holds {values}"
        )
    said.append(f"kept {int(keep.sum())} of {len(table)} rows where {shown}")
    return table[keep]


def _ordered(cell: str, sign: str, value: str, name: str) -> bool:
    """Return whether a cell is a number on this side of the value; an empty one is on neither."""
    try:
        limit = float(value)
    except ValueError:
        raise TableError(f"--where …{sign}{value}: {value!r} is not a number") from None
    if folded(cell) in MISSING:
        return False
    try:
        return ORDERS[sign](float(cell), limit)
    except ValueError:
        raise TableError(
            f"--where {name}{sign}{value}: {name!r} holds {cell!r}, expected numbers like 1234.5"
        ) from None


def _opened(table: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Return the table with JSON in the cells of some columns as columns of dotted names."""
    for name in names:
        column_of(table, name, "for --json-column")
        rows = [_cell(cell, name, line) for line, cell in table[name].items()]
        new = list(dict.fromkeys(key for row in rows for key in row))
        clash = [key for key in new if key in table and key != name]
        if clash:
            raise TableError(
                f"--json-column {name!r} makes {clash[0]!r}, which is a column already"
            )
        parts = pd.DataFrame(
            {key: [row.get(key, ABSENT) for row in rows] for key in new},
            index=table.index,
            dtype="object",
        )
        table = pd.concat([table.drop(columns=name), parts], axis=1)
    return table


def _cell(cell: str, name: str, line: object) -> dict[str, str]:
    if not cell:
        return {}
    try:
        value = json.loads(cell, parse_int=str, parse_float=str, parse_constant=str)
        return flat({name: value}) if isinstance(value, dict | list) else {name: plain(value)}
    except (json.JSONDecodeError, RecursionError):
        raise TableError(f"line {line}: {name!r} holds {cell[:40]!r}, expected JSON") from None


def _long(table: pd.DataFrame, pattern: str, cells: str, said: list[str]) -> pd.DataFrame:
    """Return a wide table long: one row for each column that the pattern matches.

    Where the pattern has a group ``column``, columns that agree in all other groups make one row.
    """
    wide = compiled(pattern, "--wide")
    found = {name: match for name in table.columns if (match := wide.fullmatch(name))}
    if not found:
        raise TableError(f"--wide {pattern!r} matches no column of {listed(table.columns)}")
    rest = table.drop(columns=list(found))
    rows: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    for name, match in found.items():
        groups = {key: value or "" for key, value in match.groupdict().items()}
        target = groups.pop("column", cells)
        into = rows.setdefault(tuple(groups.items()), {})
        if target in into:
            raise TableError(
                f"--wide {pattern!r} makes one row's {target!r} of both {into[target]!r} and"
                f" {name!r}"
            )
        into[target] = name
    clash = [group for group in (*wide.groupindex, cells) if group in rest and group != "column"]
    if clash:
        raise TableError(f"--wide makes {clash[0]!r}, which is a column already")
    parts = [
        rest.assign(**dict(groups), **{target: table[name] for target, name in into.items()})
        for groups, into in rows.items()
    ]
    made = [group for group in wide.groupindex if group != "column"]
    targets = dict.fromkeys(target for into in rows.values() for target in into)
    said.append(
        f"{', '.join(made)} <- the names of {len(found)} columns; {', '.join(targets)} <- them"
    )
    return pd.concat(parts).fillna(ABSENT)


def _pressed(table: pd.DataFrame, pattern: str, said: list[str]) -> pd.DataFrame:
    """Return the table with the radio button that is true; none is empty, two are both named."""
    radio = compiled(pattern, "--radio")
    found = {name: match for name in table.columns if (match := radio.fullmatch(name))}
    if len(found) < 2:
        raise TableError(f"--radio {pattern!r} matches {len(found)} columns, expected two or more")
    if len(radio.groupindex) > 1:
        raise TableError(f"--radio {pattern!r} names {len(radio.groupindex)} groups, expected one")
    group = next(iter(radio.groupindex))
    words = {"true": True, "1": True, "yes": True, "on": True,
             "false": False, "0": False, "no": False, "off": False, "": False}  # fmt: skip
    chosen: list[list[str]] = [[] for _ in range(len(table))]
    for name, match in found.items():
        for at, cell in enumerate(table[name]):
            pressed = words.get(folded(cell))
            if pressed is None and not any(
                table[other].iloc[at] for other in found if other != name
            ):
                pressed = True  # Potato writes a number into the one that was pressed
            if pressed is None:
                raise TableError(
                    f"line {table.index[at]}: {name!r} holds {cell!r}, expected true or false"
                )
            if pressed:
                chosen[at].append(match[group] or "")
    said.append(f"{group} <- which of {', '.join(found)} is true")
    out = table.drop(columns=list(found))
    return out.assign(**{group: [" and ".join(each) for each in chosen]})
