"""Somebody's comparisons of two models as comparisons.csv, which `analysis rank` reads.

Columns: two models and who won (model_a, model_b, choice), or a winner and a loser. An answer is
understood by its words (a, left, model_a, A>B, the model's name, tie in any wording); bare numbers
mean different things to different people and have to be explained.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from analysis.errors import TableError
from analysis.importing.answers import (
    MISSING,
    NO,
    YES,
    Answers,
    lookup,
    meanings,
    refuse_half_understood,
)
from analysis.importing.columns import DUEL_ALIASES, Named, kept_columns, named, require
from analysis.importing.dropped import dropped_rows, refuse_lost
from analysis.importing.judgments import Imported, Rules, named_raters
from analysis.importing.raters import personal, under_one_rule
from analysis.judgments.duels import COLUMNS
from analysis.judgments.ids import folded
from analysis.sources.shape import shaped
from analysis.sources.table import Source

MORE = ("winner", "loser", "tie", "kind", "study_id", "session_id", "trial_id", "position", "rt_ms",
        "answered_at", "simulated")  # fmt: skip
TARGETS = (*COLUMNS, *MORE)
WRITTEN = (*COLUMNS, "study_id", "session_id", "trial_id", "position", "rt_ms", "answered_at",
           "simulated")  # fmt: skip
WORDS = {
    **dict.fromkeys(("a", "model_a", "model a", "left", "first", "a wins", "a>b", "a>>b",
                     "model_1", "system_a", "response_a", "a is better", "left is better"), "a"),
    **dict.fromkeys(("b", "model_b", "model b", "right", "second", "b wins", "b>a", "b>>a",
                     "model_2", "system_b", "response_b", "b is better", "right is better"), "b"),
    **dict.fromkeys(("a=b", "a~=b", "a≈b", "="), "tie"),
}  # fmt: skip
TIES = re.compile(
    r"\W*(a |it'?s a )?(tie|tied|ties|draw|equal|equally|same|the same|both|neither|even|similar|"
    r"no preference|no difference|cannot decide|can't decide|undecided|indifferent)\b.*"
)
BECAME: dict[str | None, str] = {
    "a": "model_a won", "b": "model_b won", "tie": "tie", "": "skipped", None: "NOT UNDERSTOOD",
}  # fmt: skip
UNKNOWN_RATERS = (
    "the judges are not known: answers of one person count as independent, so intervals can be too"
    " short"
)
UNKNOWN_ITEMS = (
    "the images are not known: each comparison counts as one of its own, so intervals can be too"
    " short"
)
ONE_RATER = "one judge only: a ranking says what this judge prefers, not what people do"


def import_duels(source: Source, rules: Rules) -> Imported:
    """Return a source as comparisons.

    Raises
    ------
    TableError
        A column can be neither found nor made, too many rows are not understood, ids look alike,
        or one rater's answers to one comparison contradict each other.
    """
    if rules.cut or rules.scale:
        raise TableError("--cut and --scale are for ratings of one image, not for --duels")
    source, said = shaped(source, rules.shape)
    found, others = named(source.table, rules.named, TARGETS, DUEL_ALIASES, said)
    extra, left_out = kept_columns(others, rules.named.keep, TARGETS)
    cautions: list[str] = []
    found = _with_unknown(found, rules.named, cautions)
    for name in ("rater_id", "item_id"):
        require(found, others, name)
    found = _with_models(found, others)
    for name in ("rater_id", "item_id"):
        found[name] = under_one_rule([found[name]], name, rules.alike, said)[0]
    models = under_one_rule([found["model_a"], found["model_b"]], "model", rules.alike, said)
    found = found.assign(model_a=models[0], model_b=models[1])
    answers = _choices(found, rules.values)
    found = found.assign(choice=[outcome or "" for outcome in answers.outcomes])
    if not rules.allow_dropped:
        _refuse_misread(answers)
    reasons, quiet = _reasons(found, answers)
    if not rules.named.unknown_raters and not rules.named.unknown_items:
        reasons = _with_repeats(found, reasons)
    raters = found["rater_id"].nunique()
    if raters == 1 and not rules.named.unknown_raters:
        cautions.append(ONE_RATER)
    found, key = named_raters(found, source, rules, said)
    whole = pd.concat([found, extra], axis=1)
    dropped = dropped_rows(whole, reasons, quiet, source.broken)
    kept = whole[[reason == "" for reason in reasons]]
    if (kept["choice"] == "").all():
        why = next(filter(None, reasons), "all are skips")
        raise TableError(f"no comparison is left of {len(whole)} rows: {why}")
    if not rules.allow_dropped:
        refuse_lost(dropped)
    rows = kept[[*(name for name in WRITTEN if name in kept), *extra.columns]].reset_index(
        drop=True
    )
    cautions += personal(rows)
    return Imported(rows, tuple(said), answers, dropped, tuple(left_out), tuple(cautions), key)


def _with_unknown(found: pd.DataFrame, asked: Named, cautions: list[str]) -> pd.DataFrame:
    if asked.unknown_raters:
        found = found.assign(rater_id="unknown")
        cautions.append(UNKNOWN_RATERS)
    if asked.unknown_items:
        found = found.assign(item_id=[f"row {line}" for line in found.index])
        cautions.append(UNKNOWN_ITEMS)
    return found


def _with_models(found: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Return the table with model_a, model_b and choice, of winner and loser where it has those.

    ``winner`` beside the two models is what was chosen; beside ``loser`` it is a model.
    """
    if "loser" in found:
        require(found, others, "winner")
        tied = _tied(found["tie"]) if "tie" in found else [False] * len(found)
        won = [folded(cell) not in MISSING for cell in found["winner"]]
        choice = [
            "tie" if tie else "a" if known else "" for tie, known in zip(tied, won, strict=True)
        ]
        return found.assign(model_a=found["winner"], model_b=found["loser"], choice=choice)
    if "choice" not in found and "winner" in found:
        found = found.rename(columns={"winner": "choice"})
    for name in ("model_a", "model_b"):
        require(found, others, name, ", or --map winner=COLUMN and --map loser=COLUMN")
    require(found, others, "choice")
    if "tie" in found:
        choice = [
            "tie" if tie else cell
            for tie, cell in zip(_tied(found["tie"]), found["choice"], strict=True)
        ]
        found = found.assign(choice=choice)
    return found


