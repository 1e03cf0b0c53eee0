"""How single images were rated: mean scores of ordinal scales, shares of the answers of nominal.

Both have two-way intervals. A score s of 1 to k is analysed as (s - 1)/(k - 1), a share of the way
up the scale, whose interval is that of a share with the scores' own spread in place of p(1 - p)
(`inference.clustered.share`); the ends are then put back on the scale. So no interval leaves it.
A model's difference to the real photos is clustered on raters and images as they are, also where
both judged the same (`inference.clustered.difference`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.inference.binomial import clopper_pearson
from analysis.inference.clustered.crossed_design import Array, Codes, Design, Mask, design
from analysis.inference.clustered.difference import difference
from analysis.inference.clustered.share import equal_raters, share_interval, share_variance
from analysis.judgments.ratings import Asked, Ratings
from analysis.judgments.table import TRUE
from analysis.rates.fool_rates import missing, warnings_of
from study_server.trial_kinds import REAL

ALL_ALIKE = "all answers were alike, within the scale: no interval"
EXACT = "all answers were alike: exact interval, each of {raters} raters one trial"


@dataclass(frozen=True)
class Span:
    """A number with its interval; None where it does not exist."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class MeanScore:
    """The mean score of a condition's images on an ordinal scale of ``steps``, counted from 1.

    ``labels`` are the steps' words and ``counts`` the answers at each; ``above_real`` is the
    difference to the mean of the real photos, which have none; ``flags`` say what to know.
    """

    question: str
    words: str
    condition: str
    steps: int
    mean: float | None
    low: float | None
    high: float | None
    above_real: Span
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    trials: int
    skipped: int
    raters: int
    items: int
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnswerShare:
    """How often one answer of a nominal scale was given to a condition's images, 0 to 1.

    ``said`` is the answer in words, ``chosen`` how many ``trials`` gave it; ``above_real`` is the
    difference to the share of the real photos.
    """

    question: str
    words: str
    condition: str
    answer: str
    said: str
    share: float | None
    low: float | None
    high: float | None
    above_real: Span
    chosen: int
    trials: int
    skipped: int
    raters: int
    items: int
    flags: tuple[str, ...] = ()


def mean_scores(
    ratings: Ratings, *, estimand: str = "population", alpha: float = 0.05
) -> list[MeanScore]:
    """Return the mean score by each ordinal question and condition, the real photos first."""
    return [
        _mean_score(asked, condition, rows, estimand, alpha)
        for asked, condition, rows in _cells(ratings)
        if asked.ordinal
    ]


def answer_shares(
    ratings: Ratings, *, estimand: str = "population", alpha: float = 0.05
) -> list[AnswerShare]:
    """Return the share of each answer by each nominal question and condition, real photos first.

    Of two answers the first stands for both.
    """
    return [
        _answer_share(asked, (condition, answer), rows, estimand, alpha)
        for asked, condition, rows in _cells(ratings)
        if not asked.ordinal
        for answer in list(asked.options)[: 1 if len(asked.options) == 2 else None]
    ]


def _cells(ratings: Ratings) -> Iterator[tuple[Asked, str, pd.DataFrame]]:
    """Yield (question, condition, rows of main trials of the question), the rows of all conditions.

    What the rows of the others are for is the difference to the real photos.
    """
    table = ratings.table
    main = table[(table["kind"] == "main") & ~table["excluded"].isin(TRUE)]
    for asked in ratings.asked:
        rows = main[main["question"] == asked.id]
        names = sorted(map(str, rows["condition"].unique()), key=lambda name: (name != REAL, name))
        for name in names:
            yield asked, name, rows


def _mean_score(
    asked: Asked, condition: str, rows: pd.DataFrame, estimand: str, alpha: float
) -> MeanScore:
    steps, places = len(asked.options), list(asked.options)
    points = rows["rating"].map({value: place for place, value in enumerate(places)})
    found = _estimate(rows, points / (steps - 1), condition, estimand, alpha)
    mine = points[(rows["condition"] == condition) & points.notna()]
    mean, low, high = (
        None if each is None else 1 + each * (steps - 1)
        for each in (found.mean.value, found.mean.low, found.mean.high)
    )
    gap = (found.gap.value, found.gap.low, found.gap.high)
    return MeanScore(
        question=asked.id, words=asked.words, condition=condition, steps=steps,
        mean=mean, low=low, high=high,
        above_real=Span(*(None if each is None else each * (steps - 1) for each in gap)),
        labels=tuple(asked.options.values()),
        counts=tuple(int((mine == place).sum()) for place in range(steps)),
        trials=found.trials, skipped=found.skipped, raters=found.raters, items=found.items,
        flags=found.flags,
    )  # fmt: skip


