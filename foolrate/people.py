"""What raters said: judgments as a DataFrame in; rates, comparisons, rankings and plans out."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from analysis.commands.power import pilot_components
from analysis.commands.rank import TIES_WORDS
from analysis.comparisons import comparisons as pairs
from analysis.comparisons.against_half import AgainstHalf, against_half
from analysis.comparisons.comparisons import Comparison
from analysis.comparisons.real_or_fake import AgainstReal, against_real, caution, check_real
from analysis.comparisons.verdict import MARGIN, ONE_IMAGE, TWO_IMAGES
from analysis.errors import AnalysisError
from analysis.judgments.duels import check_duels
from analysis.judgments.table import alike_ids, check_judgments
from analysis.numerals import PAGE
from analysis.planning.plan import PlannedDesign, StudyDesign, plan, plan_table
from analysis.rankings.ranking import Ranking
from analysis.rankings.ranking import rank as rank_duels
from analysis.rates.fool_rates import ESTIMAND_WORDS, FoolRate, fool_rates
from foolrate.shown import Result, View
from foolrate.tables import (
    NAME,
    as_names,
    as_text,
    check_count,
    check_share,
    frame_of,
    in_words,
    numbered,
    said_here,
    with_groups,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NO_PAIR = "There is one condition, and so no pair."
Estimand = Literal["population", "fixed-images", "rater-average"]


def judgments(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of judgments checked and typed, as all functions here take it.

    Needed columns: ``rater_id``, ``item_id``, ``condition`` and ``fooled`` (1 or True: the rater
    took the model's output for the real photo; 0 or False: not; missing: skipped). Index levels of
    these names will do, and so will frames of polars and pyarrow. ``task``,
    ``kind``, ``excluded`` and ``simulated`` mean what they mean in judgments.csv. Other columns are
    kept. A table that was checked before comes back as it is.

    Raises
    ------
    AnalysisError
        It is no table, a column is missing, a value cannot be right, or a judgment is there twice;
        the message names the row, counted from 0.
    """
    plain = numbered(frame_of(table))
    checked: pd.DataFrame = in_words(check_judgments, plain, NAME)
    return checked


@dataclass(frozen=True)
class Rates(Result):
    """The fool rate of each condition (and task, and group), with its interval."""

    records: tuple[FoolRate, ...]
    notes: tuple[str, ...] = ()
    real: str | None = None

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row for each record: every number, as shares of 1."""
        rows = [asdict(record) for record in self.records]
        return pd.DataFrame([{**row, **row.pop("group")} for row in rows])

    @property
    def view(self) -> View:
        """Return the rates in per cent."""
        first = self.records[0]
        tasks, groups = any(record.task for record in self.records), list(first.group)
        what = "Called real" if self.real else "Fool rate"
        level = f"{100 * (1 - first.alpha):g} % interval"
        rows = [
            [
                record.condition,
                *([record.task or "–"] if tasks else []),
                *record.group.values(),
                PAGE.percent(record.rate),
                PAGE.interval(record.low, record.high),
                f"{record.fooled}/{record.trials}",
                str(record.raters),
                str(record.items),
            ]
            for record in self.records
        ]
        head = ["Condition", *(["Task"] if tasks else []), *groups, what, level]
        notes = [
            f"{', '.join([record.condition, *record.group.values()])}: {flag}"
            for record in self.records
            for flag in record.flags
        ]
        words = ESTIMAND_WORDS[first.estimand]
        return View(
            "fool-rates",
            f"{what}, with two-way intervals {words}.",
            [*head, "Trials", "Raters", "Images"],
            rows,
            [*self.notes, *notes],
            any(record.simulated for record in self.records),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Return axes with a forest plot of the rates, new ones if none are given."""
        from foolrate.plots import forest

        named = [
            " ".join([r.condition, *([r.task] if r.task else []), *r.group.values()])
            for r in self.records
        ]
        points = [(r.rate, r.low, r.high) for r in self.records]
        real = [r.rate for r in self.records if r.condition == self.real]
        at = real[0] if real else None if self.real else 0.5
        what = "Called real" if self.real else "Fool rate"
        return forest(ax, named, points, what, at, simulated=self.view.simulated)


