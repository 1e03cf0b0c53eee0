"""What a study's blocks hold: which trial stands where, and how often each pair is to be judged."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, case, func, select

from study_server.storage.models import Block, Item, Trial
from study_server.web.admin.dashboard.columns import read_columns

KINDS = ("main", "catch", "practice")
MAIN, CATCH, _ = range(len(KINDS))
_TRIAL = {
    "position": Trial.position,
    "kind": case({kind: code for code, kind in enumerate(KINDS)}, value=Trial.kind),
    "condition": Trial.condition_id,
    "other": func.coalesce(Trial.other_id, 0),
    "item": Trial.item_id,
    "side": case((Trial.model_side == "left", 1), else_=0),
}

Numbers = NDArray[np.int64]


class PlannedCell(NamedTuple):
    """How many judgments an item is to get under a condition, or a pair of them."""

    condition_id: int
    item: str
    planned: int
    other_id: int | None = None  # the model that the condition is held against


class Plan:
    """A study's trials; they never change."""

    def __init__(self, connection: Connection, study_id: int) -> None:
        """Read the plan of a study; `cells` are in order of conditions and items' names."""
        blocks = select(Block.id).where(Block.study_id == study_id)
        of_study = select().where(Trial.block_id.in_(blocks))
        trials = read_columns(connection, of_study, Trial.block_id, **_TRIAL)
        places = _place(trials["group"], trials["position"])
        order = np.argsort(places, kind="stable")
        self._places, self._kinds = places[order], trials["kind"][order]
        self._sides = trials["side"][order]
        self._cells = np.full(len(places), -1)
        shown = (trials["condition"] << 32 | trials["other"])[order]
        self.cells = self._number_cells(connection, study_id, shown, trials["item"][order])

    def _number_cells(
        self, connection: Connection, study_id: int, shown: Numbers, items: Numbers
    ) -> list[PlannedCell]:
        query = select(Item.id, Item.name).where(Item.study_id == study_id).order_by(Item.name)
        ids, names = zip(*connection.execute(query), strict=True)
        by_id, main = np.argsort(ids), self._kinds == MAIN
        named = by_id[np.searchsorted(ids, items[main], sorter=by_id)]
        kinds, of_trial = np.unique(shown[main], return_inverse=True)
        pairs = of_trial * len(names) + named
        counts = np.bincount(pairs)
        found = np.flatnonzero(counts)
        self._cells[main] = (np.cumsum(counts > 0) - 1)[pairs]
        return [
            self._cell(int(kinds[pair // len(names)]), names[pair % len(names)], int(counts[pair]))
            for pair in found.tolist()
        ]

    @staticmethod
    def _cell(shown: int, item: str, planned: int) -> PlannedCell:
        return PlannedCell(shown >> 32, item, planned, shown & 0xFFFFFFFF or None)

    def trials(self, blocks: Numbers, positions: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Return what trials are: their kinds, their places in `cells`, and the model's sides.

        Only main ones have a place, the others -1. 1: the model is on the left.
        """
        found = np.searchsorted(self._places, _place(blocks, positions))
        return self._kinds[found], self._cells[found], self._sides[found]


def _place(blocks: Numbers, positions: Numbers) -> Numbers:
    return blocks << 32 | positions
