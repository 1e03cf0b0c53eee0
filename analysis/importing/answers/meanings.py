"""What each answer became: 1 (fooled), 0 (not fooled), "" (skipped) or None (not understood).

An answer is understood because the user said what it means, or because it is one of the words
below; nothing else is. The table of answers shows every distinct one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from shlex import quote

from analysis.errors import TableError
from analysis.importing.answers.numbers import decimal_sign, number
from analysis.judgments.ids import MISSING, folded
from analysis.sources.shape import ORDERS

YES = ("1", "true", "yes", "y", "t")
NO = ("0", "false", "no", "n", "f")
WORDS: dict[str, str] = {**dict.fromkeys(YES, "1"), **dict.fromkeys(NO, "0")}
BECAME = {"1": "1, fooled", "0": "0, not fooled", "": "skipped", None: "NOT UNDERSTOOD"}
TURNED = {"1": "0", "0": "1"}
MOST_SHOWN = 40


@dataclass(frozen=True)
class Scale:
    """How ratings become answers: fooled where ``sign limit`` holds; the scale's ends, or None."""

    sign: str
    limit: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Answers:
    """What each row said (``shown``) and what it became; None is not understood. ``how`` in words.

    ``became`` says in words what an outcome is; it also orders the table of answers.
    """

    outcomes: list[str | None]
    shown: list[str]
    how: str
    became: Mapping[str | None, str] = field(default_factory=lambda: BECAME)

    def table(self) -> list[tuple[str, int, str]]:
        """Return each distinct answer, how often it is there, and what it became."""
        counts = Counter(zip(self.shown, self.outcomes, strict=True))
        order = list(self.became)
        rows = sorted(counts.items(), key=lambda one: (order.index(one[0][1]), -one[1], one[0][0]))
        return [(cell, count, self.became[outcome]) for (cell, outcome), count in rows]

    def unknown(self) -> Counter[str]:
        """Return the answers that are not understood, with how often each is there."""
        pairs = zip(self.shown, self.outcomes, strict=True)
        return Counter(cell for cell, outcome in pairs if outcome is None)


def scale_of(cut: str | None, scale: str | None) -> Scale | None:
    """Return --cut and --scale as a rule, None without a cut. Raises `TableError`."""
    if cut is None:
        if scale is not None:
            raise TableError("--scale is for ratings, and these need --cut too, such as '>=4'")
        return None
    rule = re.fullmatch(r"\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)\s*", cut)
    if rule is None:
        raise TableError(f"--cut {cut!r}, expected a comparison like '>=4'")
    ends = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*(?:-|to|\.\.)\s*(-?\d+(?:\.\d+)?)\s*", scale or "")
    if scale is not None and (ends is None or not float(ends[1]) < float(ends[2])):
        raise TableError(f"--scale {scale!r}, expected the lowest and highest rating like 1-7")
    low, high = (float(ends[1]), float(ends[2])) if ends else (None, None)
    found = Scale(rule[1], float(rule[2]), low, high)
    if (
        low is not None
        and high is not None
        and len({_passes(low, found), _passes(high, found)}) < 2
    ):
        raise TableError(
            f"--cut {cut!r} parts no rating of --scale {scale} from another, expected one between"
            " its ends"
        )
    return found


def _passes(rating: float, scale: Scale) -> bool:
    return ORDERS[scale.sign](rating, scale.limit)


def meanings(
    values: Mapping[str, str], allowed: Mapping[str, str], expected: str
) -> dict[str, str]:
    """Return --value options with what they mean in one spelling. Raises `TableError`."""
    out = {}
    for answer, given in values.items():
        meaning = allowed.get(folded(given))
        if meaning is None:
            raise TableError(f"--value {answer}={given}, expected {expected} after the =")
        out[answer] = meaning
    return out


def lookup(values: Mapping[str, str], words: Mapping[str, str]) -> dict[str, str]:
    """Return answers in the form they are compared in; the user's own words come first.

    Raises `TableError` where two of them differ in case only and mean different things.
    """
    out: dict[str, str] = {}
    for answer, meaning in values.items():
        if out.setdefault(folded(answer), meaning) != meaning:
            raise TableError(
                f"--value gives {answer!r} two meanings (case and blanks do not count)"
            )
    return {**words, **dict.fromkeys(MISSING, ""), **out}


def of_words(
    cells: Sequence[str],
    values: Mapping[str, str],
    column: str,
    *,
    correct: bool = False,
    real: Sequence[bool] | None = None,
) -> Answers:
    """Return answers by words; with `correct` they say whether the rater was right.

    `real` tells which rows showed a real photo and nothing else: who is right there called it real.

    Raises
    ------
    TableError
        The cells are rates, not answers.
    """
    allowed = {**WORDS, "": "", "skip": "", "fooled": "1", "not fooled": "0"}
    known = lookup(meanings(values, allowed, "1, 0 or nothing (skipped)"), WORDS)
    _refuse_rates(cells, known, column)
    each = [known.get(folded(cell)) for cell in cells]
    how = f"fooled <- the answers in {column!r}"
    if not correct:
        return Answers(each, list(cells), how)
    photos = real or [False] * len(cells)
    fooled = [TURNED.get(answer or "", answer) if not photo else answer
              for answer, photo in zip(each, photos, strict=True)]  # fmt: skip
    shown = [f"{cell} (real photo)" if photo else cell
             for cell, photo in zip(cells, photos, strict=True)]  # fmt: skip
    return Answers(fooled, shown, f"{how}, turned round" + (" for the fakes" if real else ""))


