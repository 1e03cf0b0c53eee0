"""A ranking of models from direct comparisons: scores, Elo, and ranges of ranks.

Bradley-Terry has a finite answer only for models that beat each other, through any chain
(`win_graph`). A model that never lost to these (or never won against them) gets a bound in place
of a score; what cannot be placed at all is refused, with the names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from analysis.errors import DesignError
from analysis.inference.clustered.crossed_design import Array, Codes, Mask, design
from analysis.judgments.duels import Duels
from analysis.judgments.ids import drawn, look_alikes, shown
from analysis.models.bradley_terry import BradleyTerry, Contests, fit_bradley_terry
from analysis.models.win_graph import Places, places, ties_need_halves
from analysis.numerals import counted
from analysis.rankings.rank_contrasts import better_in_core, bound, margin, simultaneous_quantile
from analysis.rates.fool_rates import FEW, share_intervals

TIES = ("davidson", "half")
ELO_CENTRE = 1500.0
ELO_SCALE = 400 / np.log(10)

Reach = Callable[[Array], float]


@dataclass(frozen=True)
class Ranked:
    """One model: ``score`` on the log-odds scale (mean 0), None where only a bound exists.

    ``rank_low`` to ``rank_high`` are the ranks that simultaneous pairwise contrasts leave open.
    """

    model: str
    score: float | None
    low: float | None
    high: float | None
    se: float | None
    elo: float | None
    rank_low: int
    rank_high: int
    wins: int
    losses: int
    ties: int


@dataclass(frozen=True)
class Ranking:
    """Models, best first, with what the fit used and left out.

    ``ties_as`` is "davidson" or "half". Of the ties, ``both_bad`` were "both are
    bad". ``first_share`` is the share of decided comparisons that
    ``model_a`` won, with its two-way 95 % interval: where a is the side shown first, position bias.
    ``notes`` say what a reader has to be told.
    """

    models: tuple[Ranked, ...]
    comparisons: int
    raters: int
    items: int
    ties: int
    log_nu: float | None
    skipped: int
    self_comparisons: int
    log_likelihood: float | None
    critical: float | None
    alpha: float
    simulated: bool
    ties_as: str = "davidson"
    first_share: float | None = None
    first_low: float | None = None
    first_high: float | None = None
    both_bad: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Field:
    """The comparisons by number: models ``a`` and ``b``, ``score`` for a, raters and items."""

    names: list[str]
    a: Codes
    b: Codes
    score: Array
    raters: Codes
    items: Codes

    def win_table(self) -> Array:
        """Return (K, K): points of i over j, a tie counting for both."""
        size = len(self.names)
        table = np.zeros((size, size))
        np.add.at(table, (self.a, self.b), self.score)
        np.add.at(table, (self.b, self.a), 1 - self.score)
        return table

    def pairs_both_ways(self) -> int:
        """Return how often a rater saw the same two models on an item in both orders."""
        seen = {*zip(self.raters, self.items, self.a, self.b, strict=True)}
        return sum((rater, item, b, a) in seen for rater, item, a, b in seen) // 2


@dataclass(frozen=True)
class Score:
    """A model's score and interval; a bound has no score and one end."""

    score: float | None
    low: float | None
    high: float | None
    se: float | None = None


def rank(duels: Duels, alpha: float = 0.05, seed: int = 0, ties: str = "davidson") -> Ranking:
    """Return the ranking of a file's models.

    ``ties``: "davidson", an outcome of its own, or "half", half a win for each.

    Raises
    ------
    DesignError
        The models fall into groups or orders without finite scores (`win_graph`), every comparison
        is a tie, Davidson's ties have no finite fit, or there are one rater and one item only.
    """
    if ties not in TIES:
        raise DesignError(f"ties is {ties!r}, expected {' or '.join(TIES)}")
    field = _field(duels.table)
    placed = places(field.win_table(), field.names)
    fit, kept = _fit(field, placed, ties == "half")
    raters, items = field.raters[kept], field.items[kept]
    scores = _scores(field, placed, fit, reach_of_intervals(fit, raters, items, alpha), alpha)
    sizes = [len(np.unique(codes)) for codes in (raters, items)]
    fewest = max(1, min((size for size in sizes if size > 1), default=2) - 1)
    critical = simultaneous_quantile(fit, fewest, alpha, seed) if fit else None
    first = first_side(field)
    return Ranking(
        models=_ranked(field, placed, scores, _better(field, placed, fit, critical, alpha)),
        comparisons=len(field.score),
        raters=int(field.raters.max()) + 1,
        items=int(field.items.max()) + 1,
        ties=int((field.score == 0.5).sum()),
        log_nu=fit.log_nu if fit else None,
        skipped=duels.skipped,
        self_comparisons=duels.self_comparisons,
        log_likelihood=fit.log_likelihood if fit else None,
        critical=critical,
        alpha=alpha,
        simulated=duels.simulated,
        ties_as=ties,
        first_share=first[0],
        first_low=first[1],
        first_high=first[2],
        both_bad=duels.both_bad,
        notes=(*_cautions(field, duels.raters_unknown), *_unscored(field, placed)),
    )


