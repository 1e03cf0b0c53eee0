"""Trials of one image: where each answer stands, and practice that mixes photos and outputs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from study_server.studies.design import LEFT, RIGHT, BlockPlan, DesignCell, Stream
from study_server.trial_kinds import OTHER_SIDE, REAL, RealSide


def for_one_image(
    plans: Sequence[BlockPlan], real_side: RealSide, stream: Stream
) -> list[BlockPlan]:
    """Return the blocks with `side` as where the wrong answer of each trial stands.

    A rater has the answers in the same places all along. Where they are drawn, half of the raters
    of each condition have "real" on the left; of two who come one after the other, one has.
    """
    waiting: dict[str | None, list[str]] = defaultdict(list)
    made = []
    for plan in plans:
        drawn = waiting[plan.condition]
        if not drawn:
            drawn += stream.shuffled([LEFT, RIGHT])
        side = drawn.pop() if real_side == "drawn" else real_side
        cells = [replace(cell, side=_wrong(cell, side)) for cell in _mixed(plan.trials, stream)]
        made.append(replace(plan, trials=tuple(cells)))
    return made


def _wrong(cell: DesignCell, real_side: str) -> str:
    return real_side if cell.condition != REAL else OTHER_SIDE[real_side]


def _mixed(cells: Sequence[DesignCell], stream: Stream) -> list[DesignCell]:
    """Return the cells with the conditions of the practice trials in random order."""
    names = iter(stream.shuffled([cell.condition for cell in cells if cell.kind == "practice"]))
    return [
        replace(cell, condition=next(names)) if cell.kind == "practice" else cell for cell in cells
    ]
