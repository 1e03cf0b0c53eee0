"""Coverage of the intervals, false positives of the comparisons, and what peeking does.

    python manage.py bench coverage [--quick] [--sets 2000] [--slow-sets 60] [--json FILE]

Simulated studies with a known truth: crossed logit-normal rater and image effects, 50 raters, 100
images, 50 trials a rater, as in SR3's study. What is shipped is measured, beside the usual ways.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import click
import numpy as np
from scipy import stats

from analysis.commands.tables.terminal import percent, text_table, write_json
from analysis.errors import ConvergenceError
from analysis.inference.binomial import pooled_wilson
from analysis.inference.clustered.bootstrap import resampled_sums
from analysis.inference.clustered.crossed_design import design, indicator
from analysis.inference.clustered.difference import difference
from analysis.inference.confidence_sequence import sequence_bounds
from analysis.models.glmm import fit_glmm
from analysis.models.glmm_rates import marginal_interval
from analysis.models.simulation import crossed_judgments, intercept_for, random_design
from analysis.rates.fool_rates import share_intervals
from benchmarks.intervals.designs import fixed_images, going_on, population, unequal_pairs
from benchmarks.intervals.detections import detections_cover
from benchmarks.intervals.further import further_cover
from benchmarks.intervals.images import single_images
from benchmarks.intervals.plans import preference_plans_hold, single_plans_hold
from benchmarks.intervals.ranks_and_plans import equal_models, plans_that_are_numbers
from benchmarks.intervals.ratings import ratings_cover
from benchmarks.intervals.scores import scores_cover

SIZE = (50, 100, 50)
SMALL = (12, 20, 20)
RATES = (0.1, 0.3, 0.5)
SDS = ((0.5, 0.5), (0.5, 1.0), (1.0, 0.5), (1.0, 1.0))
BATCH = 100
RESAMPLES = 400

Codes = tuple[np.ndarray, np.ndarray]
Interval = Callable[[np.ndarray, Codes, int], tuple[Any, Any]]


def pooled(y: np.ndarray, _: Codes, __: int) -> tuple[Any, Any]:
    """Return pooled Wilson intervals of ``(N, B)`` data sets: all trials taken as independent."""
    return pooled_wilson(y.sum(axis=0), len(y))


def per_rater(y: np.ndarray, codes: Codes, _: int) -> tuple[Any, Any]:
    """Return t intervals on rater means, the usual choice; every rater has as many trials."""
    means = y.reshape(-1, len(y) // (codes[0].max() + 1), y.shape[1]).mean(axis=1)
    half = stats.t.ppf(0.975, len(means) - 1) * means.std(axis=0, ddof=1) / np.sqrt(len(means))
    return means.mean(axis=0) - half, means.mean(axis=0) + half


def two_way(y: np.ndarray, codes: Codes, _: int) -> tuple[Any, Any]:
    """Return the default intervals of the population estimand."""
    return share_intervals(y, design(*codes))[1:]


def bootstrapped(new_items: bool) -> Interval:
    """Return the percentile bootstrap over raters, and over images too if ``new_items``."""

    def interval(y: np.ndarray, codes: Codes, seed: int) -> tuple[Any, Any]:
        values = [*y.T, np.ones(len(y))]
        sums = resampled_sums(values, codes, resamples=RESAMPLES, seed=seed, new_items=new_items)
        return tuple(np.quantile(sums[:-1] / sums[-1], [0.025, 0.975], axis=1))

    return interval


def glmm(y: np.ndarray, codes: Codes, _: int) -> tuple[Any, Any]:
    """Return the GLMM's marginalised intervals; a fit that does not converge counts as a miss."""
    ends = []
    for column in y.T:
        try:
            low, high = marginal_interval(fit_glmm(column, *codes, penalised=True))[1:3]
        except ConvergenceError:
            low, high = np.nan, np.nan
        ends.append((low, high))
    return tuple(np.array(ends).T)


FAST: dict[str, Interval] = {
    "pooled Wilson": pooled,
    "per-rater t": per_rater,
    "two-way (default)": two_way,
}
SLOW: dict[str, Interval] = {
    "rater bootstrap": bootstrapped(new_items=False),
    "pigeonhole": bootstrapped(new_items=True),
    "GLMM marginal": glmm,
}


