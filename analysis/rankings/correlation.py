"""How well a metric tracks people: across models, and within a model across images.

Across models: Spearman and Kendall between the metric and the fool rates, a permutation p, and an
interval by the pigeonhole bootstrap of the human side. Across images: the correlation *within* each
model, divided by the square root of the split-half reliability of the images' rates. Models and
images are never pooled in one correlation: that mixes two relations that can have opposite signs.

References
----------
.. [1] Owen (2007), The pigeonhole bootstrap. doi:10.1214/07-AOAS122
.. [2] Spearman (1904), The proof and measurement of association between two things: correction
   for attenuation. doi:10.2307/1412159
.. [3] Zhang et al. (2018), The unreasonable effectiveness of deep features as a perceptual metric:
   the 2AFC score. arXiv:1801.03924
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from analysis.errors import DesignError
from analysis.inference.agreement import split_half
from analysis.inference.clustered.bootstrap import CHUNK, resampled_sums
from analysis.inference.clustered.crossed_design import Array
from analysis.inference.ranks import permutation_p, spearman
from analysis.judgments.table import cells, main_trials

Values = Mapping[str, float]  # condition -> value of one metric
ItemValues = Mapping[str, Mapping[str, float]]  # condition -> item -> value of one metric
FEWEST_MODELS = 3
FEWEST_ITEMS = 5


class Resampling(NamedTuple):
    """How an interval by resampling is made; it covers ``1 - alpha``."""

    resamples: int
    seed: int
    alpha: float


@dataclass(frozen=True)
class ModelCorrelation:
    """A metric against fool rates over models.

    ``agreement`` is Spearman's ρ turned so that +1 means the metric ranks models as people do, and
    ``kendall`` is turned alike; ``spearman`` is ρ as it is. ``low`` and ``high`` hold for
    ``agreement``, over new raters and images.
    """

    metric: str
    task: str
    direction: str
    models: int
    spearman: float | None
    kendall: float | None
    agreement: float | None
    low: float | None
    high: float | None
    p: float
    exact: bool
    simulated: bool


@dataclass(frozen=True)
class ItemCorrelation:
    """A metric against per-image fool rates within one model.

    ``agreement`` is turned like `ModelCorrelation`'s; ``disattenuated`` is it over the square root
    of ``reliability``, cut to ±1, None where the reliability is not positive.
    """

    metric: str
    condition: str
    task: str
    direction: str
    items: int
    agreement: float | None
    low: float | None
    high: float | None
    reliability: float | None
    disattenuated: float | None
    simulated: bool


@dataclass(frozen=True)
class PreferenceScore:
    """How often a metric prefers, of two outputs for one image, the one that fooled more [3].

    For each image and pair of models w is the chance that a rater fooled by one of the two was
    fooled by the metric's choice; ``score`` is the mean w and ``ceiling`` the mean of max(w, 1-w),
    which no metric can pass (and which chance lifts when an image has few judgments).
    """

    metric: str
    task: str
    direction: str
    pairs: int
    score: float | None
    ceiling: float | None


def model_correlation(
    judgments: pd.DataFrame,
    metric: str,
    direction: str,
    values: Values,
    *,
    resamples: int = 2000,
    seed: int = 0,
    alpha: float = 0.05,
) -> ModelCorrelation:
    """Return one metric's correlation with the fool rates of the conditions it has values for.

    Raises
    ------
    DesignError
        The judgments hold several tasks, or fewer than three conditions have a value.
    """
    task, rows = single_task(judgments)
    rows = rows[rows["condition"].isin(list(values)) & rows["fooled"].notna()]
    names = sorted(map(str, rows["condition"].unique()))
    if len(names) < FEWEST_MODELS:
        raise DesignError(
            f"{metric}: a correlation over models needs {FEWEST_MODELS} or more, found {len(names)}"
        )
    x = np.array([values[name] for name in names])
    rates = rows.groupby("condition", observed=True)["fooled"].mean()[names].to_numpy(dtype=float)
    sign = 1.0 if direction == "higher" else -1.0
    rho = float(spearman(x, rates))
    low, high = _human_interval(rows, names, sign * x, Resampling(resamples, seed, alpha))
    tau = float(stats.kendalltau(x, rates).statistic)
    return ModelCorrelation(
        metric=metric,
        task=task,
        direction=direction,
        models=len(names),
        spearman=_some(rho),
        kendall=_some(sign * tau),
        agreement=_some(sign * rho),
        low=low,
        high=high,
        p=permutation_p(x, rates, seed),
        exact=len(names) < 8,
        simulated=bool(rows["simulated"].any()),
    )


def _human_interval(
    rows: pd.DataFrame, names: list[str], x: Array, how: Resampling
) -> tuple[float | None, float | None]:
    """Return the percentile interval of Spearman's ρ when raters and images are resampled."""
    y = rows["fooled"].to_numpy(dtype=np.float64)
    masks: list[Array] = [
        (rows["condition"] == name).to_numpy().astype(np.float64) for name in names
    ]
    codes = (rows["rater_id"].cat.codes.to_numpy(), rows["item_id"].cat.codes.to_numpy())
    sums = resampled_sums(
        [*(y * mask for mask in masks), *masks], codes, resamples=how.resamples, seed=how.seed
    )
    fooled, trials = sums[: len(names)], sums[len(names) :]
    held = (trials > 0).all(axis=0)
    found = spearman(x, (fooled[:, held] / trials[:, held]).T)
    found = found[~np.isnan(found)]
    if not len(found):
        return None, None
    low, high = np.quantile(found, [how.alpha / 2, 1 - how.alpha / 2])
    return float(low), float(high)


