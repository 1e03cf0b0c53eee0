"""The table and the JSON of `analysis power`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.commands.tables.terminal import number, percent, plain, text_table
from analysis.errors import DesignError
from analysis.models.components import Components, components_of_judgments
from analysis.numerals import counted
from analysis.planning.plan import PlannedDesign, StudyDesign, plan, plan_table
from analysis.planning.simulated_plan import simulate_plan

SHOWN = 8


def power_payload(
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
    """Return ``{"plans": [...], "simulated": …, "assumptions": {...}}``, cheapest plan first.

    ``judgments`` are those of the file ``pilot``.
    """
    parts = None if judgments is None else pilot_components(judgments, condition, str(pilot))
    design: dict[str, Any] = {**options, "components": parts}
    if target is not None and raters is not None:
        raise DesignError("--raters and --target: expected one of them, since it gives the other")
    if target is not None:
        items = design.pop("items")
        most = sorted({items, 2 * items, 4 * items})
        plans = plan_table(target=target, items=most, **_without(design, "trials"))
    else:
        plans = [plan(StudyDesign(raters=raters or 50, **design))]
    sds = (options["sd_rater"], options["sd_item"])
    simulated = _simulated(plans[0], sds, simulate, seed, options["alpha"]) if simulate else None
    assumed = {"target": target, "pilot": str(pilot) if pilot else None, **options}
    return {
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


def plan_text(design: StudyDesign) -> str:
    """Return one design in words, as `study plan` prints it."""
    made = plan(design)
    people = made.raters if design.shared_raters else made.raters * design.conditions
    cost = "" if made.cost is None else f", {made.cost:,.2f} in all (in the currency of the pay)"
    points, gap = percent(made.half_width), f"{100 * made.difference:g}"
    return "\n".join(
        (
            f"{people} raters x {made.trials} trials of {made.items} images:"
            f" {made.judgments:,} judgments per condition, {made.per_item:.1f} per image",
            f"{100 * (1 - design.alpha):g} % interval at a fool rate of {100 * made.rate:g} %:"
            f" about ±{points} points (new raters and new images)",
            f"chance to tell it from 50 %: {percent(made.power_below_half, 0)} %",
            f"chance to find a difference of {gap} points between two conditions:"
            f" {percent(made.power_of_difference, 0)} %",
            f"{made.minutes:.0f} minutes per rater{cost}",
        )
    )
