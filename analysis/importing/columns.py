"""Which column is what: as asked, by its own name, by a known other name, or one value for all."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from analysis.errors import TableError
from analysis.importing.answers.counts import COUNTS, WINS
from analysis.sources.shape import column_of, listed

ALIASES: dict[str, tuple[str, ...]] = {
    "rater_id": ("rater", "participant", "participant_id", "subject", "subject_id", "worker_id",
                 "workerid", "prolific_pid", "prolific_id", "user_id", "annotator", "annotator_id",
                 "judge", "responseid", "participant_private_id", "participant.code",
                 "completed_by"),
    "item_id": ("item", "image", "image_id", "stimulus", "stimulus_id", "img", "photo",
                "question_id", "prompt_id"),
    "condition": ("model", "model_id", "system", "method", "generator"),
    "fooled": ("is_fooled", "chose_model", "picked_fake", "chose_generated"),
    "rt_ms": ("rt", "reaction_time", "response_time"),
}  # fmt: skip
DUEL_ALIASES: dict[str, tuple[str, ...]] = {
    "rater_id": ALIASES["rater_id"],
    "item_id": (*ALIASES["item_id"], "prompt", "question", "conversation_id"),
    "model_a": ("model_1", "model1", "system_a", "system_1", "method_a", "method_1", "condition_a",
                "condition_1", "left_model", "model_left", "left_method"),
    "model_b": ("model_2", "model2", "system_b", "system_2", "method_b", "method_2", "condition_b",
                "condition_2", "right_model", "model_right", "right_method"),
    "choice": ("winner", "preference", "preferred", "vote", "outcome", "verdict"),
    "rt_ms": ALIASES["rt_ms"],
}  # fmt: skip
ANSWERS = ("fooled", "correct", "choice", "winner", *COUNTS, *WINS)
EXPLICIT = ("left", "right")  # of ours, but columns of these names may hold anything
ONLY_FOR_DUELS = ("model_a", "model_b", "winner", "loser", "tie")


@dataclass(frozen=True)
class Named:
    """What the user asked for: ``columns`` ours -> theirs, ``constants`` ours -> one value.

    ``rater_per_row``: each row of the file is another rater. ``unknown_raters`` and
    ``unknown_items``: nobody knows who judged, or what. Columns to ``keep`` are copied, those to
    ``ignore`` not looked at.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    rater_per_row: bool = False
    unknown_raters: bool = False
    unknown_items: bool = False
    keep: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


