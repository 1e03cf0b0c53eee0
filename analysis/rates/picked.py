"""What else was asked of an output and a real photo: how often the output was picked.

Which of the two is real is the fool rate (`rates.fool_rates`). A further question ("Which is
sharper?") has a share: the output was picked 1, the photo 0, neither ("no difference", "both are
bad") a half. It is a preference, and no fool rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from analysis.judgments.duels import CHOICES, questions
from analysis.judgments.table import TRUE
from analysis.rates.fool_rates import FoolRate, one_fool_rate
from study_server.trial_kinds import REFERENCE

ALL_NEITHER = "every answer was for neither: no interval"


@dataclass(frozen=True)
class Picked:
    """How often a condition's output was picked over the photo, by one further question.

    ``share``, ``low`` and ``high`` are 0 to 1, None where they do not exist; ``picked``, ``photo``
    and ``neither`` are the answers, ``both_bad`` of the latter; ``flags`` say what to know.
    """

    question: str
    condition: str
    share: float | None
    low: float | None
    high: float | None
    picked: int
    photo: int
    neither: int
    both_bad: int
    trials: int
    skipped: int
    raters: int
    items: int
    flags: tuple[str, ...] = ()


def picked_shares(
    answers: pd.DataFrame, *, estimand: str = "population", alpha: float = 0.05
) -> list[Picked]:
    """Return the share of each condition by each question, in the file's order of questions.

    ``answers`` is what `judgments.duels.further_answers` returns. Intervals are those of a fool
    rate: raters and images are two sources of error.
    """
    rows = _of_models(answers[(answers["kind"] == "main") & ~answers["excluded"].isin(TRUE)])
    return [
        _share(rows[mine], question, condition, estimand, alpha)
        for question, condition, mine in _cells(rows)
    ]


def _of_models(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the answers with the model as their condition, and as points of it."""
    first = rows["model_a"] != REFERENCE
    points = rows["choice"].map(CHOICES).astype(float)
    return rows.assign(
        condition=rows["model_a"].where(first, rows["model_b"]),
        fooled=points.where(first, 1 - points),
        simulated=rows["simulated"].isin(TRUE),
    )


def _cells(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.Series]]:
    for question in questions(rows):
        for condition in sorted(rows["condition"].unique()):
            mine = (rows["question"] == question) & (rows["condition"] == condition)
            if mine.any():
                yield question, str(condition), mine


def _share(
    rows: pd.DataFrame, question: str, condition: str, estimand: str, alpha: float
) -> Picked:
    typed = rows.assign(**{name: pd.Categorical(rows[name]) for name in ("rater_id", "item_id")})
    key = {"condition": condition, "task": question}
    found = one_fool_rate(typed, key, estimand=estimand, alpha=alpha)
    points = rows["fooled"].dropna()
    neither = int((points == 0.5).sum())
    low, high, flags = _interval(found, all_neither=neither == len(points) > 0)
    return Picked(
        question, condition, found.rate, low, high,
        picked=int((points == 1).sum()), photo=int((points == 0).sum()), neither=neither,
        both_bad=int((rows["answer"] == "bad").sum()), trials=found.trials,
        skipped=found.skipped, raters=found.raters, items=found.items, flags=flags,
    )  # fmt: skip


def _interval(
    found: FoolRate, *, all_neither: bool
) -> tuple[float | None, float | None, tuple[str, ...]]:
    if all_neither:  # no two answers differ, and there is no exact interval of a half
        return None, None, (ALL_NEITHER,)
    return found.low, found.high, found.flags
