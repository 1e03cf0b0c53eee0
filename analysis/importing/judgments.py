"""Somebody's table as judgments.csv: what was mapped and every row that was dropped are shown.

Never a silent step: a column is mapped because it was asked for, has the right name or is a known
other one, and the plan says which; every distinct answer is shown with what it became; a row is
dropped for a reason that is listed; a skip stays a skip; raters get pseudonyms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote

import pandas as pd

from analysis.errors import TableError
from analysis.importing.answers.counts import CAUTION, COUNTS, expanded, is_counted
from analysis.importing.answers.doubtful import doubtful
from analysis.importing.answers.meanings import (
    BECAME,
    NO,
    YES,
    Answers,
    of_ratings,
    of_words,
    scale_of,
)
from analysis.importing.answers.not_answers import (
    refuse_button_numbers,
    refuse_summed_counts,
    refuse_sums,
    refuse_timed_out,
    with_absent_named,
)
from analysis.importing.answers.numbers import column_text
from analysis.importing.answers.shown import SHOWN, names_sides, with_sides
from analysis.importing.answers.sides import has_sides, of_images, of_sides, placed
from analysis.importing.columns import ALIASES, ONLY_FOR_DUELS, Named, kept_columns, named, require
from analysis.importing.dropped import DROP_LIMIT
from analysis.importing.outcome import Imported, Kind, Rules, concluded, write_tables
from analysis.importing.raters import under_one_rule
from analysis.judgments.ids import MISSING, folded, same_id
from analysis.judgments.real_photos import says_real, sounds_real
from analysis.judgments.table import FLAGS, KINDS, NUMBERS, OPTIONAL, REQUIRED, check_judgments
from analysis.numerals import counted
from analysis.sources.shape import listed, shaped
from analysis.sources.table import SourceTable

ANSWERS = ("fooled", "correct", "choice", "model_side", "real_side", "model_image", "real_image")
TARGETS = tuple(dict.fromkeys((*REQUIRED, *ANSWERS, *OPTIONAL, *COUNTS, "trials", *SHOWN)))
IDS = ("rater_id", "item_id", "condition")
JUDGMENTS = Kind(
    answer="fooled",
    ids=IDS,
    keys=(*IDS, "task", "kind", "study_id", "trial_id"),
    written=(*REQUIRED, *OPTIONAL),
)


def import_judgments(source: SourceTable, rules: Rules) -> Imported:
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
    cautions = [*doubtful(source.table), *([CAUTION] if is_counted(found) else [])]
    found = _with_unknown(found, rules.named, cautions)
    two_named = names_sides(found)
    if two_named:
        found = with_sides(found, rules.real, said)
    for name in IDS:
        require(found, others, name)
    refuse_sums(found, IDS)
    photos = None if two_named else _photos(found, rules.real)
    if not rules.drop_empty:
        found = with_absent_named(found, ("fooled", "correct", "choice"), IDS)
    if is_counted(found):
        found, extra, answers, bad = _of_counts(found, extra, photos, rules)
        source = replace(source, broken=(*source.broken, *bad))
    else:
        found, answers = _of_trials(found, others, source.table, photos, rules)
    found = found.assign(fooled=["?" if each is None else each for each in answers.outcomes])
    for name in IDS:
        found[name] = under_one_rule([found[name]], name, rules.alike, said)[0]
    if rules.asked_for_fake and "choice" in found:
        found = found.drop(columns="choice")  # in judgments.csv it is what was taken for real
    found = _typed(found, rules)
    cautions += _reals(found["condition"].unique())
    return concluded(
        found, extra, answers, JUDGMENTS, source=source, rules=rules, said=said,
        left_out=left_out, cautions=cautions,
    )  # fmt: skip


def _refuse_duels(table: pd.DataFrame, asked: Named) -> None:
    names = {folded(name).replace(" ", "_"): name for name in table.columns}
    pairs = [("winner", "loser")]
    pairs += [(f"{word}_a", f"{word}_b") for word in ("model", "system", "method", "condition")]
    two = next((pair for pair in pairs if set(pair) <= names.keys()), ())
    found = [name for name in ONLY_FOR_DUELS if name in asked.columns] or [
        names[one] for one in two
    ]
    if found:
        raise TableError(
            f"{' and '.join(found)} belong to comparisons between two models, not to judgments real"
            " or fake; give --duels"
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
    if (asked.unknown_raters or asked.unknown_items) and not ({"trial_id", "trials"} & set(found)):
        found = found.assign(trial_id=[f"row {line}" for line in found.index])
    return found


def _photos(found: pd.DataFrame, real: str | None) -> list[bool] | None:
    """Return which rows showed a real photo and nothing else, None where each showed two images.

    Raises
    ------
    TableError
        No such condition; the trials showed two images; or nobody can tell what "correct" means.
    """
    names = {cell: same_id(cell) for cell in found["condition"].unique()}
    if real is not None:
        if same_id(real) not in names.values():
            raise TableError(f"--real {real!r}: no such condition, found {listed(names)}")
        if has_sides(found) or "model_image" in found:
            raise TableError("--real is for trials of one image, and these say which of two it was")
        return [names[cell] == same_id(real) for cell in found["condition"]]
    called = next((name for name in names if says_real(name)), None)
    if called is not None and {"correct", "correct_count"} & set(found) and not has_sides(found):
        raise TableError(
            f"condition {called!r} reads as real photos, where a correct answer is 'real': give"
            f" --real {quote(called)} if each trial showed one image, else --map"
            " fooled=COLUMN --value 1=0 --value 0=1"
        )
    return None


def _of_trials(
    found: pd.DataFrame,
    others: pd.DataFrame,
    table: pd.DataFrame,
    photos: Sequence[bool] | None,
    rules: Rules,
) -> tuple[pd.DataFrame, Answers]:
    """Return the rows, which are a trial each, with their sides, and the answers."""
    shown = list(found.get("choice", []))
    if has_sides(found) and "model_image" not in found:
        values = rules.values if not {"fooled", "correct"} & set(found) else {}
        found = placed(found, values)
    answers = _answers(found, others, shown, photos, rules)
    if "correct" in found:
        refuse_timed_out(found, table, rules.named.ignore)
    if "fooled" in found and not rules.values:
        refuse_button_numbers(found, table, answers)
    return found, answers


def _of_counts(
    found: pd.DataFrame, extra: pd.DataFrame, photos: Sequence[bool] | None, rules: Rules
) -> tuple[pd.DataFrame, pd.DataFrame, Answers, list[tuple[int, str]]]:
    """Return one row a trial, and line and reason of rows that are no counts."""
    made = expanded(found, rules.decimal, photos)
    refuse_summed_counts(found, made)
    bad = [
        (int(line), reason)
        for line, reason in zip(found.index, made.reasons, strict=True)
        if reason
    ]
    if not rules.allow_dropped:
        _refuse_bad_counts(bad, len(found))
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


def _refuse_bad_counts(bad: list[tuple[int, str]], rows: int) -> None:
    """Refuse a table of counts of which too many rows are none; one row may stand for thousands."""
    lost = [each for each in bad if not each[1].endswith("are empty")]
    if len(lost) > DROP_LIMIT * rows:
        raise TableError(
            f"{len(lost)} of {rows} rows of counts are not understood, at most"
            f" {100 * DROP_LIMIT:g} % may be: line {lost[0][0]}: {lost[0][1]}; --allow-dropped"
            " imports the rest knowingly"
        )


def _refuse_unused(found: pd.DataFrame, rules: Rules) -> None:
    """Refuse options and columns that would change the answers if they had been looked at."""
    places = has_sides(found) or {"choice", "model_image", "real_image"} <= set(found)
    if rules.asked_for_fake and "fooled" in found and not places:
        raise TableError(
            "--asked-for-fake is for choices, and 'fooled' says already who was fooled: where it"
            " says who picked the fake, give --map correct=COLUMN"
        )
    if rules.cut and "fooled" not in found:
        raise TableError("--cut is for ratings: give --map fooled=COLUMN, the ratings' column")
    if "trials" in found:
        raise TableError(
            "'trials' says of how many trials a row tells, but 'fooled' and 'correct' are one"
            " answer: give --map fooled_count=COLUMN (or correct_count, or fool_rate), or"
            " --ignore trials"
        )


def _answers(
    found: pd.DataFrame,
    others: pd.DataFrame,
    shown: list[str],
    photos: Sequence[bool] | None,
    rules: Rules,
) -> Answers:
    """Return the answers by the one way, or by all ways that there are if they agree."""
    _refuse_unused(found, rules)
    scale = scale_of(rules.cut, rules.scale)
    called = {name: rules.named.columns.get(name, name) for name in ("fooled", "correct")}
    ways: list[Answers] = []
    if "fooled" in found:
        cells = list(found["fooled"])
        if scale:
            ways.append(of_ratings(cells, scale, rules.values, rules.decimal, called["fooled"]))
        else:
            ways.append(of_words(cells, rules.values, called["fooled"]))
    if "correct" in found:
        values = {} if ways else rules.values
        cells = list(found["correct"])
        ways.append(of_words(cells, values, called["correct"], correct=True, real=photos))
    values = {} if ways else rules.values
    if {"choice", "model_image", "real_image"} <= set(found):
        ways.append(of_images(found, values, rules.asked_for_fake))
    elif has_sides(found):
        ways.append(of_sides(found, shown, rules.asked_for_fake))
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
                f" {two!r} by {other.how!r} ({counted(len(apart), 'such row')})"
            )


def _reals(conditions: Iterable[str]) -> list[str]:
    return [
        f"condition {each!r} reads as the real photos: is each trial one image, real or fake? then"
        f" give --real {quote(each)} to fool-rates, compare and report"
        for each in conditions
        if sounds_real(each)
    ]


def _typed(found: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Return numbers, flags, sides and kinds in one spelling; one that is none stays as it is."""
    out = found.copy()
    for name in NUMBERS:
        if name in out:
            out[name] = column_text(list(out[name]), rules.decimal, name, rules.seconds)
    words = {**dict.fromkeys(YES, "1"), **dict.fromkeys(NO, "0"), **dict.fromkeys(MISSING, "")}
    for name in ("excluded", "simulated"):
        if name in out:
            out[name] = [words.get(folded(cell), cell) for cell in out[name]]
    sides = [name for name in ("choice", "model_side") if name in out]
    if not set(out[sides].to_numpy().ravel()) <= {"left", "right", ""}:
        out = out.drop(columns=sides)  # places of another kind have done their work
    if "kind" in out:
        out["kind"] = [folded(cell) for cell in out["kind"]]
    _refuse_other_words(out)
    return out


def _refuse_other_words(found: pd.DataFrame) -> None:
    """Refuse a column of a name of ours that holds something else."""
    flags = (FLAGS, "1, 0 or nothing")
    allowed = {"kind": ((*KINDS, ""), "main, practice or catch"), "excluded": flags,
               "simulated": flags}  # fmt: skip
    for name, (words, expected) in allowed.items():
        for line, cell in found.get(name, pd.Series(dtype=object)).items():
            if cell not in words:
                raise TableError(
                    f"line {line}: {name} is {cell!r}, expected {expected};"
                    f" --ignore {name} leaves the column alone"
                )


def write_imported(imported: Imported, out: Path, dropped: Path | None, key: Path | None) -> None:
    """Write judgments.csv after a strict reading of it, and what else was asked for."""
    check_judgments(imported.rows, str(out))
    write_tables(imported, out, dropped, key)
