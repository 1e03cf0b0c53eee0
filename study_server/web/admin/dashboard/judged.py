"""A study's judgments as columns in memory: each is read once, and counted anew on every refresh.

Judgments are only ever added, one after another in a session, and go only with their session when
a rater withdraws. So what a worker has read of a session stays right as long as the session is
there, and a refresh reads what came since. Counting 100,000 rows takes milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    case,
    cast,
    func,
    literal,
    select,
    type_coerce,
)

from study_server.config import StudyFile
from study_server.export.rater_rules import Facts
from study_server.storage.models import Block, Judgment, RaterSession
from study_server.trial_kinds import Question
from study_server.web.admin.dashboard.columns import Columns, rank_in_group, read_columns
from study_server.web.admin.dashboard.planned import Plan, PlannedCell

ROW = np.dtype(
    [
        ("who", "i4"),  # the session's place in `Judged.places`
        ("position", "i4"),
        ("kind", "i1"),  # of `planned.KINDS`
        ("cell", "i4"),  # of a main trial: its place in `Judged.cells`; else -1
        ("fooled", "i1"),  # 1: the condition's image was picked; -1: skipped, or neither
        ("left", "i1"),  # 1: the left image was picked; -1: skipped; 2: neither
        ("side", "i1"),  # 1: the condition's image is on the left
        ("later", "i8"),  # `BITS` for each later question, the first lowest: its code, 0 for none
        ("rt_ms", "f8"),  # nan: not measured
        ("hidden", "i4"),
        ("at", "i8"),
    ]
)
LATE_MS = 60_000  # an answer may be stored so much later than it was stamped
MANY = 20_000  # judgments to read at which it is quicker to look them up by session

NEITHER = 2
LATER = {"left": 1, "right": 2, "tie": 3, "bad": 3}  # 0: skipped; a scale's steps count from 1
BITS = 3
_JUDGED = {
    "position": Judgment.position,
    "fooled": func.coalesce(Judgment.fooled, -1),
    "left": case(
        (Judgment.choice == "left", 1),
        (Judgment.choice == "right", 0),
        (Judgment.answers.is_not(None), NEITHER),
        else_=-1,
    ),
    # No browser's clock is finer than this.
    "rt_us": func.coalesce(cast(func.round(Judgment.rt_ms * 1000), BigInteger), -1),
    "hidden": func.coalesce(Judgment.hidden_count, 0),
    "at": Judgment.answered_at,
}


class Session(NamedTuple):
    """What counting needs to know of a rater's session."""

    id: int
    number: int
    created_at: int
    position: int
    block_id: int | None
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


def _given(connection: Connection, questions: tuple[Question, ...]) -> ColumnElement[int]:
    """Return what was answered to these questions, as the column `later` of a row."""
    as_json = type_coerce if connection.dialect.name == "sqlite" else cast
    answers = as_json(Judgment.answers, JSON)
    codes: list[ColumnElement[int]] = [
        case(_codes(each), value=answers[(each.id, "choice")].as_string(), else_=0)
        * (1 << BITS * place)
        for place, each in enumerate(questions)
    ]
    return sum(codes, start=literal(0, BigInteger))


def _codes(question: Question) -> dict[str, int]:
    """Return answer -> its code in the column `later`."""
    steps = {option.value: step for step, option in enumerate(question.options, start=1)}
    return steps or LATER


@dataclass
class Judged:
    """One study's sessions, and their judgments as rows of `ROW`."""

    study_id: int
    later: tuple[Question, ...] = ()  # the questions after the first
    sessions: list[Session] = field(default_factory=list)
    rows: NDArray[Any] = field(default_factory=lambda: np.empty(0, ROW))
    places: dict[tuple[int, int], int] = field(default_factory=dict)
    facts: dict[tuple[int, int], Facts] = field(default_factory=dict)  # of who has finished
    _plan: Plan | None = None
    _read: dict[tuple[int, int], int] = field(default_factory=dict)  # up to which position
    lock: Lock = field(default_factory=Lock)  # held from `refresh` until all is counted

    @property
    def cells(self) -> list[PlannedCell]:
        """Return what is planned, once `refresh` has read it."""
        return self._plan.cells if self._plan else []

    def refresh(self, connection: Connection) -> None:
        """Read what came since the last time, in one snapshot of the database."""
        self._plan = self._plan or Plan(connection, self.study_id)
        query = _SESSIONS.where(RaterSession.study_id == self.study_id)
        self.sessions = [Session._make(row) for row in connection.execute(query)]
        self._forget_the_gone()
        for each in self.sessions:
            self.places.setdefault(each.key, len(self.places))
        self._read_new(connection, self._plan)

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

    def _read_new(self, connection: Connection, plan: Plan) -> None:
        behind = [each for each in self.sessions if not self._complete(each)]
        count = sum(each.position - self._read.get(each.key, 0) for each in behind)
        if 0 < count < MANY and len(self.rows):
            since = int(self.rows["at"].max()) - LATE_MS
            recent = select().select_from(Judgment).join(RaterSession)
            recent = recent.where(RaterSession.study_id == self.study_id)
            self._add(connection, plan, behind, recent.where(Judgment.answered_at >= since))
            behind = [each for each in behind if not self._complete(each)]
        for start in range(0, len(behind), 500):
            some = behind[start : start + 500]
            theirs = Judgment.session_id.in_([each.id for each in some])
            self._add(connection, plan, some, select().where(theirs))
            self._read.update({each.key: each.position for each in some})

    def _complete(self, session: Session) -> bool:
        return self._read.get(session.key, 0) == session.position

    def _add(
        self, connection: Connection, plan: Plan, behind: list[Session], query: Select[Any]
    ) -> None:
        """Add what a query finds of these sessions' judgments and has not been read."""
        wanted = _JUDGED | {"later": _given(connection, self.later)}
        found = read_columns(connection, query, Judgment.session_id, **wanted)
        behind = sorted(behind, key=lambda each: each.id)
        ids = np.array([each.id for each in behind])
        read = np.array([self._read.get(each.key, 0) for each in behind])
        index = np.searchsorted(ids, found["group"]).clip(max=len(ids) - 1)
        order = np.argsort(index << 32 | found["position"], kind="stable")
        order = order[(ids[index] == found["group"])[order]]
        order = order[found["position"][order] >= read[index[order]]]
        # Only what follows on: a gap is left to be looked up by session.
        follows = found["position"][order] == read[index[order]] + rank_in_group(index[order])
        order = order[follows]
        new = {name: column[order] for name, column in found.items()}
        self._append(plan, behind, index[order], new)
        for each, more in zip(behind, np.bincount(index[order], minlength=len(ids)), strict=True):
            self._read[each.key] = self._read.get(each.key, 0) + int(more)

    def _append(
        self, plan: Plan, behind: list[Session], index: NDArray[np.int64], new: Columns
    ) -> None:
        rows = np.empty(len(index), ROW)
        rows["who"] = np.array([self.places[each.key] for each in behind])[index]
        blocks = np.array([each.block_id or 0 for each in behind])[index]
        rows["kind"], rows["cell"], rows["side"] = plan.trials(blocks, new["position"])
        for name in ("position", "fooled", "left", "later", "hidden", "at"):
            rows[name] = new[name]
        rows["rt_ms"] = np.where(new["rt_us"] < 0, np.nan, new["rt_us"] / 1000)
        self.rows = np.concatenate([self.rows, rows])


def judged_of(study_id: int, file: StudyFile) -> Judged:
    """Return a study's judgments, before any is read."""
    return Judged(study_id, file.questions[1:])
