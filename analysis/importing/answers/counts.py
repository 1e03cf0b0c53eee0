"""Counts (k of n fooled) as single judgments, one row each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.errors import TableError
from analysis.importing.answers.numbers import decimal_sign, number
from analysis.judgments.ids import MISSING, folded

COUNTS = ("fooled_count", "correct_count", "fool_rate")
WINS = ("wins_a", "wins_b", "ties")
SHARES = " (expected a share such as 0.43, or 43 %, that fits one count only)"
MOST_TRIALS = 10_000_000
CAUTION = "the judgments are made from counts: repeats, order and response times say nothing"


@dataclass(frozen=True)
class Counted:
    """``rows`` (N,) the row of each judgment, ``fooled`` (N,), and why a row is no count ("")."""

    rows: np.ndarray
    fooled: np.ndarray
    reasons: list[str]
    how: str


def is_counted(found: pd.DataFrame) -> bool:
    """Return whether a table holds counts."""
    return any(name in found for name in COUNTS)


def expanded(
    found: pd.DataFrame, decimal: str | None, real: Sequence[bool] | None = None
) -> Counted:
    """Return the judgments behind counts; the first k of a row's n are the fooled ones.

    `real` tells which rows are of real photos: who is correct there called them real.

    A rate becomes a count only if, to the digits it was written with, exactly one count has it.

    Raises
    ------
    TableError
        ``trials`` is missing, more than one kind of count is there, or there are too many.
    """
    kinds = [name for name in COUNTS if name in found]
    if len(kinds) > 1:
        raise TableError(f"{' and '.join(kinds)} are both mapped, expected one of them")
    if "trials" not in found:
        raise TableError(
            f"{kinds[0]} needs the number of trials: --map trials=COLUMN or --constant trials=N"
        )
    kind = kinds[0]
    signs = {name: decimal_sign([cell.rstrip(" %") for cell in found[name]], decimal, name)
             for name in (kind, "trials")}  # fmt: skip
    decimals = _decimals(found[kind], signs[kind])
    counts, totals, reasons = [], [], []
    photos = real or [False] * len(found)
    for cell, trials, photo in zip(found[kind], found["trials"], photos, strict=True):
        k, n, reason = _one(cell, trials, kind, signs, decimals)
        k = n - k if kind == "correct_count" and not photo else k
        counts.append(k)
        totals.append(n)
        reasons.append(reason)
    if sum(totals) > MOST_TRIALS:
        raise TableError(f"the counts are of {sum(totals)} trials, at most {MOST_TRIALS} are made")
    rows = np.repeat(np.arange(len(found)), totals)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(totals) - totals, totals)
    fooled = (place < np.repeat(counts, totals)).astype(int).astype(str)
    return Counted(rows, fooled, reasons, f"fooled <- {kind} of trials, one row a trial")


def _one(
    cell: str, trials: str, kind: str, signs: dict[str, str], decimals: int
) -> tuple[int, int, str]:
    """Return the count, trials, and why the row is not a count."""
    if folded(cell) in MISSING and folded(trials) in MISSING:
        return 0, 0, f"{kind} and trials are empty"
    total = number(trials, signs["trials"])
    if total is None or total < 0 or not total.is_integer():
        return 0, 0, f"trials is {trials!r}, expected a whole number"
    n = int(total)
    rated = kind == "fool_rate"
    k = _of_rate(cell, n, signs[kind], decimals) if rated else _of_count(cell, signs[kind])
    if k is None or not 0 <= k <= n:
        return 0, 0, f"{kind} {cell!r} of {n} trials is no count" + SHARES * rated
    return k, n, ""


def _of_count(cell: str, sign: str) -> int | None:
    value = number(cell, sign)
    return int(value) if value is not None and value.is_integer() else None


def _decimals(cells: Iterable[str], sign: str) -> int:
    """Return to how many decimals a column was written: the most that one of its cells shows."""
    return max((len(cell.rstrip(" %").partition(sign)[2]) for cell in cells), default=0)


def _of_rate(cell: str, n: int, sign: str, decimals: int) -> int | None:
    """Return the one count of n that has this rate when rounded; None if none or several do."""
    value = number(cell.rstrip(" %"), sign)
    if value is None or n == 0:
        return None
    unit = 100 if cell.rstrip().endswith("%") else 1
    half = 0.5 * 10.0**-decimals / unit + 1e-12
    low, high = (value / unit - half) * n, (value / unit + half) * n
    first, last = math.ceil(low), math.floor(high)
    return first if first == last else None


def each_win(
    found: pd.DataFrame, extra: pd.DataFrame, decimal: str | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row a comparison, with ``choice`` and ``trial_id``, of ``wins_a, wins_b, ties``.

    Raises
    ------
    TableError
        One of the first two is missing, a cell is not a count, or there are too many.
    """
    missing = [name for name in WINS[:2] if name not in found]
    if missing:
        raise TableError(f"{missing[0]} is missing: give --map {missing[0]}=COLUMN")
    names = [name for name in WINS if name in found]
    totals = np.zeros((len(found), len(names)), dtype=np.int64)
    for column, name in enumerate(names):
        sign = decimal_sign(list(found[name]), decimal, name)
        for row, cell in enumerate(found[name]):
            count = 0 if folded(cell) in MISSING else _of_count(cell, sign)
            if count is None or count < 0:
                raise TableError(f"line {found.index[row]}: {name} is {cell!r}, expected a count")
            totals[row, column] = count
    if totals.sum() > MOST_TRIALS:
        raise TableError(f"the counts are of {totals.sum()} trials, at most {MOST_TRIALS} are made")
    rows = np.repeat(np.arange(len(found)), totals.sum(axis=1))
    words = np.tile(np.array(["a", "b", "tie"])[: len(names)], len(found))
    place = pd.Series(rows).groupby(rows).cumcount() + 1
    out = found.drop(columns=names).iloc[rows]
    lines = [f"{line}-{each}" for line, each in zip(out.index, place, strict=True)]
    return out.assign(choice=np.repeat(words, totals.ravel()), trial_id=lines), extra.iloc[rows]
