"""Somebody's table as judgments.csv: what was mapped and every row that was dropped are shown.

Never a silent step: a column is mapped because it was asked for, has the right name or is a known
other one, and the plan says which; every distinct answer is shown with what it became; a row is
dropped for a reason that is listed; a skip stays a skip; raters get pseudonyms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from analysis.errors import TableError
from analysis.importing.answers import (
    BECAME,
    MISSING,
    NO,
    YES,
    Answers,
    answers_text,
    of_ratings,
    of_words,
    refuse_half_understood,
    scale_of,
)  # fmt: skip
from analysis.importing.columns import ALIASES, ONLY_FOR_DUELS, Named, kept_columns, named, require
from analysis.importing.counts import CAUTION, COUNTS, expanded, is_counted
from analysis.importing.dropped import Dropped, dropped_rows, dropped_text, refuse_lost
from analysis.importing.numbers import decimal_sign, number
from analysis.importing.raters import personal, pseudonyms, under_one_rule, write_key
from analysis.importing.sides import LEFT_RIGHT, of_images, of_sides
from analysis.judgments.ids import folded
from analysis.judgments.table import NUMBERS, OPTIONAL, REQUIRED, check_judgments
from analysis.sources.shape import Shape, listed, shaped
from analysis.sources.table import Source
from generators.manifest import write_atomically

ANSWERS = ("fooled", "correct", "choice", "model_side", "real_side", "model_image", "real_image")
TARGETS = tuple(dict.fromkeys((*REQUIRED, *ANSWERS, *OPTIONAL, *COUNTS, "trials")))
KEYS = ("rater_id", "item_id", "condition", "task", "kind", "study_id", "trial_id")


@dataclass(frozen=True)
class Rules:
    """What the user asked for, for judgments and for comparisons.

    ``values`` maps answers to what they mean, ``cut`` and ``scale`` are for ratings. ``alike`` is
    "one" or "different" for ids that look alike, None refuses them. ``key`` is the file that links
    raters with their pseudonyms.
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


def import_judgments(source: Source, rules: Rules) -> Imported:
    """Return a source as judgments.

    Raises
    ------
    TableError
        A column can be neither found nor made, the rows are not judgments, too many of them are
        not understood, ids look alike, or answers contradict each other.
    """
    source, said = shaped(source, rules.shape)
    _refuse_duels(source.table, rules.named)
    found, others = named(source.table, rules.named, TARGETS, ALIASES, said)
    extra, left_out = kept_columns(others, rules.named.keep, TARGETS)
    counts = is_counted(found)
    cautions = [CAUTION] if counts else []
    found = _with_unknown(found, rules.named, cautions)
    for name in ("rater_id", "item_id", "condition"):
        require(found, others, name)
    broken = list(source.broken)
    if counts:
        found, extra, answers, bad = _of_counts(found, extra, rules.decimal)
        broken += bad
    else:
        answers = _answers(found, others, rules)
    found = found.assign(fooled=["?" if each is None else each for each in answers.outcomes])
    for name in ("rater_id", "item_id", "condition"):
        found[name] = under_one_rule([found[name]], name, rules.alike, said)[0]
    found = _typed(found, rules.decimal)
    reasons, quiet = _reasons(found, answers)
    if not rules.allow_dropped:
        refuse_half_understood(answers)
    _refuse_contradictions(found, reasons)
    reasons = _with_repeats(found, reasons)
    found, raters = named_raters(found, source, rules, said)
    whole = pd.concat([found, extra], axis=1)
    dropped = dropped_rows(whole, reasons, quiet, broken)
    kept = whole[[reason == "" for reason in reasons]]
    _refuse_nothing(kept, dropped)
    if not rules.allow_dropped:
        refuse_lost(dropped)
    first = [name for name in (*REQUIRED, *OPTIONAL) if name in kept]
    rows = kept[[*first, *extra.columns]].reset_index(drop=True)
    cautions += personal(rows.drop(columns="fooled"))
    return Imported(
        rows, tuple(said), answers, dropped, tuple(left_out), tuple(cautions), raters
    )  # fmt: skip


def _refuse_duels(table: pd.DataFrame, asked: Named) -> None:
    names = {folded(name).replace(" ", "_") for name in table.columns}
    duel = [name for name in ONLY_FOR_DUELS if name in names]
    mapped = [name for name in ONLY_FOR_DUELS if name in asked.columns]
    if mapped or {"model_a", "model_b"} <= set(duel) or {"winner", "loser"} <= set(duel):
        raise TableError(
            f"the columns {', '.join(mapped or duel)} are of comparisons between two models, not of"
            " judgments real or fake; give --duels"
        )


