"""What a preference study's report says: rankings, who beat whom, and the images that divide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.inference.clustered.crossed_design import design
from analysis.judgments.duels import Duels, as_judgments, duels_of, questions
from analysis.judgments.study import DeclaredAnalysis
from analysis.rankings.ranking import Ranked, rank
from analysis.raters.exclusions import Exclusions, exclusions
from analysis.rates.fool_rates import share_intervals
from analysis.report.results.inputs.plan import SEED
from analysis.report.results.inputs.sources import Merged
from analysis.report.results.values import (
    Contest,
    DividedItem,
    Interval,
    RankedModel,
    RankingResult,
)
from study_server.study_record import StudyRecord

FEWEST = 3  # comparisons of a pair before an image may be shown
SHOWN = 4  # images in each list of a question
PRIOR = 4.0  # comparisons' worth by which an image's share is drawn to its pair's
FIRST_LANGUAGE = "en"


def exclude_raters(
    merged: Merged, declared: DeclaredAnalysis
) -> tuple[Merged, pd.DataFrame, Exclusions]:
    """Return the sources and their comparisons with the raters who break a declared rule marked."""
    source = merged.sources[0]
    comparisons = source.comparisons
    assert comparisons is not None  # asked for by `assemble` where there are some
    found = exclusions(as_judgments(comparisons, source.file.name), declared.rules)
    out = comparisons["rater_id"].isin(list(found.reasons))
    marked = comparisons.assign(excluded=comparisons["excluded"].where(~out, "1"))
    gone = merged.table["rater_id"].isin(list(found.reasons))
    table = merged.table.assign(excluded=merged.table["excluded"] | gone)
    return replace(merged, table=table), marked, found


def rankings_of(
    comparisons: pd.DataFrame, merged: Merged, declared: DeclaredAnalysis
) -> tuple[RankingResult, ...]:
    """Return one ranking for each question, in the order of the study file."""
    source = merged.sources[0]
    return tuple(
        _ranking(duels_of(comparisons, source.file.name, name), name, source.study, declared.alpha)
        for name in questions(comparisons)
    )


def _ranking(duels: Duels, name: str, study: StudyRecord, alpha: float) -> RankingResult:
    found = rank(duels, alpha, SEED)
    contests = _contests(duels.table)
    first = Interval(value=found.first_share, low=found.first_low, high=found.first_high)
    return RankingResult(
        key=name,
        question=wording(name, study),
        models=tuple(_model(each, duels.table, alpha) for each in found.models),
        contests=contests,
        first=first,
        divided=_divided(duels.table, contests),
        **{key: getattr(found, key) for key in _COPIED},
    )


_COPIED = (
    *("comparisons", "raters", "items", "ties", "both_bad", "skipped", "self_comparisons"),
    *("log_nu", "critical", "notes"),
)


def wording(name: str, study: StudyRecord) -> str:
    """Return a question as the study file words it, in English if it has that; "" for none."""
    words = next((each.get("wording") or {} for each in study.questions if each["id"] == name), {})
    return str(words.get(FIRST_LANGUAGE) or next(iter(words.values()), ""))


def _model(each: Ranked, table: pd.DataFrame, alpha: float) -> RankedModel:
    fields = ("model", "score", "low", "high", "elo", "rank_low", "rank_high")
    counts = ("wins", "losses", "ties")
    values = {name: getattr(each, name) for name in (*fields, *counts)}
    return RankedModel(**values, win_share=win_share(table, values["model"], alpha))


def win_share(table: pd.DataFrame, model: str, alpha: float) -> Interval:
    """Return a model's share of its comparisons, a tie counted half, with its two-way interval."""
    mine = table[(table["model_a"] == model) | (table["model_b"] == model)]
    points = np.where(mine["model_a"] == model, mine["score"], 1 - mine["score"])
    codes = (pd.factorize(mine[name], sort=True)[0] for name in ("rater_id", "item_id"))
    who = design(*codes)
    share = float(points.mean())
    if who.raters < 2 or points.min() == points.max():
        return Interval(value=share)
    estimand = "population" if who.items > 1 else "fixed-images"
    _, low, high = share_intervals(points, who, estimand, alpha)
    return Interval(value=share, low=float(low), high=float(high))


def _oriented(table: pd.DataFrame) -> pd.DataFrame:
    """Return the comparisons with the names of each pair in one order."""
    swapped = table["model_a"] > table["model_b"]
    return pd.DataFrame(
        {
            "a": table["model_a"].where(~swapped, table["model_b"]),
            "b": table["model_b"].where(~swapped, table["model_a"]),
            "item_id": table["item_id"],
            "score": table["score"].where(~swapped, 1 - table["score"]),
        }
    )


def _contests(table: pd.DataFrame) -> tuple[Contest, ...]:
    return tuple(
        Contest(
            a=str(a), b=str(b), wins=int((rows["score"] == 1).sum()),
            losses=int((rows["score"] == 0).sum()), ties=int((rows["score"] == 0.5).sum()),
        )
        for (a, b), rows in _oriented(table).groupby(["a", "b"], sort=True)
    )  # fmt: skip


def _divided(table: pd.DataFrame, contests: Sequence[Contest]) -> tuple[DividedItem, ...]:
    """Return the images on which raters are split most evenly, and those against their pair.

    Shares are drawn to the pair's own by `PRIOR` comparisons' worth, so that an image with few
    comparisons leads no list.
    """
    usual = {(each.a, each.b): each.share for each in contests}
    cells = [
        _cell(str(item), str(a), str(b), rows["score"], usual[str(a), str(b)])
        for (a, b, item), rows in _oriented(table).groupby(["a", "b", "item_id"], sort=True)
        if len(rows) >= FEWEST
    ]
    even = sorted(cells, key=lambda cell: (abs(cell.shrunk - 0.5), cell.item_id, cell.a))[:SHOWN]
    taken = {(cell.a, cell.b, cell.item_id) for cell in even}
    against = [cell for cell in cells if _turned(cell, usual) > 0]
    against.sort(key=lambda cell: (-_turned(cell, usual), cell.item_id, cell.a))
    rest = [cell for cell in against if (cell.a, cell.b, cell.item_id) not in taken][:SHOWN]
    return (*even, *(cell.model_copy(update={"list": "against"}) for cell in rest))


def _turned(cell: DividedItem, usual: dict[tuple[str, str], float]) -> float:
    """Return how far an image's share lies on the other side of a half than its pair's."""
    mine, pair = cell.shrunk - 0.5, usual[cell.a, cell.b] - 0.5
    return abs(mine) if mine * pair < 0 else 0.0


def _cell(item: str, a: str, b: str, scores: pd.Series, usual: float) -> DividedItem:
    points, n = float(scores.sum()), len(scores)
    shrunk = (points + PRIOR * usual) / (n + PRIOR)
    return DividedItem(
        item_id=item, a=a, b=b, comparisons=n, points=points, shrunk=shrunk, list="divides"
    )
