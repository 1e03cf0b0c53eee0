"""What every import ends with: rows kept and dropped, raters under pseudonyms, what is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from analysis.errors import TableError
from analysis.importing.answers.meanings import Answers, answers_text, refuse_half_understood
from analysis.importing.columns import Named
from analysis.importing.dropped import (
    Dropped,
    dropped_rows,
    dropped_text,
    reasons_of,
    refuse_contradictions,
    refuse_lost,
    with_repeats,
    without_empty,
)
from analysis.importing.raters import personal, pseudonyms, write_key
from analysis.sources.shape import Shape
from analysis.sources.table import SourceTable
from generators.files import write_atomically
from generators.foreign_text import inert

MOSTLY_EMPTY = (
    "most answers are empty, which counts as skipped; where raters were not asked, give"
    " --drop-empty"
)
EMPTY_LIMIT = 0.5  # the share of empty answers above which a caution is said


@dataclass(frozen=True)
class Rules:
    """What the user asked for, for judgments and for comparisons.

    ``values`` maps answers to what they mean, ``cut`` and ``scale`` are for ratings. ``alike`` is
    "one" or "different" for ids that look alike, None refuses them. ``key`` is the file that links
    raters with their pseudonyms. ``real`` is the condition of real photos where each trial showed
    one image, None where it showed two.
    """

    shape: Shape = field(default_factory=Shape)
    named: Named = field(default_factory=Named)
    values: Mapping[str, str] = field(default_factory=dict)
    cut: str | None = None
    scale: str | None = None
    decimal: str | None = None
    alike: str | None = None
    keep_ids: bool = False
    key: Path | None = None
    allow_dropped: bool = False
    drop_empty: bool = False
    asked_for_fake: bool = False
    real: str | None = None
    seconds: bool = False


@dataclass(frozen=True)
class Imported:
    """The rows, how they came about (in words), the table of answers and each dropped row.

    ``raters`` is id -> pseudonym, empty where ids are kept; ``left_out`` names columns not copied.
    """

    rows: pd.DataFrame
    said: tuple[str, ...]
    answers: Answers
    dropped: Dropped
    left_out: tuple[str, ...]
    cautions: tuple[str, ...]
    raters: Mapping[str, str]


@dataclass(frozen=True)
class Kind:
    """What a kind of row needs: ``answer`` its column, ``ids`` that may not be empty, ``keys``.

    Rows that agree in all ``keys`` are one judgment; none where that cannot be said.
    ``written`` are the columns of the file, in order.
    """

    answer: str
    ids: tuple[str, ...]
    keys: tuple[str, ...]
    written: tuple[str, ...]


def concluded(
    found: pd.DataFrame, extra: pd.DataFrame, answers: Answers, kind: Kind, *, source: SourceTable,
    rules: Rules, said: list[str], left_out: Sequence[str], cautions: list[str],
) -> Imported:  # fmt: skip
    """Return the import of rows whose answers are known.

    Raises
    ------
    TableError
        Answers contradict each other, no row is left, or too many are not understood.
    """
    if not rules.allow_dropped:
        refuse_half_understood(answers)
    reasons, quiet = reasons_of(found, kind.ids, answers)
    if rules.drop_empty:
        reasons, quiet = without_empty(reasons, quiet, answers)
    elif answers.outcomes.count("") > EMPTY_LIMIT * len(answers.outcomes):
        cautions = [*cautions, MOSTLY_EMPTY]
    keys = [name for name in kind.keys if name in found]
    if keys:
        refuse_contradictions(found, reasons, keys, kind.answer)
        reasons = with_repeats(found, reasons, keys)
    found, raters = _named_raters(found, source, rules, said)
    whole = pd.concat([found, extra], axis=1)
    dropped = dropped_rows(whole, reasons, quiet, source.broken)
    kept = whole[[reason == "" for reason in reasons]]
    _refuse_nothing(kept, kind.answer, dropped)
    if not rules.allow_dropped:
        refuse_lost(dropped)
    first = [name for name in kind.written if name in kept]
    rows = kept[[*first, *extra.columns]].reset_index(drop=True)
    cautions = [*cautions, *personal(rows.drop(columns=kind.answer))]
    return Imported(
        rows, tuple(said), answers, dropped, tuple(left_out), tuple(cautions), raters
    )  # fmt: skip


def _named_raters(
    found: pd.DataFrame, source: SourceTable, rules: Rules, said: list[str]
) -> tuple[pd.DataFrame, Mapping[str, str]]:
    """Return the table with pseudonyms for raters and numbers for sessions, and who is who."""
    if rules.keep_ids or rules.named.unknown_raters:
        return found, {}
    raw = found["rater_id"]
    names, known = pseudonyms(raw, source.digest, rules.key, said)
    found = found.assign(rater_id=names)
    for name, letter in (("session_id", "s"), ("trial_id", "t")):
        if name in found and (name == "session_id" or _names_raters(found[name], raw)):
            numbered = {
                each: f"{letter}{at:05d}" for at, each in enumerate(found[name].unique(), 1)
            }
            found[name] = found[name].map(numbered)
            said.append(f"{name}: numbered anew, since it can lead back to a rater")
    return found, known


def _names_raters(cells: pd.Series, raters: pd.Series) -> bool:
    return any(len(rater) > 3 and rater in cell for cell, rater in zip(cells, raters, strict=True))


def _refuse_nothing(kept: pd.DataFrame, answer: str, dropped: Dropped) -> None:
    if kept.empty:
        first = dropped.table["reason"].iloc[0]
        raise TableError(
            f"no row is left: all {len(dropped.table)} were dropped, the first because {first}"
        )
    if (kept[answer] == "").all():
        raise TableError(f"no answer is left: all {len(kept)} rows are skips (empty answers)")


def write_tables(imported: Imported, out: Path, dropped: Path | None, key: Path | None) -> None:
    """Write the rows, the dropped ones and the list of raters, each where it was asked for.

    A cell that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    files = {dropped: imported.dropped.table, out: imported.rows}
    texts = {
        path: table.map(inert)
        .rename(columns=inert)
        .to_csv(index=False, lineterminator="\n")
        .encode()
        for path, table in files.items()
        if path is not None
    }
    if key is not None and imported.raters:
        write_key(key, dict(imported.raters))
    for path, text in texts.items():  # the import itself comes last
        write_atomically(path, text)


def imported_text(imported: Imported, source: SourceTable, out: str) -> str:
    """Return what was mapped, the table of answers, what was dropped and left out, in words."""
    lines = [f"read as {source.how}"]
    lines += [f"left out: {each}" for each in source.left_out]
    lines += [*imported.said, *answers_text(imported.answers)]
    answer = "fooled" if "fooled" in imported.rows else "choice"
    skips = int((imported.rows[answer] == "").sum())
    shown = "1 skip" if skips == 1 else f"{skips} skips"
    gone = len(imported.dropped.table)
    lines.append(f"kept {len(imported.rows)} rows ({shown}), dropped {gone}")
    lines += dropped_text(imported.dropped)
    if imported.left_out:
        lines.append(
            f"columns not copied (--keep COLUMN copies one): {', '.join(imported.left_out)}"
        )
    lines += [f"caution: {each}" for each in imported.cautions]
    lines.append(f"wrote {out}")
    return "\n".join(lines)
