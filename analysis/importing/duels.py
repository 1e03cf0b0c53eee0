"""Somebody's comparisons of two models as comparisons.csv, which `analysis rank` reads.

Columns: two models and who won (model_a, model_b, choice), or a winner and a loser. An answer is
understood by its words (a, left, model_a, A>B, the model's name, tie in any wording); bare numbers
mean different things to different people and have to be explained.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from analysis.errors import TableError
from analysis.importing.answers.counts import CAUTION, WINS, each_win
from analysis.importing.answers.doubtful import doubtful
from analysis.importing.answers.meanings import NO, YES, Answers, lookup, meanings
from analysis.importing.answers.not_answers import refuse_sums, with_absent_named
from analysis.importing.answers.numbers import column_text
from analysis.importing.columns import DUEL_ALIASES, Named, kept_columns, named, require
from analysis.importing.outcome import Imported, Kind, Rules, concluded
from analysis.importing.raters import under_one_rule
from analysis.judgments.duels import COLUMNS, UNKNOWN
from analysis.judgments.ids import MISSING, folded
from analysis.sources.shape import shaped
from analysis.sources.table import SourceTable

MORE = (*WINS, "winner", "loser", "tie", "study_id", "session_id", "trial_id", "position",
        "rt_ms", "answered_at", "simulated")  # fmt: skip
TARGETS = (*COLUMNS, *MORE)
DUELS = Kind(
    answer="choice",
    ids=("rater_id", "item_id", "model_a", "model_b"),
    keys=("rater_id", "item_id", "model_a", "model_b", "session_id", "trial_id"),
    written=(*COLUMNS, "study_id", "session_id", "trial_id", "position", "rt_ms", "answered_at",
             "simulated"),
)  # fmt: skip
WORDS = {
    **dict.fromkeys(("a", "model_a", "model a", "left", "first", "a wins", "a>b", "a>>b",
                     "model_1", "system_a", "response_a", "a is better", "left is better"), "a"),
    **dict.fromkeys(("b", "model_b", "model b", "right", "second", "b wins", "b>a", "b>>a",
                     "model_2", "system_b", "response_b", "b is better", "right is better"), "b"),
    **dict.fromkeys(("a=b", "a==b", "a~=b", "a≈b", "="), "tie"),
}  # fmt: skip
BETTER = re.compile(
    r"(i (prefer|choose) )?(the )?((image|option|model|system|picture|photo|video|side|response)"
    r" ?)?(?P<place>a|b|left|right|first|second)( ?(image|option|model|picture|photo|side|one))?"
    r"( ?vote)?( is| was| looks)?( (slightly|somewhat|much|clearly|far|a bit|a little|a lot))?"
    r"( better| preferred| wins| won)?"
)
TIES = re.compile(
    r"\W*(a |it'?s a |about |(they |both )?are )*(tie|tied|ties|draw|equal|equally|same|the same|"
    r"both|neither|even|similar|no preference|no difference|cannot decide|can't decide|undecided|"
    r"indifferent|bothbad|bothgood|tievote)\b.*"
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


def import_duels(source: SourceTable, rules: Rules) -> Imported:
    """Return a source as comparisons.

    Raises
    ------
    TableError
        A column can be neither found nor made, too many rows are not understood, ids look alike,
        or one rater's answers to one comparison contradict each other.
    """
    _refuse_options_of_judgments(rules)
    source, said = shaped(source, rules.shape)
    found, others = named(source.table, rules.named, TARGETS, _aliases(source.table, rules), said)
    extra, left_out = kept_columns(others, rules.named.keep, TARGETS)
    cautions = doubtful(source.table)
    found = _with_unknown(found, rules.named, cautions)
    for name in ("rater_id", "item_id"):
        require(found, others, name)
    if "wins_a" in found or "wins_b" in found:
        found, extra = each_win(found, extra, rules.decimal)
        cautions.append(CAUTION)
    if not rules.drop_empty:
        found = with_absent_named(found, ("choice",), ("rater_id", "item_id"))
    found = _with_models(found, others)
    for name in ("rater_id", "item_id"):
        found[name] = under_one_rule([found[name]], name, rules.alike, said)[0]
    refuse_sums(found, ("rater_id", "item_id", "model_a", "model_b"))
    models = under_one_rule([found["model_a"], found["model_b"]], "model", rules.alike, said)
    found = found.assign(model_a=models[0], model_b=models[1])
    mapped = next((name for name in ("choice", "winner") if name in rules.named.columns), None)
    answers = _choices(found, rules.values, mapped)
    if not rules.allow_dropped:
        _refuse_numbers(answers)
    found = found.assign(choice=[outcome or "" for outcome in answers.outcomes])
    if "rt_ms" in found:
        found["rt_ms"] = column_text(list(found["rt_ms"]), rules.decimal, "rt_ms", rules.seconds)
    known = not (rules.named.unknown_raters or rules.named.unknown_items)
    if found["rater_id"].nunique() == 1 and known:
        cautions.append(ONE_RATER)
    kind = DUELS if known else replace(DUELS, keys=())
    return concluded(
        found, extra, answers, kind, source=source, rules=rules, said=said, left_out=left_out,
        cautions=cautions,
    )  # fmt: skip


def _refuse_options_of_judgments(rules: Rules) -> None:
    if rules.cut or rules.scale:
        raise TableError("--cut and --scale are for ratings of one image, not for --duels")
    if rules.asked_for_fake or rules.real:
        option = "--asked-for-fake" if rules.asked_for_fake else "--real"
        raise TableError(
            f"{option} is for judgments real or fake, not for --duels; where raters picked the"
            " worse one, say what each answer means by --value"
        )


def _aliases(table: pd.DataFrame, rules: Rules) -> dict[str, tuple[str, ...]]:
    """Return the known other names; beside a loser, a winner is a model and no choice."""
    names = {folded(name) for name in table.columns} | rules.named.columns.keys()
    if "loser" not in names:
        return DUEL_ALIASES
    choice = tuple(name for name in DUEL_ALIASES["choice"] if name != "winner")
    return {**DUEL_ALIASES, "choice": choice}


def _with_unknown(found: pd.DataFrame, asked: Named, cautions: list[str]) -> pd.DataFrame:
    if asked.unknown_raters:
        found = found.assign(rater_id=UNKNOWN)
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
        words = [folded(cell) for cell in found["winner"]]
        if any(TIES.fullmatch(word) for word in words):
            raise TableError(
                "winner holds a tie where it should name a model; map model_a, model_b and choice,"
                " or --map tie=COLUMN"
            )
        won = [word not in MISSING for word in words]
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


def _choices(found: pd.DataFrame, values: Mapping[str, str], mapped: str | None) -> Answers:
    """Return what each row's choice means: a, b, tie, "" (skipped) or None.

    `mapped` says that the user mapped ``choice`` (places) or ``winner`` (names), None if neither.
    """
    allowed = {"a": "a", "model_a": "a", "left": "a", "b": "b", "model_b": "b", "right": "b",
               "tie": "tie", "": "", "skip": ""}  # fmt: skip
    meant = meanings(values, allowed, "a, b, tie or nothing (skipped)")
    asked = {folded(answer): meaning for answer, meaning in meant.items()}
    known = lookup(meant, WORDS)
    by_name = _by_name(found, asked, mapped)
    names = {folded(name) for name in {*found["model_a"], *found["model_b"]}}
    outcomes: list[str | None] = []
    shown = []
    for cell, a, b in zip(found["choice"], found["model_a"], found["model_b"], strict=True):
        word, places = folded(cell), {folded(b): "b", folded(a): "a"}
        named_it = word in places and word not in asked and (by_name or word not in known)
        if named_it:
            outcomes.append(places[word])
        else:
            elsewhere = word in names  # another row's model, however its name reads
            outcomes.append(known.get(word, None if elsewhere else _in_words(word)))
        shown.append(f"the name of model_{places[word]}" if named_it else cell)
    return Answers(outcomes, shown, "choice <- who won", BECAME)


def _in_words(word: str) -> str | None:
    """Return what a folded answer of several words says: a, b, tie; None where it says neither."""
    spaced = word.replace("_", " ").replace("-", " ")
    if TIES.fullmatch(word) or TIES.fullmatch(spaced):
        return "tie"
    better = BETTER.fullmatch(spaced)
    return WORDS[better["place"]] if better else None


def _by_name(found: pd.DataFrame, asked: Mapping[str, str], mapped: str | None) -> bool:
    """Return whether words that are both a place and a model's name ("A") are names.

    Raises
    ------
    TableError
        Nobody can tell: the models are called like places, and so are all answers.
    """
    names = set(found["model_a"]) | set(found["model_b"])
    plain = {folded(name) for name in names}
    cells = {cell for cell in found["choice"] if folded(cell) not in asked}
    both = sorted(cell for cell in cells if folded(cell) in WORDS and folded(cell) in plain)
    if not both or mapped == "choice":
        return False
    if mapped == "winner" or any(folded(cell) in plain - set(WORDS) for cell in cells):
        return True
    if names & set(both):
        raise TableError(
            f"choice {both[0]!r} is a place and a model's name; give --map choice=COLUMN if it is"
            " the place, --map winner=COLUMN if it is the name"
        )
    return False


def _refuse_numbers(answers: Answers) -> None:
    numbers = [cell for cell in answers.unknown() if re.fullmatch(r"[+-]?\d+(\.\d+)?", cell)]
    if numbers:
        raise TableError(
            f"choice holds the numbers {', '.join(sorted(numbers)[:5])}: what they mean is not"
            f" known; give --value {numbers[0]}=a (or b, tie, nothing) for each"
        )