def item_correlations(
    judgments: pd.DataFrame,
    metric: str,
    direction: str,
    values: ItemValues,
    *,
    resamples: int = 1000,
    seed: int = 0,
    alpha: float = 0.05,
) -> list[ItemCorrelation]:
    """Return the within-model correlation for each condition that has per-image values."""
    out = []
    for key, rows in cells(judgments):
        mine = values.get(key["condition"])
        if mine is None:
            continue
        answered = rows[rows["fooled"].notna() & rows["item_id"].isin(list(mine))]
        sign = 1.0 if direction == "higher" else -1.0
        how = Resampling(resamples, seed, alpha)
        rho, low, high, items = _item_interval(answered, mine, sign, how)
        reliability = split_half(answered, seed=seed)
        usable = rho is not None and reliability > 0
        fair = rho / np.sqrt(reliability) if usable and rho is not None else None
        out.append(
            ItemCorrelation(
                metric=metric,
                condition=key["condition"],
                task=key["task"],
                direction=direction,
                items=items,
                agreement=rho,
                low=low,
                high=high,
                reliability=_some(reliability),
                disattenuated=None if fair is None else float(np.clip(fair, -1, 1)),
                simulated=bool(rows["simulated"].any()),
            )
        )
    return out


def unvalued(
    judgments: pd.DataFrame, values: ItemValues, where: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield (condition, how many of its judged images have a value) where not all have.

    Judged are the answered main trials: the photos of catch and practice trials are no model's.
    """
    main = main_trials(judgments)
    main = main[main["fooled"].notna()]
    for condition, mine in values.items():
        judged = set(main.loc[main["condition"] == condition, "item_id"].astype(str))
        having = len(judged & mine.keys())
        if having < len(judged):
            of = f"{having} of {len(judged)} judged images of {condition}"
            hint = "" if having else " (other ids?)"
            yield condition, f"{of} have a value{where}{hint}"


def _item_interval(
    rows: pd.DataFrame, values: Mapping[str, float], sign: float, how: Resampling
) -> tuple[float | None, float | None, float | None, int]:
    """Return (ρ, low, high, items); raters are reweighted and images redrawn in every resample."""
    raters, rater = np.unique(rows["rater_id"].cat.codes, return_inverse=True)
    codes, item = np.unique(rows["item_id"].cat.codes, return_inverse=True)
    if len(codes) < FEWEST_ITEMS:
        return None, None, None, len(codes)
    x = sign * np.array([values[name] for name in rows["item_id"].cat.categories[codes]])
    shape = (len(codes), len(raters))
    fooled, trials = np.zeros(shape), np.zeros(shape)
    np.add.at(fooled, (item, rater), rows["fooled"].to_numpy(dtype=np.float64))
    np.add.at(trials, (item, rater), 1.0)
    rho = float(spearman(x, fooled.sum(axis=1) / trials.sum(axis=1)))
    found = _resampled(x, fooled, trials, how)
    tails = [how.alpha / 2, 1 - how.alpha / 2]
    ends = np.nanquantile(found, tails) if np.isfinite(found).any() else None
    low, high = (None, None) if ends is None else (float(ends[0]), float(ends[1]))
    return _some(rho), low, high, len(codes)


def _resampled(x: Array, fooled: Array, trials: Array, how: Resampling) -> Array:
    """Return Spearman's ρ of ``x`` (I,) with the rates of ``fooled`` and ``trials`` (I, R) in each
    resample, in any order; resamples with equally many judged images are ranked together."""
    items, raters = trials.shape
    rng = np.random.default_rng(how.seed)
    found: list[Array] = []
    for start in range(0, how.resamples, CHUNK):
        of_size: dict[int, list[tuple[Array, Array]]] = {}
        for _ in range(min(CHUNK, how.resamples - start)):
            weight = np.bincount(rng.integers(0, raters, raters), minlength=raters)
            drawn = rng.integers(0, items, items)
            each = (trials @ weight)[drawn]
            kept = each > 0
            rates = (fooled @ weight)[drawn][kept] / each[kept]
            of_size.setdefault(len(rates), []).append((x[drawn][kept], rates))
        for size, alike in of_size.items():
            if size:
                found.append(
                    spearman(np.array([a for a, _ in alike]), np.array([b for _, b in alike]))
                )
    return np.concatenate([*found, np.empty(0)])


def pair_score(
    judgments: pd.DataFrame, metric: str, direction: str, values: ItemValues
) -> PreferenceScore:
    """Return the 2AFC score of one metric over images and pairs of conditions, with its ceiling."""
    task, rows = single_task(judgments)
    rows = rows[rows["condition"].isin(list(values)) & rows["fooled"].notna()]
    rates = rows.pivot_table(
        index="item_id", columns="condition", values="fooled", aggfunc="mean", observed=True
    )
    sign = 1.0 if direction == "higher" else -1.0
    found: list[tuple[float, float]] = []
    names = list(rates.columns)
    for place, one in enumerate(names):
        for two in names[place + 1 :]:
            found += _pairs(rates[one], rates[two], values[one], values[two], sign)
    score = [w for w, _ in found]
    ceiling = [top for _, top in found]
    return PreferenceScore(
        metric,
        task,
        direction,
        len(found),
        float(np.mean(score)) if found else None,
        float(np.mean(ceiling)) if found else None,
    )


def _pairs(
    one: pd.Series, two: pd.Series, mine: Values, theirs: Values, sign: float
) -> list[tuple[float, float]]:
    """Return (w of the metric's choice, max(w, 1-w)) for each image that both models have."""
    out = []
    for item in one.index[one.notna() & two.notna()]:
        if item not in mine or item not in theirs:
            continue
        p, q = float(one[item]), float(two[item])
        apart = p * (1 - q) + q * (1 - p)
        w = p * (1 - q) / apart if apart > 0 else 0.5
        x, y = sign * mine[item], sign * theirs[item]  # of infinities there is no difference
        chosen = 0.5 if x == y else (w if x > y else 1 - w)
        out.append((chosen, max(w, 1 - w)))
    return out


def single_task(judgments: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Return the only task and its main trials.

    Raises
    ------
    DesignError
        There are several tasks: their fool rates answer different questions.
    """
    found = list(cells(judgments))
    tasks = sorted({key["task"] for key, _ in found})
    if len(tasks) > 1:
        raise DesignError(f"the file holds the tasks {', '.join(tasks)}; choose one with --task")
    return tasks[0], pd.concat([rows for _, rows in found])


def _some(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