def coverage(
    methods: dict[str, Interval], size: tuple[int, int, int], sets: int
) -> list[dict[str, Any]]:
    """Return one row per cell: rate, sds, and each method's coverage over ``sets`` studies.

    Beside the coverage its standard error and the mean width. A fit that failed has no width.
    """
    rows = []
    for cell, (rate, sds) in enumerate(itertools.product(RATES, SDS)):
        rng = np.random.default_rng([7, cell, size[0]])
        hits: dict[str, list[np.ndarray]] = {name: [] for name in methods}
        widths: dict[str, list[np.ndarray]] = {name: [] for name in methods}
        for start in range(0, sets, BATCH):
            codes = random_design(rng, *size)
            y = crossed_judgments(rng, codes, rate=rate, sds=sds, sets=min(BATCH, sets - start))
            y = y[:, y.any(axis=0)]  # nobody fooled: the exact interval, not what is measured here
            for name, interval in methods.items():
                low, high = interval(y, codes, start)
                hits[name].append((low <= rate) & (rate <= high))
                widths[name].append(high - low)
        found: dict[str, float] = {}
        for name in methods:
            share = float(np.concatenate(hits[name]).mean())
            found[name] = share
            found[f"{name} ±"] = float(np.sqrt(share * (1 - share) / sets))
            found[f"{name} width"] = float(np.nanmean(np.concatenate(widths[name])))
        rows.append({"rate": rate, "sd_rater": sds[0], "sd_item": sds[1], **found})
    return rows


def false_positives(sets: int) -> list[dict[str, Any]]:
    """Return how often each test rejects at 5 % when two models are equally good."""
    rows = []
    designs = {
        "raters and images": (True, True),
        "images": (False, True),
        "nothing": (False, False),
    }
    for cell, ((shared, (raters, items)), alike) in enumerate(
        itertools.product(designs.items(), (1.0, 0.5))
    ):
        rng = np.random.default_rng([8, cell])
        rejected: dict[str, list[np.ndarray]] = {}
        for start in range(0, sets, BATCH):
            count = min(BATCH, sets - start)
            one, two = random_design(rng, *SIZE), random_design(rng, *SIZE)
            all_raters = np.concatenate([one[0], two[0] + (0 if raters else SIZE[0])])
            all_items = np.concatenate([one[1], two[1] + (0 if items else SIZE[1])])
            y = _two_models(rng, (all_raters, all_items), alike, count)
            for name, p in _tests(y, all_raters, all_items).items():
                rejected.setdefault(name, []).append(p < 0.05)
        found = {name: float(np.concatenate(each).mean()) for name, each in rejected.items()}
        rows.append({"shared": shared, "effects alike": alike, **found})
    return rows


def _two_models(rng: np.random.Generator, codes: Codes, alike: float, sets: int) -> np.ndarray:
    """Return (N, sets) judgments of two equal models whose effects correlate by ``alike``."""
    half = len(codes[0]) // 2
    eta = np.full((len(codes[0]), sets), intercept_for(0.4, np.hypot(0.8, 0.8)))
    for each in codes:
        common, own = (rng.standard_normal((2, each.max() + 1, sets)) for _ in range(2))
        for model, rows in enumerate((slice(None, half), slice(half, None))):
            effect = np.sqrt(alike) * common[0] + np.sqrt(1 - alike) * own[model]
            eta[rows] += 0.8 * effect[each[rows]]
    return (rng.random(eta.shape) < 1 / (1 + np.exp(-eta))).astype(float)


def _tests(y: np.ndarray, raters: np.ndarray, items: np.ndarray) -> dict[str, np.ndarray]:
    """Return the p-values of the usual tests and of the two-way difference."""
    half = len(y) // 2
    first = np.arange(len(y)) < half
    gap = y[first].mean(axis=0) - y[~first].mean(axis=0)
    mean = y.mean(axis=0)
    z = gap / np.sqrt(mean * (1 - mean) * 2 / half)
    out = {"pooled z": 2 * stats.norm.sf(np.abs(z))}
    means = [_unit_means(y[m], raters[m]) for m in (first, ~first)]
    out["t on rater means"] = np.asarray(stats.ttest_ind(*means).pvalue)
    images = [_unit_means(y[m], items[m]) for m in (first, ~first)]
    if np.array_equal(np.unique(items[first]), np.unique(items[~first])):
        out["paired t on images"] = np.asarray(stats.ttest_rel(*images).pvalue)
    out["two-way difference"] = difference(y, first, raters, items).p_value()
    return out


def _unit_means(y: np.ndarray, codes: np.ndarray) -> np.ndarray:
    groups = indicator(codes)
    return (groups @ y) / groups.sum(axis=1)[:, None]


def peeking(sets: int) -> list[dict[str, Any]]:
    """Return how often each interval, looked at after every rater, ever leaves the truth out."""
    rows = []
    for cell, (rate, sd) in enumerate(itertools.product(RATES, (0.5, 1.0))):
        rng = np.random.default_rng([9, cell])
        ever: dict[str, list[np.ndarray]] = {}
        for start in range(0, sets, BATCH):
            count = min(BATCH, sets - start)
            codes = random_design(rng, *SIZE)
            y = crossed_judgments(rng, codes, rate=rate, sds=(sd, sd), sets=count)
            means = y.reshape(SIZE[0], SIZE[2], count).mean(axis=1)
            raters = np.arange(1, SIZE[0] + 1)[:, None]
            total = means.cumsum(axis=0) * SIZE[2]
            ends = {
                "repeated Wilson": pooled_wilson(total, raters * SIZE[2] * np.ones_like(means)),
                "confidence sequence": sequence_bounds(means, grid=np.linspace(0, 1, 501)),
            }
            for name, (low, high) in ends.items():
                ever.setdefault(name, []).append(((low > rate) | (high < rate)).any(axis=0))
        found = {name: float(np.concatenate(each).mean()) for name, each in ever.items()}
        rows.append({"rate": rate, "sds": sd, **found})
    return rows


