"""Somebody's table as judgments.csv: what was mapped and every row that was dropped are shown.

Never a silent step: a column is mapped because it was asked for, has the right name or is a known
alias, and the plan says which; a row is dropped for a reason that is listed; a skip stays a skip.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.errors import TableError
from analysis.judgments.import_source import Source
from analysis.judgments.table import OPTIONAL, REQUIRED, check_judgments
from generators.files import write_atomically

ALIASES = {
    "rater_id": ("rater", "participant", "participant_id", "subject", "subject_id", "worker_id",
                 "workerid", "prolific_pid", "prolific_id", "user_id", "annotator"),
    "item_id": ("item", "image", "image_id", "stimulus", "stimulus_id", "img", "photo"),
    "condition": ("model", "model_id", "system", "method", "generator"),
    "fooled": ("is_fooled", "chose_model", "picked_fake", "chose_generated"),
    "rt_ms": ("rt", "reaction_time", "response_time"),
}  # fmt: skip
COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Rules:
    """What the user asked for. ``columns`` ours -> theirs; ``constants`` ours -> one value for all.

    ``wide`` is a regular expression with named groups (item_id, condition, …) for the columns that
    hold one answer each. ``values`` maps answers to "1", "0" or "" (skipped), ``cut`` is a rule
    like ">=4" under which a rating on a scale is "fooled".
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    wide: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    cut: str | None = None


@dataclass(frozen=True)
class Imported:
    """The judgments, how columns were mapped (in words), and each dropped row with its reason."""

    judgments: pd.DataFrame
    mapping: tuple[str, ...]
    dropped: pd.DataFrame


def import_judgments(source: Source, rules: Rules) -> Imported:
    """Return a source as judgments; ``dropped`` has ``line``, ``reason`` and the row's columns.

    Raises
    ------
    TableError
        A required column can be neither found nor made, a mapped column is not there, the wide
        pattern matches none, or no row is left.
    """
    table = source.table.assign(_line=np.arange(len(source.table)) + source.first_line)
    said: list[str] = []
    if rules.wide:
        table = _long(table, rules.wide, said)
    table = _renamed(table, rules, said)
    table = _with_constants(table, rules.constants, said)
    table, said_values = _with_fooled(table, rules)
    said += said_values
    reasons = _reasons(table)
    kept = table[reasons == ""]
    dropped = table[reasons != ""].copy()
    dropped.insert(0, "reason", reasons[reasons != ""])
    dropped.insert(0, "line", dropped.pop("_line"))
    if kept.empty:
        first = dropped["reason"].iloc[0]
        raise TableError(
            f"no row is left: all {len(table)} were dropped, the first because {first}"
        )
    first_columns = [name for name in (*REQUIRED, *OPTIONAL) if name in kept]
    others = [name for name in kept.columns if name not in first_columns and name != "_line"]
    judgments = kept[[*first_columns, *others]].reset_index(drop=True)
    return Imported(judgments, tuple(said), dropped.reset_index(drop=True))


def _long(table: pd.DataFrame, pattern: str, said: list[str]) -> pd.DataFrame:
    """Return a wide table long: one row for each column that the pattern matches."""
    try:
        wide = re.compile(pattern)
    except re.error as error:
        raise TableError(f"--wide {pattern!r} is no regular expression ({error})") from None
    found = {name: match for name in table.columns if (match := wide.fullmatch(name))}
    if not found:
        raise TableError(f"--wide {pattern!r} matches no column of {', '.join(table.columns)}")
    if not wide.groupindex:
        raise TableError(f"--wide {pattern!r} names no group, expected one like (?P<item_id>.+)")
    rest = table.drop(columns=list(found))
    parts = [rest.assign(fooled=table[name], **match.groupdict()) for name, match in found.items()]
    said.append(
        f"{', '.join(wide.groupindex)} <- the names of {len(found)} columns; fooled <- them"
    )
    return pd.concat(parts, ignore_index=True)


