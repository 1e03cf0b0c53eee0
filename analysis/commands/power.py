"""The table and the JSON of `analysis power`; of preferences and single images, lines of words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.commands.plans import OWN, of_another_kind, planned, words_of_payload
from analysis.commands.tables.terminal import number, percent, plain, text_table
from analysis.errors import DesignError
from analysis.models.components import Components, components_of_judgments
from analysis.numerals import counted
from analysis.planning.plan import PlannedDesign, StudyDesign, plan, plan_table
from analysis.planning.simulated_plan import simulate_plan

SHOWN = 8
RATERS = 50  # where neither they nor a goal is given
NOT_OF_A_PLAN = ("pilot", "judgments", "condition", "simulate", "seed")


def power_payload(*, trial: str = "real-or-model", **options: Any) -> dict[str, Any]:
    """Return ``{"plans": [...], "simulated": …, "assumptions": {...}}``, cheapest plan first."""
    goals = [f"--{name}" for name in ("raters", "target", "power") if options.get(name) is not None]
    if len(goals) > 1:
        raise DesignError(f"{' and '.join(goals)}: expected one of them, since it gives the others")
    if trial == "real-or-model":
        of_another_kind(trial, options)
        return _of_fool_rates(**_with_defaults(options))
    for name in ("pilot", "condition", "simulate"):
        if options.get(name):
            raise DesignError(f"--{name} is for --trial real-or-model, and this is --trial {trial}")
    own = {key: value for key, value in options.items() if key not in NOT_OF_A_PLAN}
    if not goals:
        own["raters"] = RATERS
    assumed = {name: value for name, value in own.items() if value is not None}
    return {
        "trial": trial,
        "plans": plain([planned(trial, own)]),
        "simulated": None,
        "assumptions": plain(assumed),
        "components": None,
    }


def _with_defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a plan of fool rates, without the other kinds' and without None."""
    theirs = {name for kind, names in OWN.items() if kind != "real-or-model" for name in names}
    defaults = {"rate": 0.4, "difference": 0.08, "conditions": 1, "shared_raters": False}
    kept = {name: value for name, value in options.items() if name not in theirs}
    chosen = {name: kept.get(name) for name in defaults}
    return kept | {n: defaults[n] if value is None else value for n, value in chosen.items()}


def _of_fool_rates(
    *,
    target: float | None = None,
    raters: int | None = None,
    pilot: Path | None = None,
    judgments: pd.DataFrame | None = None,
    condition: str | None = None,
    simulate: int = 0,
    seed: int = 0,
    **options: Any,
) -> dict[str, Any]:
    """Return the payload of fool rates; ``judgments`` are those of the file ``pilot``."""
    parts = None if judgments is None else pilot_components(judgments, condition, str(pilot))
    design: dict[str, Any] = {**options, "components": parts}
    if target is not None:
        items = design.pop("items")
        most = sorted({items, 2 * items, 4 * items})
        plans = plan_table(target=target, items=most, **_without(design, "trials"))
    else:
        count = RATERS if raters is None and design.get("power") is None else raters
        plans = [plan(StudyDesign(raters=count, **design))]
    sds = (options["sd_rater"], options["sd_item"])
    simulated = _simulated(plans[0], sds, simulate, seed, options["alpha"]) if simulate else None
    assumed = {"target": target, "pilot": str(pilot) if pilot else None, **options}
    return {
        "trial": "real-or-model",
        "plans": plain(plans),
        "simulated": plain(simulated),
        "assumptions": plain(assumed),
        "components": plain(parts),
    }


def _simulated(
    first: PlannedDesign, sds: tuple[float, float], sets: int, seed: int, alpha: float
) -> Any:
    size = (first.raters, first.items, first.trials)
    return simulate_plan(
        rate=first.rate, design_size=size, sds=sds, sets=sets, seed=seed, alpha=alpha
    )


def _without(design: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in design.items() if key != name}


def pilot_components(judgments: pd.DataFrame, condition: str | None, pilot: str) -> Components:
    """Return rate and variance components of one condition of a pilot's judgments.

    Raises
    ------
    DesignError
        The condition is not in the file, or several are and none was named.
    """
    from analysis.inference.clustered.crossed_design import design
    from analysis.judgments.table import cells

    found = {(key["condition"], key["task"]): rows for key, rows in cells(judgments)}
    names = sorted({name for name, _ in found})
    if condition is None and len(found) > 1:
        raise DesignError(f"{pilot}: holds {', '.join(names)}; choose one with --condition")
    mine = [rows for (name, _), rows in found.items() if condition in (None, name)]
    if len(mine) != 1:
        raise DesignError(
            f"{pilot}: {len(mine)} tasks of condition {condition!r}, expected one; found"
            f" {', '.join(names)}"
        )
    rows = mine[0][mine[0]["fooled"].notna()]
    codes = (rows[name].cat.codes.to_numpy() for name in ("rater_id", "item_id"))
    who = design(*codes)
    if who.raters < 2 or who.items < 2:
        raise DesignError(
            f"{pilot}: {counted(who.raters, 'rater')} and {counted(who.items, 'image')}, expected 2"
            " or more of each"
        )
    y = rows["fooled"].to_numpy(dtype=np.float64)
    if y.min() == y.max():
        raise DesignError(
            f"{pilot}: all {len(y)} answers to {condition or names[0]!r} are alike and say nothing"
            " about raters and images; give --rate, --sd-rater and --sd-item"
        )
    return components_of_judgments(y, who)


def power_text(payload: dict[str, Any]) -> str:
    """Return the plans as a text table with what was assumed."""
    if payload["trial"] != "real-or-model":
        return words_of_payload(payload)
    assumed = payload["assumptions"]
    points = f"power for {percent(assumed['difference'], 0)} points"
    header = [
        "raters",
        "images",
        "trials each",
        "half-width (points)",
        "power against 50 %",
        points,
    ]
    header += ["judgments", "per image", "minutes", "cost"]
    rows = [_cells(each) for each in payload["plans"][:SHOWN]]
    rate = payload["plans"][0]["rate"]
    source = (
        f"variances from {assumed['pilot']}"
        if payload["components"]
        else f"logit sds {assumed['sd_rater']:g} (raters) and {assumed['sd_item']:g} (images)"
    )
    lines = [
        text_table(header, rows),
        f"per condition, at a fool rate of {percent(rate)} %; {source};"
        f" {100 * (1 - assumed['alpha']):g} % intervals",
    ]
    if len(payload["plans"]) > SHOWN:
        lines.insert(1, f"… and {len(payload['plans']) - SHOWN} dearer ones (--json has all)")
    found = payload["simulated"]
    if found:
        lines.append(
            f"first design, {found['sets']} simulated studies: half-width"
            f" ±{percent(found['half_width'])}, coverage {percent(found['coverage'])} %,"
            f" 50 % left out in {percent(found['excludes_half'])} %"
        )
    return "\n".join(lines)


def _cells(each: dict[str, Any]) -> list[Any]:
    return [
        each["raters"],
        each["items"],
        each["trials"],
        f"±{percent(each['half_width'])}",
        f"{percent(each['power_below_half'], 0)} %",
        f"{percent(each['power_of_difference'], 0)} %",
        f"{each['judgments']:,}",
        number(each["per_item"]),
        number(each["minutes"]),
        number(each["cost"], 0),
    ]