def _show(title: str, rows: list[dict[str, Any]], keys: int) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [
        [*(row[name] for name in names[:keys]), *(percent(row.get(name)) for name in names[keys:])]
        for row in rows
    ]
    click.echo(f"\n{title}\n{text_table(names, cells)}")


HARD: dict[str, tuple[str, int, Callable[[int], list[dict[str, Any]]]]] = {
    "population": ("hard designs: coverage and width %", 3, population),
    "fixed_images": ("fixed-images: coverage and width %", 3, fixed_images),
    "going_on": ("raters with 3 to 100 trials: coverage and width %", 1, going_on),
    "single_images": ("single images: coverage and width %", 3, single_images),
    "unequal_pairs": ("false positives % at 5 %, unequal or thin studies", 1, unequal_pairs),
    "equal_models": ("equal models ranked apart %", 3, equal_models),
    "scores": ("scores of models: coverage %", 4, scores_cover),
    "detections": ("errors, d' and criterion of single images: coverage %", 2, detections_cover),
    "further": ("shares of further questions: coverage %", 2, further_cover),
    "ratings": ("ratings of single images: coverage %", 2, ratings_cover),
    "preference_plans": (
        "plans of preferences: half-widths (scores x 100), power %",
        4,
        preference_plans_hold,
    ),
    "single_plans": ("plans of single images: half-widths x 100", 2, single_plans_hold),
}
SLOW_ONES = (
    "single_images",
    "equal_models",
    "scores",
    "detections",
    "ratings",
    "preference_plans",
    "single_plans",
)


@click.command(help=__doc__)
@click.option("--sets", type=click.IntRange(10), default=2000, show_default=True,
              help="Simulated studies of each cell.")  # fmt: skip
@click.option("--slow-sets", type=click.IntRange(0), default=60, show_default=True,
              help="Studies of each cell for bootstrap and GLMM.")  # fmt: skip
@click.option("--hard-sets", type=click.IntRange(20), default=1000, show_default=True,
              help="Studies of each hard design; a fifth of it for images and ranks.")  # fmt: skip
@click.option("--quick", is_flag=True, help="Run 200 sets of each, without the slow methods.")
@click.option("--json", "json_out", metavar="FILE", help="Write the numbers to FILE.")
def measure(sets: int, slow_sets: int, hard_sets: int, quick: bool, json_out: str | None) -> None:
    """Print the tables, and whether the default interval holds in every cell."""
    sets, slow_sets, hard_sets = (200, 0, 200) if quick else (sets, slow_sets, hard_sets)
    found = {"coverage": coverage(FAST, SIZE, sets), "small": coverage(FAST, SMALL, sets)}
    _show(
        f"coverage %, nominal 95, {SIZE} raters, images, trials, {sets} sets", found["coverage"], 3
    )
    _show(f"coverage %, {SMALL}", found["small"], 3)
    if slow_sets:
        found["slow"] = coverage(SLOW, SIZE, slow_sets)
        _show(f"coverage % of the slow methods, {slow_sets} sets a cell", found["slow"], 3)
    for name, (title, keys, run) in HARD.items():
        some = max(20, hard_sets // 5) if name in SLOW_ONES else hard_sets
        found[name] = run(some)
        _show(f"{title}, {some} sets", found[name], keys)
    found["false_positives"] = false_positives(sets)
    _show("false positives % at 5 %, two equal models", found["false_positives"], 2)
    found["peeking"] = peeking(sets)
    _show("truth ever left out %, looking after each of 50 raters", found["peeking"], 2)
    planned = plans_that_are_numbers()
    click.echo(f"\n{planned['plans']} plans, {planned['not a number']} with a chance of nan")
    _verdict(found["coverage"])
    if json_out:
        write_json({"sets": sets, "slow_sets": slow_sets, **found, **planned}, json_out)


def _verdict(rows: list[dict[str, Any]]) -> None:
    cells = [row["two-way (default)"] for row in rows]
    errors = [row["two-way (default) ±"] for row in rows]
    held = all(0.93 - e <= cell <= 0.97 + e for cell, e in zip(cells, errors, strict=True))
    ends = f"{percent(min(cells))} to {percent(max(cells))} %"
    verdict = "within" if held else "OUTSIDE"
    click.echo(f"default interval: {ends} over {len(cells)} cells, {verdict} 93-97 % ± 1 SE")


def main(options: list[str]) -> None:
    """Run the benchmark with these command-line options."""
    measure.main(args=options, prog_name="manage.py bench coverage", standalone_mode=False)