def _field(table: pd.DataFrame) -> Field:
    names = sorted(set(table["model_a"]) | set(table["model_b"]))
    a, b = (pd.Categorical(table[name], names).codes for name in ("model_a", "model_b"))
    raters, items = (pd.factorize(table[name], sort=True)[0] for name in ("rater_id", "item_id"))
    if raters.max() < 1 and items.max() < 1:
        raise DesignError("a ranking needs at least 2 raters or 2 items, found 1 of each")
    score = table["score"].to_numpy(dtype=np.float64)
    if (score == 0.5).all():
        raise DesignError(
            f"every one of the {len(score)} comparisons is a tie: nothing tells the models apart"
        )
    return Field(names, a.astype(int), b.astype(int), score, raters, items)


def _cautions(field: Field, raters_unknown: bool) -> tuple[str, ...]:
    """Return what the numbers of raters and of items, and the names of models, leave open."""
    said = []
    for codes, what in ((field.raters, "rater"), (field.items, "item")):
        count = int(codes.max()) + 1
        if raters_unknown and what == "rater":
            said.append(
                "the raters are not known: answers of one person count as independent, so that"
                " intervals can be too short"
            )
        elif count == 1:
            said.append(
                f"one {what} only: intervals and ranks hold for this {what}, not for a new one"
            )
        elif count < FEW:
            said.append(f"only {count} {what}s (fewer than {FEW}): the intervals are rough")
    said += [
        f"models {' and '.join(map(shown, names))} look alike: each is ranked by itself"
        for names in look_alikes(field.names, drawn)
    ]
    if not raters_unknown and (both := field.pairs_both_ways()):
        said.append(
            f"{counted(both, 'pair')} shown in both orders to one rater on one item: each answer"
            " counts"
        )
    return tuple(said)


def _unscored(field: Field, placed: Places) -> tuple[str, ...]:
    sides = ((placed.above, "never lost to"), (placed.below, "never won against"))
    return tuple(
        f"{field.names[model]} {did} a model with a score: a bound in place of a score"
        for models, did in sides
        for model in models
    )


def _fit(field: Field, placed: Places, halves: bool) -> tuple[BradleyTerry | None, Mask]:
    """Return the fit of the core (None for one model) and which comparisons it used."""
    core = list(placed.core)
    number = np.full(len(field.names), -1)
    number[core] = np.arange(len(core))
    kept: Mask = (number[field.a] >= 0) & (number[field.b] >= 0)
    if len(core) == 1:
        return None, kept
    score = field.score[kept]
    contests = Contests(number[field.a[kept]], number[field.b[kept]], score, len(core), halves)
    _refuse_without_maximum(contests)
    return fit_bradley_terry(contests, field.raters[kept], field.items[kept]), kept


def _refuse_without_maximum(contests: Contests) -> None:
    """Raise where ties make a fit that has no end."""
    if (contests.score == 0.5).all():
        raise DesignError("the models that won and lost are joined by ties only: no scores exist")
    wins, ties = np.zeros((2, contests.models, contests.models))
    np.add.at(wins, (contests.a, contests.b), contests.score == 1)
    np.add.at(wins, (contests.b, contests.a), contests.score == 0)
    np.add.at(ties, (contests.a, contests.b), contests.score == 0.5)
    if contests.tied and ties_need_halves(wins, ties + ties.T):
        raise DesignError(
            "one order of the models explains every win, and ties join them: Davidson's scores do"
            " not exist; with ties as halves (--ties half) they do"
        )


def reach_of_intervals(
    fit: BradleyTerry | None, raters: Codes, items: Codes, alpha: float
) -> Reach:
    """Return a function from a contrast to half the width of its interval.

    ``raters`` and ``items`` (N,) are those of the comparisons that were fitted.
    """
    cells = raters.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
    sizes = (max(1, len(np.unique(codes)) - 1) for codes in (raters, items, cells))
    of_raters, of_items, of_cells = sizes

    def reach(contrast: Array) -> float:
        if fit is None:
            return 0.0
        quantile = special.stdtrit(fit.df(contrast, (of_raters, of_items, of_cells)), 1 - alpha / 2)
        return float(quantile * np.sqrt(fit.variance(contrast)))

    return reach


def _reach_of_claims(fit: BradleyTerry | None, critical: float | None) -> Reach:
    """Return a function from a contrast to how far off a claim about it has to be."""

    def reach(contrast: Array) -> float:
        return margin(fit, contrast, critical) if fit and critical is not None else 0.0

    return reach