def _refuse_rates(cells: Sequence[str], known: Mapping[str, str], column: str) -> None:
    """Refuse shares and percentages, of which 0 and 1 would be read as answers."""
    for cell in dict.fromkeys(cells):
        if folded(cell) in known:
            continue
        share = number(cell.removesuffix("%").strip(), "," if re.fullmatch(r"0,\d+", cell) else ".")
        if share is not None and (cell.endswith("%") or 0 < share < 1):
            raise TableError(
                f"{column!r} holds rates ({cell!r}), expected one answer a row; for rates give"
                " --map fool_rate=COLUMN and --map trials=COLUMN, for ratings --cut"
            )


def of_ratings(
    cells: Sequence[str], scale: Scale, values: Mapping[str, str], decimal: str | None, column: str
) -> Answers:
    """Return answers by a cut through ratings.

    Raises
    ------
    TableError
        Without a stated scale, some number looks like a code for a missing answer.
    """
    allowed = {**WORDS, "": "", "skip": ""}
    known = lookup(meanings(values, allowed, "1, 0 or nothing (skipped)"), {})
    rest = [cell for cell in cells if folded(cell) not in known]
    sign = decimal_sign(rest, decimal, column)
    ratings = {cell: number(cell, sign) for cell in dict.fromkeys(rest)}
    if scale.low is None:
        numbers = [each for each in ratings.values() if each is not None]
        _refuse_codes(numbers, column)
        _refuse_one_sided(numbers, scale, column)

    def answer(cell: str) -> str | None:
        if folded(cell) in known:
            return known[folded(cell)]
        rating = ratings[cell]
        if rating is None or not _within(rating, scale):
            return None
        return str(int(_passes(rating, scale)))

    fooled = [answer(cell) for cell in cells]
    on_it = sum(ratings.get(cell) == scale.limit for cell in cells)
    side = "fooled" if "=" in scale.sign else "not fooled"
    how = f"fooled <- where {column!r} is {scale.sign}{scale.limit:g}, else not"
    if on_it:
        how += f"; {on_it} are exactly {scale.limit:g}, which counts as {side}"
    return Answers(fooled, list(cells), how)


def _refuse_one_sided(ratings: Sequence[float], scale: Scale, column: str) -> None:
    """Refuse a cut through a scale of unknown ends that leaves all ratings on one side."""
    if ratings and len({_passes(each, scale) for each in ratings}) < 2:
        raise TableError(
            f"--cut '{scale.sign}{scale.limit:g}' parts nothing: {column!r} holds {min(ratings):g}"
            f" to {max(ratings):g}; give --scale LOW-HIGH if all raters answered alike"
        )


def _within(rating: float, scale: Scale) -> bool:
    return scale.low is None or scale.high is None or scale.low <= rating <= scale.high


def _refuse_codes(ratings: Sequence[float], column: str) -> None:
    """Refuse numbers that look like codes for no answer: -1 or 99 beside 1-7, 0 beside 1-5."""
    if not ratings:
        return
    distinct = sorted(set(ratings))
    positive = [each for each in distinct if each > 0]
    codes = (
        [each for each in distinct if each < 0]
        if positive and -max(positive) not in distinct
        else []
    )
    if 0 in distinct and positive and positive == [float(k) for k in range(1, len(positive) + 1)]:
        codes += (
            [0.0] if len(positive) in (5, 7, 9) and not any(each < 0 for each in distinct) else []
        )
    while len(positive) > 1 and positive[-1] in (8, 9, 77, 88, 98, 99, 777, 888, 998, 999, 9999):
        if positive[-1] - positive[-2] < 2:
            break
        codes.append(positive.pop())
    if codes:
        found = ", ".join(f"{each:g}" for each in codes)
        raise TableError(
            f"{column!r} holds {found} beside {positive[0]:g} to {positive[-1]:g}: ratings, or"
            f" codes for no answer? give --scale LOW-HIGH, or --value {codes[0]:g}= for a skip"
        )


def answers_text(answers: Answers) -> list[str]:
    """Return the table of answers as lines, cut with a count when it is very long."""
    rows = [(repr(cell) if cell else "(empty)", count, became)
            for cell, count, became in answers.table()]  # fmt: skip
    shown = rows[:MOST_SHOWN]
    width = max((len(cell) for cell, _, _ in shown), default=0)
    lines = [answers.how, "answers:"]
    lines += [f"  {cell:<{width}}  {count:>7} x  -> {became}" for cell, count, became in shown]
    hidden = Counter[str]()
    for _, count, became in rows[MOST_SHOWN:]:
        hidden[became] += count
    lines += [f"  others, {count:>7} x  -> {became}" for became, count in hidden.items()]
    return lines


def _answers(count: int) -> str:
    return "1 answer is" if count == 1 else f"{count} answers are"


def _other_kinds(unknown: Iterable[str]) -> str:
    """Return what else numbers may be, "" where the answers are no numbers."""
    if not all(number(cell) is not None for cell in unknown):
        return ""
    return "; for ratings give --cut, for counts --map fooled_count=COLUMN and --map trials=COLUMN"


def refuse_half_understood(answers: Answers) -> None:
    """Raise `TableError` if only one outcome is understood while other answers are not."""
    outcomes = {each for each in answers.outcomes if each not in ("", None)}
    unknown = answers.unknown()
    if len(outcomes) < 2 and unknown:
        shown = ", ".join(repr(cell) for cell, _ in unknown.most_common(5))
        meant = (
            f" and the others all mean {answers.became[next(iter(outcomes))]!r}" if outcomes else ""
        )
        raise TableError(
            f"{_answers(unknown.total())} not understood ({shown}){meant};"
            f" give --value {quote(next(iter(unknown)) + '=MEANING')} for each, or --allow-dropped"
            f"{_other_kinds(unknown)}"
        )