def _with_unknown(found: pd.DataFrame, asked: Named, cautions: list[str]) -> pd.DataFrame:
    if asked.unknown_raters:
        found = found.assign(rater_id="unknown")
        cautions.append("the raters are not known: no interval can say what other raters would do")
    if asked.unknown_items:
        found = found.assign(item_id="unknown")
        cautions.append(
            "the images are not known: intervals hold for these only (--estimand fixed-images)"
        )
    return found


def _of_counts(
    found: pd.DataFrame, extra: pd.DataFrame, decimal: str | None
) -> tuple[pd.DataFrame, pd.DataFrame, Answers, list[tuple[int, str]]]:
    """Return one row a trial, and line and reason of rows that are no counts."""
    made = expanded(found, decimal)
    bad = [
        (int(line), reason)
        for line, reason in zip(found.index, made.reasons, strict=True)
        if reason
    ]
    kind = next(name for name in COUNTS if name in found)
    shown = [
        f"{cell} of {trials}" for cell, trials in zip(found[kind], found["trials"], strict=True)
    ]
    place = pd.Series(made.rows).groupby(made.rows).cumcount() + 1
    rows = found.drop(columns=[name for name in (*COUNTS, "trials") if name in found]).iloc[
        made.rows
    ]
    rows = rows.assign(
        trial_id=[f"{line}-{each}" for line, each in zip(rows.index, place, strict=True)]
    )
    answers = Answers(list(made.fooled), [shown[row] for row in made.rows], made.how)
    return rows, extra.iloc[made.rows], answers, bad


def _answers(found: pd.DataFrame, others: pd.DataFrame, rules: Rules) -> Answers:
    """Return the answers by the one way, or by all ways that there are if they agree."""
    scale = scale_of(rules.cut, rules.scale)
    ways: list[Answers] = []
    if "fooled" in found:
        cells = list(found["fooled"])
        if scale:
            ways.append(of_ratings(cells, scale, rules.values, rules.decimal, "fooled"))
        else:
            ways.append(of_words(cells, rules.values, "fooled"))
    if "correct" in found:
        values = {} if ways else rules.values
        ways.append(of_words(list(found["correct"]), values, "correct", correct=True))
    values = {} if ways else rules.values
    if {"choice", "model_image", "real_image"} <= set(found):
        ways.append(of_images(found, values))
    elif "choice" in found and ("model_side" in found or "real_side" in found):
        ways.append(of_sides(found, values))
    if not ways:
        raise TableError(_no_answer(found, others))
    _refuse_disagreement(found, ways)
    return ways[0]


def _no_answer(found: pd.DataFrame, others: pd.DataFrame) -> str:
    return (
        f"nothing to make 'fooled' from, found {listed([*found.columns, *others.columns])}; give"
        " --map fooled=COLUMN, --map correct=COLUMN (the rater found the real one), or --map"
        " choice=COLUMN with model_side or real_side; --wide where each image has its own column,"
        " --radio where each button has"
    )


def _refuse_disagreement(found: pd.DataFrame, ways: list[Answers]) -> None:
    """Refuse a row whose answer is one thing by one column and another by others."""
    for other in ways[1:]:
        pairs = list(zip(ways[0].outcomes, other.outcomes, strict=True))
        apart = [at for at, pair in enumerate(pairs) if set(pair) == {"0", "1"}]
        if apart:
            one, two = (BECAME[each] for each in pairs[apart[0]])
            raise TableError(
                f"line {found.index[apart[0]]}: the answer is {one!r} by {ways[0].how!r} and"
                f" {two!r} by {other.how!r} ({len(apart)} such rows)"
            )


def _typed(found: pd.DataFrame, decimal: str | None) -> pd.DataFrame:
    """Return numbers, flags, sides and kinds in one spelling; one that is none stays as it is."""
    out = found.copy()
    for name in NUMBERS:
        if name in out:
            out[name] = _numbers(list(out[name]), decimal, name)
    words = {**dict.fromkeys(YES, "1"), **dict.fromkeys(NO, "0"), **dict.fromkeys(MISSING, "")}
    for name in ("excluded", "simulated"):
        if name in out:
            out[name] = [words.get(folded(cell), cell) for cell in out[name]]
    for name in ("choice", "model_side"):
        if name in out:
            out[name] = [LEFT_RIGHT.get(folded(cell), cell) for cell in out[name]]
    if "kind" in out:
        out["kind"] = [folded(cell) for cell in out["kind"]]
    return out


