"""A ranking of models from direct comparisons: scores, Elo, and ranges of ranks.

Bradley-Terry has a finite answer only where the graph of who beat whom is strongly connected. A
model that never lost (or never won) is taken out, and gets a bound in place of a score; what
remains must be connected, or the file is refused with the groups that were never compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
import pandas as pd
from scipy import optimize, sparse, stats
from scipy.sparse.csgraph import connected_components

from analysis.commands.terminal import SIMULATED, number, text_table
from analysis.errors import DesignError
from analysis.inference.two_way import Array, Codes, Mask
from analysis.judgments.duels import Duels
from analysis.models.bradley_terry import BradleyTerry, Contests, chances, fit_bradley_terry

ELO_CENTRE = 1500.0
ELO_SCALE = 400 / np.log(10)
DRAWS = 20_000


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
    """Models, best first, with what the fit used and left out."""

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


@dataclass(frozen=True)
class Score:
    """A model's score and interval; a bound has no score and one end."""

    score: float | None
    low: float | None
    high: float | None
    se: float | None = None


def rank(duels: Duels, alpha: float = 0.05, seed: int = 0) -> Ranking:
    """Return the ranking of a file's models.

    Raises
    ------
    DesignError
        The models fall into groups that the comparisons do not connect, or there are fewer than
        two raters or items.
    """
    field = _field(duels.table)
    inside, outside = split_perfect(field.win_table())
    _refuse_unconnected(field, inside)
    fit, kept = _fit(field, inside) if len(inside) > 1 else (None, None)
    df = 1 if kept is None else _df(field, kept)
    theta = np.full(len(field.names), np.nan)
    theta[inside] = fit.theta if fit else 0.0
    scores = {model: Score(0.0, None, None) for model in inside}
    if fit:
        scores = _scores(fit, inside, float(stats.t.ppf(1 - alpha / 2, df)))
    for model, never_lost in outside:
        end = bound(field, (model, never_lost), theta, fit.log_nu if fit else None, alpha)
        scores[model] = Score(None, end, None) if never_lost else Score(None, None, end)
    critical = simultaneous_quantile(fit, df, alpha, seed) if fit else None
    better = _better(scores, fit, inside, critical)
    return Ranking(
        models=_ranked(field, scores, better),
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
    )


def _field(table: pd.DataFrame) -> Field:
    names = sorted(set(table["model_a"]) | set(table["model_b"]))
    a, b = (pd.Categorical(table[name], names).codes for name in ("model_a", "model_b"))
    raters, items = (pd.factorize(table[name], sort=True)[0] for name in ("rater_id", "item_id"))
    for codes, what in ((raters, "rater"), (items, "item")):
        if codes.max() < 1:
            raise DesignError(f"a ranking needs at least 2 {what}s, found 1")
    score = table["score"].to_numpy(dtype=np.float64)
    return Field(names, a.astype(int), b.astype(int), score, raters, items)


def split_perfect(points: Array) -> tuple[list[int], list[tuple[int, bool]]]:
    """Return the models to fit, and those taken out as (model, never lost) in that order.

    One leaves at a time, since who never lost can change with who is still there.
    """
    inside, outside = list(range(len(points))), []
    while len(inside) > 1:
        among = points[np.ix_(inside, inside)]
        lost, won = among.sum(axis=0), among.sum(axis=1)
        perfect = [k for k in range(len(inside)) if lost[k] == 0 or won[k] == 0]
        if not perfect:
            break
        model = inside.pop(perfect[0])
        outside.append((model, bool(lost[perfect[0]] == 0)))
    return inside, outside


def _refuse_unconnected(field: Field, inside: list[int]) -> None:
    points = field.win_table()[np.ix_(inside, inside)] > 0
    count, group = connected_components(sparse.csr_array(points), connection="strong")
    if count > 1:
        groups = [
            ", ".join(field.names[inside[k]] for k in np.flatnonzero(group == g))
            for g in range(count)
        ]
        raise DesignError(
            f"the models fall into {count} groups that no chain of wins joins:"
            f" {' | '.join(groups)}; compare models across the groups"
        )


def _fit(field: Field, inside: list[int]) -> tuple[BradleyTerry, Mask]:
    """Return the fit of the models inside and which comparisons it used."""
    number = np.full(len(field.names), -1)
    number[inside] = np.arange(len(inside))
    kept: Mask = (number[field.a] >= 0) & (number[field.b] >= 0)
    contests = Contests(
        number[field.a[kept]], number[field.b[kept]], field.score[kept], len(inside)
    )
    return fit_bradley_terry(contests, field.raters[kept], field.items[kept]), kept


def _df(field: Field, kept: Mask) -> int:
    sizes = [len(np.unique(codes[kept])) for codes in (field.raters, field.items)]
    return max(1, min(sizes) - 1)