def named(
    table: pd.DataFrame,
    asked: Named,
    targets: Sequence[str],
    aliases: Mapping[str, Sequence[str]],
    said: list[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the columns found under our names, and the others under theirs.

    Raises
    ------
    TableError
        A mapped column is not there, a name of ours is none, or two columns could be meant.
    """
    _refuse_unknown(asked, targets)
    table = table.drop(columns=[column_of(table, name, "for --ignore") for name in asked.ignore])
    chosen = {ours: column_of(table, theirs, f"for --map {ours}")
              for ours, theirs in asked.columns.items()}  # fmt: skip
    said += [f"{ours} <- {theirs!r} (as asked)" for ours, theirs in chosen.items()]
    for ours in targets:
        if ours in chosen or ours in asked.constants or ours in EXPLICIT or _made(ours, asked):
            continue
        theirs = _known(table, ours, aliases.get(ours, ()), set(chosen.values()))
        if theirs is not None:
            chosen[ours] = theirs
            if theirs != ours:
                said.append(f"{ours} <- {theirs!r} (its name is a known one)")
    found = pd.DataFrame(
        {ours: table[theirs] for ours, theirs in chosen.items()}, index=table.index
    )
    for name, value in asked.constants.items():
        found[name] = value
        said.append(f"{name} = {value!r} for every row")
    if asked.rater_per_row:
        found["rater_id"] = [f"row {line}" for line in table.index]
        said.append("rater_id <- the row of the file: each is another rater")
    return found, table.drop(columns=list(dict.fromkeys(chosen.values())))


def _refuse_unknown(asked: Named, targets: Sequence[str]) -> None:
    for option, given in (("--map", asked.columns), ("--constant", asked.constants)):
        for ours in given:
            if ours not in targets:
                near = difflib.get_close_matches(ours, targets, n=1, cutoff=0.5)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise TableError(f"{option} {ours}=…: expected one of {', '.join(targets)}{hint}")
    _refuse_one_for_two(asked)
    both = asked.columns.keys() & asked.constants.keys()
    if both:
        raise TableError(f"{min(both)} is given both by --map and by --constant")
    for ours, made, option in _makers(asked):
        if made and (ours in asked.columns or ours in asked.constants):
            raise TableError(f"{ours} is given both by --map or --constant and by {option}")


def _refuse_one_for_two(asked: Named) -> None:
    """Refuse one column as an answer and as something else: it would agree with itself."""
    for ours, theirs in asked.columns.items():
        others = [name for name, each in asked.columns.items() if each == theirs and name != ours]
        if ours in ANSWERS and others:
            raise TableError(
                f"--map gives {theirs!r} for both {ours} and {others[0]}, expected a column each"
            )


def _makers(asked: Named) -> tuple[tuple[str, bool, str], ...]:
    return (
        ("rater_id", asked.rater_per_row, "--rater-per-row"),
        ("rater_id", asked.unknown_raters, "--unknown-raters"),
        ("item_id", asked.unknown_items, "--unknown-items"),
    )


def _made(ours: str, asked: Named) -> bool:
    return any(made for name, made, _ in _makers(asked) if name == ours)


def _known(table: pd.DataFrame, ours: str, aliases: Sequence[str], taken: set[str]) -> str | None:
    """Return the column that has our name, else the one whose name is a known other one."""
    plain = {name: _plain(name) for name in table.columns if name not in taken}
    own = [name for name, each in plain.items() if each == ours]
    others = [name for name, each in plain.items() if each in aliases]
    candidates = sorted(own, key=lambda name: name != ours) or others
    if not candidates:
        return None
    first = candidates[0]
    for other in candidates[1:]:
        if not table[other].equals(table[first]):
            raise TableError(
                f"{ours} could be {first!r} or {other!r}; give --map {ours}=COLUMN or --ignore"
            )
    return first


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def require(found: pd.DataFrame, others: pd.DataFrame, name: str, also: str = "") -> None:
    """Raise `TableError` with the options that would make a column, if it is not there."""
    if name in found:
        return
    ways = {
        "rater_id": ", --rater-per-row where each row is a rater, or --unknown-raters",
        "item_id": ", --extract, --join with a table that names it, or --unknown-items",
        "condition": ", --map left=COLUMN --map right=COLUMN --real NAME where two columns say what"
        " was shown, --extract, --wide or --join with a table that names it",
    }
    raise TableError(
        f"nothing to make {name!r} from, found {listed([*found.columns, *others.columns])};"
        f" give --map {name}=COLUMN, --constant {name}=VALUE{ways.get(name, also)}"
    )


def kept_columns(
    others: pd.DataFrame, keep: Sequence[str], taken: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns asked for by name or with \\*, and the names of those left out."""
    import fnmatch

    for pattern in keep:
        if pattern not in others and not fnmatch.filter(others.columns, pattern):
            column_of(others, pattern, "for --keep")
    wanted = [
        name for name in others.columns
        if any(name == pattern or fnmatch.fnmatchcase(name, pattern) for pattern in keep)
    ]  # fmt: skip
    clash = [name for name in wanted if name in taken]
    if clash:
        raise TableError(f"--keep {clash[0]!r}: a column of that name is made from another")
    left_out = [name for name in others.columns if name not in wanted]
    return others[wanted], left_out