def _tied(cells: pd.Series) -> list[bool]:
    words = {**dict.fromkeys(YES, True), **dict.fromkeys((*NO, *MISSING), False)}
    wrong = next((cell for cell in cells if folded(cell) not in words), None)
    if wrong is not None:
        raise TableError(f"tie holds {wrong!r}, expected true or false")
    return [words[folded(cell)] for cell in cells]


def _choices(found: pd.DataFrame, values: Mapping[str, str]) -> Answers:
    """Return what each row's choice means: a, b, tie, "" (skipped) or None."""
    allowed = {"a": "a", "model_a": "a", "left": "a", "b": "b", "model_b": "b", "right": "b",
               "tie": "tie", "": "", "skip": ""}  # fmt: skip
    meant = meanings(values, allowed, "a, b, tie or nothing (skipped)")
    asked = {folded(answer): meaning for answer, meaning in meant.items()}
    known = lookup(meant, WORDS)

    def meaning(cell: str, a: str, b: str) -> str | None:
        word = folded(cell)
        if word in asked:
            return asked[word]
        if word in (folded(a), folded(b)) and folded(a) != folded(b):
            return "a" if word == folded(a) else "b"
        return "tie" if word not in known and TIES.fullmatch(word) else known.get(word)

    rows = zip(found["choice"], found["model_a"], found["model_b"], strict=True)
    outcomes, shown = [], []
    for cell, a, b in rows:
        outcomes.append(meaning(cell, a, b))
        named_it = folded(cell) in (folded(a), folded(b)) and folded(cell) not in asked
        side = "" if not named_it else "a" if outcomes[-1] == "a" else "b"
        shown.append(f"the name of model_{side}" if side and folded(cell) not in WORDS else cell)
    return Answers(outcomes, shown, "choice <- who won", BECAME)


def _refuse_misread(answers: Answers) -> None:
    numbers = [cell for cell in answers.unknown() if re.fullmatch(r"[+-]?\d+(\.\d+)?", cell)]
    if numbers:
        raise TableError(
            f"choice holds the numbers {', '.join(sorted(numbers)[:5])}: what they mean is not"
            f" known; give --value {numbers[0]}=a (or b, tie, nothing) for each"
        )
    refuse_half_understood(answers)


def _reasons(found: pd.DataFrame, answers: Answers) -> tuple[list[str], list[bool]]:
    names = ("rater_id", "item_id", "model_a", "model_b")
    reasons, quiet = [], []
    ids = zip(*(found[name] for name in names), strict=True)
    for cells, outcome, shown in zip(ids, answers.outcomes, answers.shown, strict=True):
        empty = next((name for name, cell in zip(names, cells, strict=True) if not cell), None)
        quiet.append(empty is not None and outcome == "")
        if empty is not None:
            reasons.append(f"{empty} is empty")
        else:
            reasons.append(f"answer {shown!r} is not understood" if outcome is None else "")
    return reasons, quiet


def _with_repeats(found: pd.DataFrame, reasons: list[str]) -> list[str]:
    """Return the reasons with repeats of one rater's comparison of one item in one order.

    Raises `TableError` where two such rows have different answers.
    """
    keys = [name for name in ("rater_id", "item_id", "model_a", "model_b", "trial_id", "session_id")
            if name in found]  # fmt: skip
    good = found[[reason == "" for reason in reasons]]
    both = good.drop_duplicates([*keys, "choice"])
    twice = both[both.duplicated(keys, keep=False)]
    if len(twice):
        group = twice[(twice[keys] == twice[keys].iloc[0]).all(axis=1)]
        raise TableError(
            f"lines {group.index[0]} and {group.index[1]}: one rater gave two answers to item"
            f" {group['item_id'].iloc[0]!r} ({len(twice.drop_duplicates(keys))} such comparisons);"
            " if the study asked twice, give --map trial_id=COLUMN"
        )
    again = iter(good.duplicated(keys))
    return [reason or ("the same comparison as in an earlier row" if next(again) else "")
            for reason in reasons]  # fmt: skip