def _scores(fit: BradleyTerry, inside: list[int], quantile: float) -> dict[int, Score]:
    out = {}
    for row, model in enumerate(inside):
        se = float(np.sqrt(fit.variance(np.eye(len(inside))[row])))
        centre = float(fit.theta[row])
        out[model] = Score(centre, centre - quantile * se, centre + quantile * se, se)
    return out


def bound(
    field: Field, who: tuple[int, bool], theta: Array, log_nu: float | None, alpha: float
) -> float | None:
    """Return the bound on the score of a model that never lost (lower) or never won (upper).

    It is the end of the profile-likelihood interval, in which each rater counts once however many
    comparisons the rater made. None when the model met none of those that have a score.
    """
    model, never_lost = who
    mine: Mask = (field.a == model) | (field.b == model)
    opponent = np.where(field.a == model, field.b, field.a)
    used = mine & np.isfinite(theta[opponent])
    if not used.any():
        return None
    each = np.bincount(field.raters[used])[field.raters[used]]
    sign = 1.0 if never_lost else -1.0
    against = theta[opponent[used]]
    limit = stats.chi2.ppf(1 - alpha, 1) / 2

    def excess(score: float) -> float:
        win, _ = chances(sign * (score - against), log_nu)
        return float((-np.log(np.maximum(win, 1e-300)) / each).sum() - limit)

    return float(optimize.brentq(excess, -60, 60))


def simultaneous_quantile(fit: BradleyTerry, df: int, alpha: float, seed: int) -> float:
    """Return the quantile of the largest |t| over all pairwise contrasts, by seeded draws."""
    values, vectors = np.linalg.eigh(fit.both)
    root = vectors * np.sqrt(np.maximum(values, 0))
    rng = np.random.default_rng(seed)
    draws = rng.standard_normal((DRAWS, len(values))) @ root.T
    draws /= np.sqrt(rng.chisquare(df, (DRAWS, 1)) / df)
    largest = np.zeros(DRAWS)
    for i, j in combinations(range(len(values)), 2):
        contrast = np.eye(len(values))[i] - np.eye(len(values))[j]
        se = np.sqrt(fit.variance(contrast))
        if se > 0:
            largest = np.maximum(largest, np.abs(draws[:, i] - draws[:, j]) / se)
    return float(np.quantile(largest, 1 - alpha))


def _better(
    scores: dict[int, Score], fit: BradleyTerry | None, inside: list[int], critical: float | None
) -> Mask:
    """Return (K, K): whether i is shown to be better than j, all pairs at once."""
    size = len(scores)
    ends = [(scores[k].low, scores[k].high) for k in range(size)]
    low = np.array([-np.inf if low is None else low for low, _ in ends])
    high = np.array([np.inf if high is None else high for _, high in ends])
    better: Mask = low[:, None] > high[None, :]
    if fit is None or critical is None:
        return better
    for i, j in permutations(range(len(inside)), 2):
        contrast = np.eye(len(inside))[i] - np.eye(len(inside))[j]
        gap = float(contrast @ fit.theta)
        better[inside[i], inside[j]] = gap > critical * np.sqrt(fit.variance(contrast))
    return better


def _ranked(field: Field, scores: dict[int, Score], better: Mask) -> tuple[Ranked, ...]:
    """Return the models best first: by score, those that never lost above, never won below."""
    size = len(field.names)
    won, lost, tied = _counts(field)

    def place(model: int) -> tuple[float, str]:
        each = scores[model]
        if each.score is not None:
            return -each.score, field.names[model]
        return (-np.inf if won[model] > lost[model] else np.inf), field.names[model]

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
        for k in sorted(range(size), key=place)
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


def ranking_text(ranking: Ranking) -> str:
    """Return the ranking as a text table with what was left out."""
    header = ["model", "score", f"{100 * (1 - ranking.alpha):g} % interval", "Elo", "rank"]
    rows = [
        [
            each.model,
            number(each.score, 3),
            f"{number(each.low, 3)} to {number(each.high, 3)}",
            number(each.elo, 0),
            f"{each.rank_low}-{each.rank_high}",
            *map(str, (each.wins, each.losses, each.ties)),
        ]
        for each in ranking.models
    ]
    lines = [SIMULATED] if ranking.simulated else []
    lines.append(text_table([*header, "wins", "losses", "ties"], rows))
    lines.append(
        f"{ranking.comparisons} comparisons by {ranking.raters} raters on {ranking.items} items;"
        f" {ranking.skipped} skipped, {ranking.self_comparisons} of a model with itself left out;"
        " scores are log odds, mean 0"
    )
    lines += [
        f"note: {each.model} never {'lost' if each.wins else 'won'}: a bound in place of a score"
        for each in ranking.models
        if each.score is None
    ]
    return "\n".join(lines)