def rates(
    table: pd.DataFrame,
    *,
    estimand: Estimand = "population",
    by: str | Sequence[str] | None = None,
    alpha: float = 0.05,
    real: str | None = None,
) -> Rates:
    """Return the fool rate of each condition and task, with its two-way interval.

    ``by`` names columns to group by. ``real`` names the condition of real photos where each trial
    showed one image: a rate is then the share of images called real. Raises `AnalysisError`.
    """
    check_share("alpha", alpha, 0.5)
    checked = judgments(table)
    real = as_text(real)
    if real is not None:
        check_real(checked, real)
    groups = as_names(by)
    parted = with_groups(checked, groups, {field.name for field in fields(FoolRate)})
    found = fool_rates(parted, estimand=estimand, by=groups, alpha=alpha)
    said = "" if real is not None else caution(checked)
    notes = [*([said] if said else []), *map(said_here, alike_ids(checked))]
    return Rates(tuple(found), tuple(notes), real)


@dataclass(frozen=True)
class Comparisons(Result):
    """Every pair of conditions, and each one against 50 % (or against the real photos)."""

    pairs: tuple[Comparison, ...]
    against: tuple[AgainstHalf, ...] | tuple[AgainstReal, ...]
    correction: str
    alpha: float

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row for each pair."""
        columns = [field.name for field in fields(Comparison)]
        return pd.DataFrame([asdict(pair) for pair in self.pairs], columns=columns)

    @property
    def verdicts(self) -> pd.DataFrame:
        """Return one row for each condition: its tests against 50 %, or the real photos."""
        words = ONE_IMAGE if any(isinstance(e, AgainstReal) for e in self.against) else TWO_IMAGES
        rows = [asdict(each) | {"in_words": words[each.verdict]} for each in self.against]
        return pd.DataFrame(rows)

    @property
    def view(self) -> View:
        """Return the differences in percentage points."""
        rows = [
            [
                f"{pair.first} − {pair.second}",
                PAGE.points(pair.difference),
                PAGE.point_interval(pair.low, pair.high),
                PAGE.p_value(pair.p),
                PAGE.p_value(pair.p_adjusted),
                PAGE.p_value(pair.p_equivalent),
            ]
            for pair in self.pairs
        ]
        level = f"{100 * (1 - self.alpha):g} % interval"
        head = ["Pair", "Points", level, "p", f"p ({self.correction})", "p (TOST)"]
        notes = [f"{p.first} − {p.second}: {flag}" for p in self.pairs for flag in p.flags]
        notes += [] if self.pairs else [NO_PAIR]
        simulated = any(each.simulated for each in (*self.pairs, *self.against))
        caption = "Differences of fool rates, in percentage points."
        return View("comparisons", caption, head, rows, notes, simulated)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Return axes with a forest plot of the differences, new ones if none are given."""
        from foolrate.plots import forest

        named = [f"{pair.first} − {pair.second}" for pair in self.pairs]
        points = [(pair.difference, pair.low, pair.high) for pair in self.pairs]
        what = "Difference of fool rates"
        return forest(ax, named, points, what, 0.0, simulated=self.view.simulated)


def compare(
    table: pd.DataFrame,
    *,
    baseline: str | None = None,
    family: Sequence[str] = (),
    correction: Literal["holm", "bh", "none"] = "holm",
    margin: float = MARGIN,
    alpha: float = 0.05,
    estimand: Estimand = "population",
    permutations: int = 0,
    seed: int = 0,
    real: str | None = None,
) -> Comparisons:
    """Return the conditions compared with each other, and each with 50 % or the real photos.

    ``margin`` is that of the tests of equivalence (TOST), as a share. Raises `AnalysisError`.
    """
    check_share("alpha", alpha, 0.5)
    check_share("margin", margin, 0.5)
    check_count("permutations", permutations)
    check_count("seed", seed)
    checked = judgments(table)
    baseline, real = as_text(baseline), as_text(real)
    family = [str(name) for name in as_names(family)]
    shared: dict[str, Any] = {"margin": margin, "alpha": alpha, "estimand": estimand}
    shared |= {"correction": correction}
    models = checked
    against: tuple[AgainstHalf, ...] | tuple[AgainstReal, ...]
    if real is None:
        against = tuple(against_half(checked, family=family, **shared))
    else:
        check_real(checked, real)
        models = checked[checked["condition"] != real]
        against = tuple(against_real(checked, real, family=family, **shared))
        family = [name for name in family if name != real]
    found = pairs.compare(
        models, baseline=baseline, family=family, permutations=permutations, seed=seed, **shared
    )
    return Comparisons(tuple(found), against, correction, alpha)