def _answer_share(
    asked: Asked, cell: tuple[str, str], rows: pd.DataFrame, estimand: str, alpha: float
) -> AnswerShare:
    condition, answer = cell
    points = (rows["rating"] == answer).astype(float).where(rows["rating"] != "")
    found = _estimate(rows, points, condition, estimand, alpha)
    return AnswerShare(
        question=asked.id, words=asked.words, condition=condition,
        answer=answer, said=asked.options[answer],
        share=found.mean.value, low=found.mean.low, high=found.mean.high, above_real=found.gap,
        chosen=int(points[rows["condition"] == condition].sum()),
        trials=found.trials, skipped=found.skipped, raters=found.raters, items=found.items,
        flags=found.flags,
    )  # fmt: skip


@dataclass(frozen=True)
class _Found:
    """The mean of points of 0 to 1 with its interval, and what it rests on."""

    mean: Span
    gap: Span
    trials: int
    skipped: int
    raters: int
    items: int
    flags: tuple[str, ...]


def _estimate(
    rows: pd.DataFrame, points: pd.Series, condition: str, estimand: str, alpha: float
) -> _Found:
    answered = points.notna().to_numpy()
    mine = (rows["condition"] == condition).to_numpy()
    raters, items = (pd.factorize(rows[name])[0] for name in ("rater_id", "item_id"))
    y = points.to_numpy(dtype=np.float64)
    use = mine & answered
    who = design(raters[use], items[use])
    mean, flags = _mean(y[use], who, estimand, alpha)
    real = (rows["condition"] == REAL).to_numpy() & answered
    gap = Span()
    if condition != REAL and use.any() and real.any():
        both = use | real
        gap = _gap(y[both], use[both], (raters[both], items[both]), estimand, alpha)
    return _Found(
        mean, gap, int(use.sum()), int(mine.sum() - use.sum()), who.raters, who.items, flags
    )


def _mean(y: Array, who: Design, estimand: str, alpha: float) -> tuple[Span, tuple[str, ...]]:
    """Return the mean of points of 0 to 1 with its two-way interval, and what to know of it."""
    if who.trials == 0:
        return Span(), ("no answered trial: all were skipped",)
    mean = float(y.mean())
    refusal = missing(who, estimand)
    if refusal:
        return Span(mean), (refusal,)
    flags = warnings_of(who, estimand)
    if y.min() == y.max():
        return _alike(mean, who, alpha, flags)
    weights = equal_raters(who) if estimand == "rater-average" else None
    found = share_variance(y, who, weights, scores=True)
    total, df, clustered = found.raters_only if estimand == "fixed-images" else found.two_way
    quantile = stats.t.ppf(1 - alpha / 2, df)
    low, high = share_interval(found.mean, total, clustered, quantile)
    return Span(float(found.mean), float(low), float(high)), flags


def _alike(
    mean: float, who: Design, alpha: float, flags: tuple[str, ...]
) -> tuple[Span, tuple[str, ...]]:
    """Return the interval of points that do not differ: exact at an end of the scale, else none.

    Where each rater's points have the mean m, a rater's are all 1 with a chance of at most m.
    """
    if 0 < mean < 1:
        return Span(mean), (ALL_ALIKE, *flags)
    low, high = clopper_pearson(mean * who.raters, who.raters, alpha)
    return Span(mean, float(low), float(high)), (EXACT.format(raters=who.raters), *flags)


def _gap(y: Array, first: Mask, codes: tuple[Codes, Codes], estimand: str, alpha: float) -> Span:
    """Return the difference of the points of the first rows to those of the others."""
    raters, items = codes
    fixed = estimand == "fixed-images"
    if any(missing(design(raters[m], items[m]), estimand) for m in (first, ~first)):
        return Span(float(y[first].mean() - y[~first].mean()))
    weights = None
    if estimand == "rater-average":
        mine, theirs = (equal_raters(design(raters[m], items[m])) for m in (first, ~first))
        weights = (mine, theirs)
    found = difference(y, first, raters, None if fixed else items, weights)
    if not found.se > 0:
        return Span(float(found.value))
    low, high = found.interval(alpha)
    return Span(float(found.value), float(low), float(high))
