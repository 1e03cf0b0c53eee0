"""Which of a study file's rules a rater breaks, while the site still holds the data.

For pay (reconciliation) and for the dashboard; the report applies the use rules by itself, and a
test holds both to the same answers. A rule that is left out is not applied, and being at chance is
no rule.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from math import comb
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, select

from study_server.config import Rules
from study_server.storage.models import Judgment, RaterSession, Trial

WORDS = {
    "max_failed_catch": "catch trials",
    "max_skipped_share": "skips",
    "min_median_rt_ms": "too fast",
    "rt_tukey_factor": "too slow",
    "side_bias_alpha": "favours a side",
    "max_same_side_run": "one side in a row",
    "min_main_trials": "too few trials",
}


class RatedTrial(NamedTuple):
    """One stored answer, as far as the rules look at it."""

    kind: str  # main, catch or practice
    choice: str | None  # None: skipped, or neither side
    fooled: int | None
    rt_ms: float | None
    answers: str | None = None  # of trials that may be answered by neither side


_ANSWERED = RatedTrial._fields[1:]


@dataclass(frozen=True)
class Facts:
    """What the rules look at of one rater; main trials, except for the catch trials failed."""

    asked: int
    answered: int
    catch_failed: int  # a skipped catch trial has failed
    median_rt_ms: float | None
    side_p: float | None  # two-sided binomial test of as many lefts as rights
    longest_run: int  # answers in a row on one side


def facts_of(answers: Iterable[RatedTrial]) -> Facts:
    """Return the facts of one rater's answers, given in the order of the trials."""
    answers = list(answers)
    main = [each for each in answers if each.kind == "main"]
    return sum_up(
        len(main),
        [each.choice == "left" for each in main if each.choice],
        [each.rt_ms for each in main if each.rt_ms is not None],
        sum(each.kind == "catch" and each.fooled != 0 for each in answers),
        neither=sum(each.choice is None and each.answers is not None for each in main),
    )


def sum_up(
    asked: int, lefts: list[bool], times: list[float], catch_failed: int, *, neither: int = 0
) -> Facts:
    """Return the facts of one rater.

    `lefts` says of each main trial answered by a side, in order, whether that was the left one;
    `neither` counts the others that were answered; `times` are the response times of main trials
    in milliseconds.
    """
    return Facts(
        asked=asked,
        answered=len(lefts) + neither,
        catch_failed=catch_failed,
        median_rt_ms=statistics.median(times) if times else None,
        side_p=_binomial_p(sum(lefts), len(lefts)) if lefts else None,
        longest_run=max((len(list(run)) for _, run in groupby(lefts)), default=0),
    )


def rater_facts(connection: Connection, *which: ColumnElement[bool]) -> dict[int, Facts]:
    """Return rater number -> facts, of the sessions that these conditions pick."""
    query = (
        select(RaterSession.number, Trial.kind, *(getattr(Judgment, name) for name in _ANSWERED))
        .join(Judgment, Judgment.session_id == RaterSession.id)
        .join(
            Trial,
            (Trial.block_id == RaterSession.block_id) & (Trial.position == Judgment.position),
        )
        .where(*which)
        .order_by(RaterSession.number, Judgment.position)
    )
    answers: dict[int, list[RatedTrial]] = defaultdict(list)
    for number, kind, *answered in connection.execute(query):
        answers[number].append(RatedTrial(kind, *answered))
    return {number: facts_of(given) for number, given in answers.items()}


def broken_rules(facts: Mapping[int, Facts], rules: Rules) -> dict[int, tuple[str, ...]]:
    """Return rater -> the names of the rules broken, in the file's order; () for none.

    Slowness and a favoured side are judged among all these raters, as in the report.
    """
    fence = _slow_fence(facts.values(), rules.rt_tukey_factor)
    adjusted = _adjusted({who: one.side_p for who, one in facts.items() if one.side_p is not None})
    return {
        who: tuple(_broken(one, rules, fence, adjusted.get(who, 1.0))) for who, one in facts.items()
    }


def _broken(one: Facts, rules: Rules, fence: float | None, side_p: float) -> Iterable[str]:
    limit: dict[str, Any] = rules.model_dump()
    found = {
        "max_failed_catch": _above(one.catch_failed, limit["max_failed_catch"]),
        "max_skipped_share": _above(
            one.asked - one.answered,
            None if limit["max_skipped_share"] is None else limit["max_skipped_share"] * one.asked,
        ),
        "min_median_rt_ms": _above(limit["min_median_rt_ms"], one.median_rt_ms),
        "rt_tukey_factor": _above(one.median_rt_ms, fence),
        "side_bias_alpha": _above(limit["side_bias_alpha"], side_p),
        "max_same_side_run": _above(one.longest_run, limit["max_same_side_run"]),
        "min_main_trials": _above(limit["min_main_trials"], one.answered),
    }
    return (name for name, broken in found.items() if broken)


def _above(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value > limit


def _slow_fence(facts: Iterable[Facts], factor: float | None) -> float | None:
    medians = [one.median_rt_ms for one in facts if one.median_rt_ms is not None]
    if factor is None or len(medians) < 2:
        return None
    first, _, third = statistics.quantiles(medians, n=4, method="inclusive")
    return third + factor * (third - first)


@lru_cache(maxsize=4096)
def _binomial_p(left: int, n: int) -> float:
    if 2 * left == n:
        return 1.0
    tail = sum(comb(n, k) for k in range(min(left, n - left) + 1))
    return min(1.0, 2 * tail / (1 << n))


def _adjusted(p: Mapping[int, float]) -> dict[int, float]:
    """Return Benjamini and Hochberg's adjusted p-values."""
    adjusted, least = {}, 1.0
    for rank, who in reversed(list(enumerate(sorted(p, key=p.__getitem__), start=1))):
        least = min(least, p[who] * len(p) / rank)
        adjusted[who] = least
    return adjusted