def _numbers(cells: list[str], decimal: str | None, name: str) -> list[str]:
    cells = ["" if folded(cell) in MISSING else cell for cell in cells]
    sign = decimal_sign(cells, decimal, name)
    values = {cell: number(cell, sign) for cell in dict.fromkeys(cells)}
    wrong = next((cell for cell, value in values.items() if cell and value is None), None)
    if wrong is not None:
        raise TableError(f"{name} is {wrong!r}, expected a number")
    known = sorted(value for cell in cells if (value := values[cell]) is not None)
    if name == "rt_ms" and known and 0 < known[len(known) // 2] < 30:
        raise TableError(
            f"rt_ms: half are below {known[len(known) // 2]:g}, which cannot be milliseconds;"
            " leave the column out, or give it in milliseconds"
        )
    return ["" if value is None else f"{value:.15g}" for value in (values[cell] for cell in cells)]


def _reasons(found: pd.DataFrame, answers: Answers) -> tuple[list[str], list[bool]]:
    """Return why each row cannot be kept, "" where it can, and which hold no answer at all."""
    names = ("rater_id", "item_id", "condition")
    reasons, quiet = [], []
    ids = zip(*(found[name] for name in names), strict=True)
    for cells, outcome, shown in zip(ids, answers.outcomes, answers.shown, strict=True):
        empty = next((name for name, cell in zip(names, cells, strict=True) if not cell), None)
        quiet.append(empty is not None and outcome == "")
        if empty is not None:
            reasons.append(f"{empty} is empty" + (", and so is the answer" if quiet[-1] else ""))
        else:
            reasons.append(f"answer {shown!r} is not understood" if outcome is None else "")
    return reasons, quiet


def _refuse_contradictions(found: pd.DataFrame, reasons: list[str]) -> None:
    good = found[[reason == "" for reason in reasons]]
    keys = [name for name in KEYS if name in good]
    both = good.drop_duplicates([*keys, "fooled"])
    twice = both[both.duplicated(keys, keep=False)]
    if len(twice):
        group = twice[(twice[keys] == twice[keys].iloc[0]).all(axis=1)]
        raise TableError(
            f"lines {group.index[0]} and {group.index[1]}: one rater gave two answers to item"
            f" {group['item_id'].iloc[0]!r} in condition {group['condition'].iloc[0]!r}"
            f" ({len(twice.drop_duplicates(keys))} such); if the study asked twice, give"
            " --map trial_id=COLUMN"
        )


def _with_repeats(found: pd.DataFrame, reasons: list[str]) -> list[str]:
    good = found[[reason == "" for reason in reasons]]
    again = iter(good.duplicated([name for name in KEYS if name in good]))
    return [
        reason or ("the same judgment as in an earlier row" if next(again) else "")
        for reason in reasons
    ]


def named_raters(
    found: pd.DataFrame, source: Source, rules: Rules, said: list[str]
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


def _refuse_nothing(kept: pd.DataFrame, dropped: Dropped) -> None:
    if kept.empty:
        first = dropped.table["reason"].iloc[0]
        raise TableError(
            f"no row is left: all {len(dropped.table)} were dropped, the first because {first}"
        )
    if (kept["fooled"] == "").all():
        raise TableError(f"no answer is left: all {len(kept)} rows are skips (empty answers)")


def write_imported(imported: Imported, out: Path, dropped: Path | None, key: Path | None) -> None:
    """Write judgments.csv after a strict reading of it, and what else was asked for."""
    check_judgments(imported.rows, str(out))
    write_tables(imported, out, dropped, key)


def write_tables(imported: Imported, out: Path, dropped: Path | None, key: Path | None) -> None:
    """Write the rows, the dropped ones and the list of raters, each where it was asked for."""
    for path, table in ((out, imported.rows), (dropped, imported.dropped.table)):
        if path is not None:
            write_atomically(path, table.to_csv(index=False, lineterminator="\n").encode())
    if key is not None and imported.raters:
        write_key(key, dict(imported.raters))


def imported_text(imported: Imported, source: Source, out: str) -> str:
    """Return what was mapped, the table of answers, what was dropped and left out, in words."""
    lines = [f"read as {source.how}"]
    lines += [f"left out: {each}" for each in source.left_out]
    lines += [*imported.said, *answers_text(imported.answers)]
    answer = "fooled" if "fooled" in imported.rows else "choice"
    skips = int((imported.rows[answer] == "").sum())
    lines.append(
        f"kept {len(imported.rows)} rows ({skips} skips), dropped {len(imported.dropped.table)}"
    )
    lines += dropped_text(imported.dropped)
    if imported.left_out:
        lines.append(
            f"columns not copied (--keep COLUMN copies one): {', '.join(imported.left_out)}"
        )
    lines += [f"caution: {each}" for each in imported.cautions]
    lines.append(f"wrote {out}")
    return "\n".join(lines)
