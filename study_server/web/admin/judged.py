"""A study's judgments as columns in memory: each is read once, and counted anew on every refresh.

Judgments are only ever added, one after another in a session, and go only with their session when
a rater withdraws. So what a worker has read of a session stays right as long as the session is
there, and a refresh reads what came since. Counting 100,000 rows takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from study_server.export.rater_rules import Facts, rater_facts
from study_server.storage.models import Block, Item, Judgment, RaterSession, Trial

ROW = np.dtype(
    [
        ("who", "i4"),  # the session's place in `Judged.places`
        ("position", "i4"),
        ("kind", "i1"),  # of KINDS
        ("cell", "i4"),  # of a main trial: its place in `Judged.cells`; else -1
        ("fooled", "i1"),  # -1: skipped
        ("left", "i1"),  # 1: the left image was picked; -1: skipped
        ("rt_ms", "f8"),  # nan: not measured
        ("hidden", "i4"),
        ("at", "i8"),
    ]
)
KINDS = ("main", "catch", "practice")
LATE_MS = 60_000  # an answer may be stored so much later than it was stamped
MANY = 20_000  # judgments to read at which it is quicker to look them up by session

_JUDGMENTS = (
    select(
        Judgment.session_id,
        Judgment.position,
        Trial.kind,
        Trial.condition_id,
        Trial.item_id,
        Judgment.fooled,
        Judgment.choice,
        Judgment.rt_ms,
        Judgment.hidden_count,
        Judgment.answered_at,
    )
    .join(RaterSession, RaterSession.id == Judgment.session_id)
    .join(Trial, (Trial.block_id == RaterSession.block_id) & (Trial.position == Judgment.position))
)


class Session(NamedTuple):
    """What counting needs to know of a rater's session."""

    id: int
    number: int
    created_at: int
    position: int
    outcome: str | None
    surplus: bool
    finished_at: int | None
    task: str | None
    holds: bool  # its block is still its own

    @property
    def key(self) -> tuple[int, int]:
        """Return what no other session ever has: SQLite uses a withdrawn one's number again."""
        return self.id, self.created_at


_SESSIONS = select(
    *(getattr(RaterSession, name) for name in Session._fields[:-2]),
    Block.task,
    func.coalesce(Block.session_id == RaterSession.id, False),
).outerjoin(Block, Block.id == RaterSession.block_id)


class PlannedCell(NamedTuple):
    """How many judgments an item is to get under a condition."""

    condition_id: int
    item: str
    planned: int


@dataclass
class Judged:
    """One study's sessions, and their judgments as rows of `ROW`."""

    study_id: int
    sessions: list[Session] = field(default_factory=list)
    rows: NDArray[Any] = field(default_factory=lambda: np.empty(0, ROW))
    cells: list[PlannedCell] = field(default_factory=list)
    places: dict[tuple[int, int], int] = field(default_factory=dict)
    facts: dict[tuple[int, int], Facts] = field(default_factory=dict)  # of who has finished
    _read: dict[tuple[int, int], int] = field(default_factory=dict)  # up to which position
    _cell_of: dict[tuple[int, int], int] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)  # held from `refresh` until all is counted

    def refresh(self, connection: Connection) -> None:
        """Read what came since the last time, in one snapshot of the database."""
        if not self.cells:
            self._read_plan(connection)
        query = _SESSIONS.where(RaterSession.study_id == self.study_id)
        self.sessions = [Session._make(row) for row in connection.execute(query)]
        self._forget_the_gone()
        for each in self.sessions:
            self.places.setdefault(each.key, len(self.places))
        self._read_new(connection)

    def recent_facts(self, connection: Connection, recent: Iterable[int]) -> dict[int, Facts]:
        """Return number -> what the use rules look at, of those of these numbers that finished."""
        wanted = set(recent)
        done = [s for s in self.sessions if s.outcome == "completed" and s.number in wanted]
        new = [each for each in done if each.key not in self.facts]
        if new:
            found = rater_facts(connection, RaterSession.id.in_([each.id for each in new]))
            self.facts.update({s.key: found[s.number] for s in new if s.number in found})
        return {s.number: self.facts[s.key] for s in done if s.key in self.facts}

    def _read_plan(self, connection: Connection) -> None:
        query = (
            select(Trial.condition_id, Item.name, func.count(), Item.id)
            .join(Block, Block.id == Trial.block_id)
            .join(Item, Item.id == Trial.item_id)
            .where(Block.study_id == self.study_id, Trial.kind == "main")
            .group_by(Trial.condition_id, Item.name, Item.id)
            .order_by(Trial.condition_id, Item.name)
        )
        for condition_id, name, planned, item_id in connection.execute(query):
            self._cell_of[condition_id, item_id] = len(self.cells)
            self.cells.append(PlannedCell(condition_id, name, planned))

    def _forget_the_gone(self) -> None:
        read = self._read
        present = {each.key for each in self.sessions if each.position >= read.get(each.key, 0)}
        gone = [place for key, place in self.places.items() if key not in present]
        if not gone:
            return
        for kept in (self.places, self.facts, self._read):
            for key in [key for key in kept if key not in present]:
                del kept[key]
        # Places are given anew, so that they stay dense.
        order = {place: new for new, place in enumerate(sorted(self.places.values()))}
        self.places = {key: order[place] for key, place in self.places.items()}
        self.rows = self.rows[~np.isin(self.rows["who"], gone)]
        self.rows["who"] = [order[place] for place in self.rows["who"].tolist()]

    def _read_new(self, connection: Connection) -> None:
        behind = {each.id: each for each in self.sessions if not self._complete(each)}
        count = sum(each.position - self._read.get(each.key, 0) for each in behind.values())
        if 0 < count < MANY and len(self.rows):
            since = int(self.rows["at"].max()) - LATE_MS
            query = _JUDGMENTS.where(
                RaterSession.study_id == self.study_id, Judgment.answered_at >= since
            )
            self._add(connection.execute(query).all(), behind)
        left = [each.id for each in behind.values() if not self._complete(each)]
        for start in range(0, len(left), 500):
            query = _JUDGMENTS.where(Judgment.session_id.in_(left[start : start + 500]))
            self._add(connection.execute(query).all(), behind)
        for each in behind.values():
            self._read[each.key] = each.position

    def _complete(self, session: Session) -> bool:
        return self._read.get(session.key, 0) == session.position

    def _add(self, found: Sequence[Any], behind: dict[int, Session]) -> None:
        new = []
        for row in sorted(found, key=lambda row: row.position):
            session = behind.get(row.session_id)
            # Only what follows on: a gap is left to be looked up by session.
            if session is not None and row.position == self._read.get(session.key, 0):
                self._read[session.key] = row.position + 1
                new.append(self._row(session, row))
        if new:
            self.rows = np.concatenate([self.rows, np.array(new, ROW)])

    def _row(self, session: Session, row: Any) -> tuple[Any, ...]:
        main = row.kind == "main"
        return (
            self.places[session.key],
            row.position,
            KINDS.index(row.kind),
            self._cell_of[row.condition_id, row.item_id] if main else -1,
            -1 if row.fooled is None else row.fooled,
            -1 if row.choice is None else row.choice == "left",
            np.nan if row.rt_ms is None else row.rt_ms,
            row.hidden_count or 0,
            row.answered_at,
        )