def _scores(
    field: Field,
    placed: Places,
    fit: BradleyTerry | None,
    reach: Reach,
    alpha: float,
) -> dict[int, Score]:
    out = {placed.core[0]: Score(0.0, None, None)}
    for row, model in enumerate(placed.core if fit else ()):
        contrast = np.eye(len(placed.core))[row]
        se = float(np.sqrt(fit.variance(contrast))) if fit else 0.0
        centre = float(fit.theta[row]) if fit else 0.0
        half = reach(contrast)
        out[model] = Score(centre, centre - half, centre + half, se)
    for model in placed.above:
        out[model] = Score(None, _bound(field, placed, fit, model, alpha), None)
    for model in placed.below:
        out[model] = Score(None, None, _bound(field, placed, fit, model, alpha))
    return out


def _bound(
    field: Field, placed: Places, fit: BradleyTerry | None, model: int, alpha: float
) -> float | None:
    """Return the bound of a model without a score, from its trials against those with one."""
    theta = np.full(len(field.names), np.nan)
    theta[list(placed.core)] = fit.theta if fit else 0.0
    opponent = np.where(field.a == model, field.b, field.a)
    mine: Mask = (field.a == model) | (field.b == model)
    used = mine & np.isfinite(theta[opponent])
    log_nu = fit.log_nu if fit else None
    clusters = (field.raters[used], field.items[used])
    return bound(theta[opponent[used]], clusters, model in placed.above, log_nu, alpha)


def _better(
    field: Field, placed: Places, fit: BradleyTerry | None, critical: float | None, alpha: float
) -> Mask:
    """Return (K, K): whether i is shown to be better than j, all pairs at once.

    A bound is compared with simultaneous intervals, at a level shared by all pairs (Bonferroni).
    """
    size, core = len(field.names), list(placed.core)
    shared = alpha / (size * (size - 1) / 2)
    scores = _scores(field, placed, fit, _reach_of_claims(fit, critical), shared)
    low = np.array([_end(scores[k].low, scores[k].score, -np.inf) for k in range(size)])
    high = np.array([_end(scores[k].high, scores[k].score, np.inf) for k in range(size)])
    better: Mask = low[:, None] > high[None, :]
    if fit is not None and critical is not None:
        better[np.ix_(core, core)] = better_in_core(fit, critical)
    return better


def _end(value: float | None, score: float | None, otherwise: float) -> float:
    if value is not None:
        return value
    return otherwise if score is None else score


def first_side(field: Field) -> tuple[float | None, float | None, float | None]:
    """Return the share of decided comparisons that ``model_a`` won, with its two-way interval."""
    decided = field.score != 0.5
    y = field.score[decided]
    share = float(y.mean())
    who = design(field.raters[decided], field.items[decided])
    if who.raters < 2 or y.min() == y.max():
        return share, None, None
    estimand = "population" if who.items > 1 else "fixed-images"
    _, low, high = share_intervals(y, who, estimand)
    return share, float(low), float(high)


def _ranked(
    field: Field, placed: Places, scores: dict[int, Score], better: Mask
) -> tuple[Ranked, ...]:
    """Return the models best first: those that always won, the core by score, the others."""
    size = len(field.names)
    won, lost, tied = _counts(field)
    # Scores that agree to nine digits differ by the order of a sum: such models stand by name.
    core = sorted(placed.core, key=lambda k: (-round(scores[k].score or 0.0, 9), field.names[k]))
    return tuple(
        Ranked(
            model=field.names[k],
            score=scores[k].score,
            low=scores[k].low,
            high=scores[k].high,
            se=scores[k].se,
            elo=elo(scores[k].score),
            rank_low=1 + int(better[:, k].sum()),
            rank_high=size - int(better[k].sum()),
            wins=int(won[k]),
            losses=int(lost[k]),
            ties=int(tied[k]),
        )
        for k in (*placed.above, *core, *placed.below)
    )


def _counts(field: Field) -> tuple[Array, Array, Array]:
    size, tie = len(field.names), field.score == 0.5
    first, second = field.score == 1, field.score == 0

    def times(codes: Codes, mask: Mask) -> Array:
        return np.asarray(np.bincount(codes[mask], minlength=size), dtype=np.float64)

    won = times(field.a, first) + times(field.b, second)
    lost = times(field.b, first) + times(field.a, second)
    return won, lost, times(field.a, tie) + times(field.b, tie)


def elo(score: float | None) -> float | None:
    """Return the score on Elo's scale: 1500 at the mean, 400 points for odds of 10 to 1."""
    return None if score is None else ELO_CENTRE + ELO_SCALE * score