@dataclass(frozen=True)
class RankedModels(Result):
    """Models ranked from direct comparisons, best first."""

    ranking: Ranking

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row for each model."""
        return pd.DataFrame([asdict(model) for model in self.ranking.models])

    @property
    def view(self) -> View:
        """Return scores in log odds, and the ranks that the comparisons leave open."""
        level = f"{100 * (1 - self.ranking.alpha):g} % interval"
        rows = [
            [
                model.model,
                PAGE.number(model.score, 3),
                PAGE.span(model.low, model.high, 3),
                PAGE.number(model.elo, 0),
                f"{model.rank_low}–{model.rank_high}",
            ]
            for model in self.ranking.models
        ]
        ties = f"Ties count as {TIES_WORDS[self.ranking.ties_as]}."
        notes = [*([ties] if self.ranking.ties else []), *self.ranking.notes]
        caption = "Bradley-Terry scores in log odds, mean 0."
        head = ["Model", "Score", level, "Elo", "Ranks"]
        return View("ranking", caption, head, rows, notes, self.ranking.simulated)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Return axes with a forest plot of the scores, new ones if none are given."""
        from foolrate.plots import forest

        models = self.ranking.models
        named = [model.model for model in models]
        points = [(model.score, model.low, model.high) for model in models]
        what, simulated = "Bradley-Terry score, log odds", self.view.simulated
        return forest(ax, named, points, what, 0.0, simulated=simulated, percent=False)


def rank(
    duels: pd.DataFrame,
    *,
    alpha: float = 0.05,
    seed: int = 0,
    ties: Literal["davidson", "half"] = "davidson",
) -> RankedModels:
    """Return the ranking of models that were compared directly.

    Columns: ``rater_id``, ``item_id``, ``model_a``, ``model_b`` and ``choice`` (``a``, ``b``,
    ``tie``, or missing for skipped). Raises `AnalysisError`.
    """
    check_share("alpha", alpha, 0.5)
    check_count("seed", seed)
    text = numbered(frame_of(duels)).astype("object")
    text = text.where(text.notna(), "").astype(str)
    return RankedModels(rank_duels(in_words(check_duels, text, NAME), alpha, seed, ties))


@dataclass(frozen=True)
class Plans(Result):
    """Designs of a study, the cheapest first, with what each can show."""

    designs: tuple[PlannedDesign, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row for each design."""
        return pd.DataFrame([asdict(design) for design in self.designs])

    @property
    def view(self) -> View:
        """Return the designs with half-widths in percentage points and powers in per cent."""
        rows = [
            [
                str(design.raters),
                str(design.items),
                str(design.trials),
                f"±{PAGE.number(100 * design.half_width)}",
                PAGE.percent(design.power_below_half, 0),
                PAGE.percent(design.power_of_difference, 0),
                PAGE.number(design.cost, 0),
            ]
            for design in self.designs
        ]
        gap = PAGE.number(100 * self.designs[0].difference, 0)
        powers = ["Power against 50 %", f"Power for {gap} points"]
        head = ["Raters", "Images", "Trials each", "Half-width", *powers]
        caption = "Designs: half-width of the interval, and the power of two tests."
        return View("power", caption, [*head, "Cost"], rows)


def power(
    pilot: pd.DataFrame | None = None, *, condition: str | None = None, **design: Any
) -> Plans:
    """Return what a design can show, or with ``target`` the designs that reach that half-width.

    The other arguments are those of `analysis.planning.plan.StudyDesign` (``raters``, ``items``,
    ``trials``, ``rate``, ``target``, ``difference``, ``pay_per_hour``, …). ``pilot`` is a table of
    judgments whose variances and rate are used, of its one ``condition``. Raises `AnalysisError`.
    """
    _made_plain(design)
    if pilot is not None:
        checked, condition = judgments(pilot), as_text(condition)
        design["components"] = in_words(pilot_components, checked, condition, "the pilot")
    if design.get("target") is None:
        return Plans((plan(StudyDesign(**design)),))
    items = design.pop("items", 100)
    chosen = {key: value for key, value in design.items() if key != "trials"}
    return Plans(tuple(plan_table(items=sorted({items, 2 * items, 4 * items}), **chosen)))


COUNTS = {"raters": 2, "items": 2, "trials": 1, "conditions": 1}  # of a design -> the least


def _made_plain(design: dict[str, Any]) -> None:
    """Make numpy's numbers plain ones.

    Raises `AnalysisError` for an argument that there is none of, or that is no number.
    """
    known = [field.name for field in fields(StudyDesign) if field.name != "components"]
    for name, value in list(design.items()):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(known)}"
            raise AnalysisError(f"power takes no {name}, {hint}")
        if value is None or (isinstance(value, bool) and name not in COUNTS):
            continue
        if not isinstance(value, Real) or not math.isfinite(value):
            raise AnalysisError(f"{name} is {value!r}, expected a number")
        if name in COUNTS:
            check_count(name, value, COUNTS[name])
            design[name] = int(float(value))
        else:
            design[name] = float(value)
