"""A study's frozen parts as the site needs them on every request, kept in each worker's memory.

Nothing here changes once a study is created, so every worker may keep its own copy.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

from sqlalchemy import bindparam, select

from study_server.config import Images, StudyFile, parse_study_file
from study_server.sessions.answering.tokens import INPUT, LEFT, RIGHT, TRIAL, Tokens
from study_server.storage.database import Database
from study_server.storage.models import Block, Condition, Item, Study, Trial
from study_server.studies.images.viewing import levels
from study_server.trial_kinds import OTHER_SIDE, REAL

_KEPT_BLOCKS = 4096
AHEAD = 3  # trials told to the browser: the current one and two more

_TRIALS = (
    select(
        Trial.kind,
        Trial.model_side,
        Trial.left_id,
        Trial.right_id,
        Trial.input_id,
        Item.width,
        Item.height,
        Block.task,
        Item.prompt,
        Trial.window_x,
        Trial.window_y,
        Condition.name == REAL,
        Trial.reason,
    )
    .join(Condition, Condition.id == Trial.condition_id)
    .join(Item, Item.id == Trial.item_id)
    .join(Block, Block.id == Trial.block_id)
    .where(Trial.block_id == bindparam("block"))
    .order_by(Trial.position)
)
_STUDY = select(Study.slug, Study.file_text).where(Study.id == bindparam("study"))


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial of a block. `kind` and `model_side` are the truth and never leave the server."""

    kind: str
    model_side: str
    left_id: int
    right_id: int
    input_id: int | None
    width: int
    height: int
    task: str
    prompt: str | None
    window_x: int | None
    window_y: int | None
    shows_photo: bool  # of one image: whether it is the real one
    reason: bool  # is asked for

    def viewed(self, images: Images) -> dict[str, Any]:
        """Return which part of the images is shown, and where the file has them reduced."""
        window = images.window and {
            "x": self.window_x,
            "y": self.window_y,
            "width": images.window[0],
            "height": images.window[1],
        }
        zoom = images.view == "zoom"
        return {"window": window, "levels": levels(self.width, self.height) if zoom else None}

    @property
    def phase(self) -> str:
        """Return what the browser is told of the kind: a catch trial is a main trial."""
        return "practice" if self.kind == "practice" else "main"


@dataclass(frozen=True, slots=True)
class BlockOfTrials:
    """A block's trials in order."""

    trials: tuple[TrialRow, ...]
    practice: int

    @property
    def longest_prompt(self) -> str | None:
        """Return the prompt that needs the most room, None where there are none."""
        return max((row.prompt for row in self.trials if row.prompt), key=len, default=None)

    @property
    def task(self) -> str:
        """Return the task of the block."""
        return self.trials[0].task

    @property
    def real_side(self) -> str | None:
        """Return where the answer "real" stands, None where a trial shows two images."""
        first = self.trials[0]
        if first.task != "single":
            return None
        return OTHER_SIDE[first.model_side] if first.shows_photo else first.model_side

    def phase(self, position: int) -> str:
        """Return practice, main or done."""
        if position >= len(self.trials):
            return "done"
        return self.trials[position].phase

    def progress(self, position: int) -> dict[str, int]:
        """Return how far the phase at hand has come."""
        if position < self.practice:
            return {"done": position, "total": self.practice}
        return {"done": position - self.practice, "total": len(self.trials) - self.practice}


class TrialBook:
    """Looks up study files and blocks, keeping the ones in use."""

    def __init__(self, database: Database, tokens: Tokens) -> None:
        """Start empty."""
        self._database, self._tokens = database, tokens
        self._blocks: OrderedDict[int, BlockOfTrials] = OrderedDict()
        self._files: dict[int, StudyFile] = {}
        self._lock = Lock()

    def file(self, study_id: int) -> StudyFile:
        """Return a study's frozen file."""
        if study_id not in self._files:
            with self._database.read() as connection:
                slug, text = connection.execute(_STUDY, {"study": study_id}).one()
            self._files[study_id] = parse_study_file(text, slug, stored=True)
        return self._files[study_id]

    def block(self, block_id: int) -> BlockOfTrials:
        """Return a block's trials."""
        with self._lock:
            if block_id in self._blocks:
                self._blocks.move_to_end(block_id)
                return self._blocks[block_id]
        with self._database.read() as connection:
            rows = connection.execute(_TRIALS, {"block": block_id}).all()
        trials = tuple(TrialRow(*tuple(row)) for row in rows)
        block = BlockOfTrials(trials, sum(row.kind == "practice" for row in trials))
        with self._lock:
            self._blocks[block_id] = block
            if len(self._blocks) > _KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        return block

    def ahead(
        self, session_id: int, block: BlockOfTrials, position: int, file: StudyFile
    ) -> list[dict[str, Any]]:
        """Return what the browser is told of the current trial and the next two.

        Nothing in it depends on the truth: tokens are made from numbers and look random.
        """
        shown = range(position, min(position + AHEAD, len(block.trials)))
        return [self._describe(session_id, block, at, file) for at in shown]

    def _describe(
        self, session_id: int, block: BlockOfTrials, position: int, file: StudyFile
    ) -> dict[str, Any]:
        row, make = block.trials[position], self._tokens.make
        place, break_every = position - block.practice, file.design.break_every
        return {
            "trial": make(session_id, position, TRIAL),
            "position": position,
            "kind": row.phase,
            "left": "/i/" + make(session_id, position, LEFT, row.left_id),
            "right": "/i/" + make(session_id, position, RIGHT, row.right_id)
            if row.task != "single"
            else None,
            "input": "/i/" + make(session_id, position, INPUT, row.input_id)
            if row.input_id
            else None,
            "width": row.width,
            "height": row.height,
            "prompt": row.prompt,
            "reason": row.reason,
            **row.viewed(file.images),
            "break_before": bool(break_every and place > 0 and place % break_every == 0),
        }
