"""Plans of every kind of trial, in words: what `study plan` prints, and `analysis power` for two.

The expected share (``rate``) is the fool rate, a pair's win share, or a model's error on fakes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.commands.tables.terminal import percent
from analysis.errors import DesignError
from analysis.planning.plan import PlannedDesign, StudyDesign, plan
from analysis.planning.preferences import PlannedPreferences, PreferenceDesign, plan_preferences
from analysis.planning.single_images import PlannedSingle, SingleDesign, plan_single

Planned = PlannedDesign | PlannedPreferences | PlannedSingle
# kind of trial -> options that it has for itself
OWN = {
    "real-or-model": ("difference",),
    "preference": ("baseline", "ties"),
    "single": ("error_on_reals", "made_share"),
}
SHARED_BY_DEFAULT = ("preference", "single")  # as in the study file


def planned(trial: str, options: Mapping[str, Any]) -> Planned:
    """Return the plan of a kind of trial; options that are None take its defaults.

    Raises DesignError: as the planner of the kind, or an option is another kind's.
    """
    of_another_kind(trial, options)
    given = {name: value for name, value in options.items() if value is not None}
    given.setdefault("shared_raters", trial in SHARED_BY_DEFAULT)
    given.setdefault("raters", None)
    if trial == "real-or-model":
        return plan(StudyDesign(**given))
    models = {"models": given.pop("conditions")} if "conditions" in given else {}
    share = {"share" if trial == "preference" else "error_on_fakes": given.pop("rate", None)}
    made: dict[str, Any] = given | models | {k: v for k, v in share.items() if v is not None}
    if trial == "preference":
        return plan_preferences(PreferenceDesign(**made))
    return plan_single(SingleDesign(**made))


def of_another_kind(trial: str, options: Mapping[str, Any]) -> None:
    """Raise DesignError where an option is given that is another kind's."""
    for kind, names in OWN.items():
        for name in names:
            if kind != trial and options.get(name) is not None:
                option = f"--{name.replace('_', '-')}"
                raise DesignError(f"{option} is for --trial {kind}, and this is --trial {trial}")


def words_of_payload(payload: Mapping[str, Any]) -> str:
    """Return the one plan of a payload of preferences or single images in words."""
    kind = PlannedPreferences if payload["trial"] == "preference" else PlannedSingle
    return words(kind(**payload["plans"][0]), payload["assumptions"])


def words(made: Planned, options: Mapping[str, Any]) -> str:
    """Return a plan in some lines; ``options`` are those that it was made with."""
    level = f"{100 * (1 - (options.get('alpha') or 0.05)):g} %"
    if isinstance(made, PlannedPreferences):
        lines = _preferences(made, level)
    elif isinstance(made, PlannedSingle):
        lines = _single(made, level)
    else:
        shared = bool(options.get("shared_raters"))
        people = made.raters * (1 if shared else options.get("conditions") or 1)
        lines = _real_or_model(made, level, people)
    cost = "" if made.cost is None else f", {made.cost:,.2f} in all (in the currency of the pay)"
    return "\n".join((*lines, f"{made.minutes:.0f} minutes per rater{cost}"))


def _real_or_model(made: PlannedDesign, level: str, people: int) -> tuple[str, ...]:
    return (
        f"{people} raters x {made.trials} trials of {made.items} images:"
        f" {made.judgments:,} judgments per condition, {made.per_item:.1f} per image",
        f"{level} interval at a fool rate of {100 * made.rate:g} %:"
        f" about ±{percent(made.half_width)} points (new raters and new images)",
        f"chance to tell it from 50 %: {percent(made.power_below_half, 0)} %",
        f"chance to find a difference of {100 * made.difference:g} points between two conditions:"
        f" {percent(made.power_of_difference, 0)} %",
    )


def _preferences(made: PlannedPreferences, level: str) -> tuple[str, ...]:
    people = made.comparisons // made.trials
    ties = f", {100 * made.ties:g} % ties" if made.ties else ""
    pairs = "the one pair" if made.pairs == 1 else f"each of {made.pairs} pairs"
    lines = (
        f"{people} raters x {made.trials} comparisons of {made.items} images:"
        f" {made.comparisons:,} in all, {made.per_pair:,.0f} of {pairs} of models",
        f"{level} interval of a pair's win share of {100 * made.share:g} %{ties}:"
        f" about ±{percent(made.pair_half_width)} points (new raters and new images)",
        f"chance to tell it from 50 %: {percent(made.power_below_half, 0)} %",
    )
    if made.models == 2:
        score = f"{level} interval of a score, between equal models: about"
    else:
        score = (
            f"between equal models, a model's share of all its comparisons: about"
            f" ±{percent(made.model_half_width)} points; its score:"
        )
    return (*lines, f"{score} ±{made.score_half_width:.2f} log odds")


def _single(made: PlannedSingle, level: str) -> tuple[str, ...]:
    return (
        f"{made.raters} raters for each model x {made.trials} images ({made.of_photos:g} real,"
        f" {made.of_a_model:g} of the model), drawn from {made.items} items",
        f"{level} intervals for each model (new raters and new images):",
        f"  error on fakes of {100 * made.error_on_fakes:.3g} %:"
        f" about ±{percent(made.fakes_half_width)} points",
        f"  error on reals of {100 * made.error_on_reals:.3g} %:"
        f" about ±{percent(made.reals_half_width)} points",
        f"  human error of {100 * made.human_error:.3g} %:"
        f" about ±{percent(made.human_half_width)} points",
        f"  d' of {made.d_prime:.2f}: about ±{made.d_prime_half_width:.2f};"
        f" criterion of {made.criterion:.2f}: about ±{made.criterion_half_width:.2f}",
        f"chance to tell the human error from 50 %: {percent(made.power_below_half, 0)} %",
    )