def _renamed(table: pd.DataFrame, rules: Rules, said: list[str]) -> pd.DataFrame:
    """Return the table with mapped columns under our names."""
    lower = {name.lower().replace(" ", "_"): name for name in table.columns}
    chosen: dict[str, str] = {}
    for ours, theirs in rules.columns.items():
        if theirs not in table:
            near = difflib.get_close_matches(theirs, list(table.columns), n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            found = ", ".join(name for name in table.columns if name != "_line")
            raise TableError(f"no column {theirs!r} to map {ours} to, found {found}{hint}")
        chosen[ours] = theirs
        said.append(f"{ours} <- {theirs!r} (as asked)")
    for ours, aliases in ALIASES.items():
        if ours in chosen or ours in table or ours in rules.constants:
            continue
        alias = next((lower[name] for name in (ours, *aliases) if name in lower), None)
        if alias is not None and alias not in chosen.values():
            chosen[ours] = alias
            said.append(f"{ours} <- {alias!r} (its name is a known one)")
    taken = [name for name in chosen if name in table and chosen[name] != name]
    table = table.rename(columns={name: f"{name}_original" for name in taken})
    return table.rename(columns={theirs: ours for ours, theirs in chosen.items()})


def _with_constants(
    table: pd.DataFrame, constants: Mapping[str, str], said: list[str]
) -> pd.DataFrame:
    for name, value in constants.items():
        table = table.assign(**{name: value})
        said.append(f"{name} = {value!r} for every row")
    missing = [name for name in REQUIRED[:3] if name not in table]
    if missing:
        found = ", ".join(name for name in table.columns if name != "_line")
        raise TableError(
            f"nothing to make {missing[0]!r} from, found {found}; give --map {missing[0]}=COLUMN"
            f" or --constant {missing[0]}=VALUE"
        )
    return table


def _with_fooled(table: pd.DataFrame, rules: Rules) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with ``fooled`` as "1", "0", "" or "?" (not understood), and how."""
    said = []
    if "fooled" not in table:
        if not {"choice", "model_side"} <= set(table.columns):
            raise TableError(
                "nothing to make 'fooled' from; give --map fooled=COLUMN, or map both choice and"
                " model_side (left/right)"
            )
        said.append("fooled <- choice == model_side; an empty choice is a skip")
        picked = (table["choice"] == table["model_side"]).astype(int).astype(str)
        return table.assign(fooled=picked.where(table["choice"] != "", "")), said
    answer = table["fooled"]
    plain = {"0": "0", "1": "1", "0.0": "0", "1.0": "1", "": ""}
    known = {**({} if rules.cut else plain), "": "", **rules.values}
    out = answer.map(known)
    if rules.values:
        said.append(
            "fooled: " + ", ".join(f"{a!r} -> {b or 'skip'}" for a, b in rules.values.items())
        )
    if rules.cut:
        out = out.where(out.notna(), _cut(answer, rules.cut))
        said.append(f"fooled = 1 where the rating is {rules.cut}, else 0")
    return table.assign(fooled=out.where(out.notna(), "?"), fooled_original=answer), said


def _cut(answer: pd.Series, rule: str) -> pd.Series:
    match = re.fullmatch(r"\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)\s*", rule)
    if match is None:
        raise TableError(f"--cut {rule!r}, expected a comparison like '>=4'")
    ratings = pd.to_numeric(answer, errors="coerce")
    passed = COMPARE[match[1]](ratings.to_numpy(dtype=float), float(match[2]))
    fooled = pd.Series(passed, index=answer.index).astype(int).astype(str)
    return fooled.where(ratings.notna(), other=np.nan)


def _reasons(table: pd.DataFrame) -> pd.Series:
    """Return why each row cannot be kept, "" where it can."""
    reason = pd.Series("", index=table.index, dtype="object")
    for name in ("rater_id", "item_id", "condition"):
        reason = reason.mask((reason == "") & (table[name] == ""), f"{name} is empty")
    unknown = (reason == "") & (table["fooled"] == "?")
    if unknown.any():
        told = "answer " + table["fooled_original"].map(repr) + " is not understood"
        reason = reason.mask(unknown, told)
    keys = [name for name in ("rater_id", "item_id", "condition", "task", "kind", "trial_id")
            if name in table]  # fmt: skip
    again = (
        table.loc[reason == "", keys]
        .duplicated(keep="first")
        .reindex(table.index, fill_value=False)
    )
    return reason.mask(
        again, "the same rater judged the same item in this condition in an earlier row"
    )


def write_imported(imported: Imported, out: Path, dropped: Path | None) -> None:
    """Write judgments.csv, and the dropped rows where asked for, after a strict reading of them."""
    check_judgments(imported.judgments, str(out))
    for path, table in ((out, imported.judgments), (dropped, imported.dropped)):
        if path is not None:
            write_atomically(path, table.to_csv(index=False, lineterminator="\n").encode())


def imported_text(imported: Imported, how: str, out: str) -> str:
    """Return what was mapped, kept and dropped, in words."""
    lines = [f"read as {how}", *imported.mapping]
    skips = int((imported.judgments["fooled"] == "").sum())
    lines.append(
        f"kept {len(imported.judgments)} rows ({skips} skips), dropped {len(imported.dropped)}"
    )
    for reason, rows in imported.dropped.groupby("reason", sort=False):
        some = ", ".join(map(str, rows["line"].head(5)))
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        lines.append(f"  {len(rows)} x {reason} (lines {some}{more})")
    lines.append(f"wrote {out}")
    return "\n".join(lines)
