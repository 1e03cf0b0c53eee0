"""Making a study out of a study file and its run folders: stimuli, blocks, sides, codes."""

from __future__ import annotations

import json
import platform
import secrets
from collections.abc import Callable, Iterable

import numpy as np
import PIL
from sqlalchemy import select
from sqlalchemy.orm import Session

from study_server.config import StudyFile
from study_server.errors import StudyFileError
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.events import audit
from study_server.storage.identity import new_code
from study_server.storage.models import (
    OUTCOMES,
    Block,
    Condition,
    Item,
    OutcomeCode,
    Stimulus,
    Study,
    Trial,
)
from study_server.studies import stimuli
from study_server.studies.design import Cell, Plan, Stream, plan_blocks
from study_server.studies.run_folders import (
    CATCH,
    Pixels,
    Roles,
    Runs,
    draw_roles,
    open_runs,
    read_images,
)


def create_study(
    database: Database,
    file: StudyFile,
    text: str,
    *,
    pad: bool = True,
    progress: Callable[[Iterable[str], int], Iterable[str]] = lambda items, _total: items,
) -> Study:
    """Return a new study, in state draft, with everything it will show.

    One transaction: a study that cannot be made leaves nothing. `pad=False` is for the leak tests
    only. Raises `StudyFileError` and `StimulusError`.
    """
    runs = open_runs(file)
    digests = runs.digests()
    digest = file.digest(digests)
    seed = str(file.design.seed) if file.design.seed is not None else secrets.token_hex(16)
    roles = draw_roles(file, runs.items, Stream(digest, seed, "roles"))
    plans = _plan(file, roles, (digest, seed))
    with database.session() as db_session:
        _refuse_known(db_session, file)
        study = _add_study(db_session, file, text, seed=seed, digests=digests)
        conditions = _add_conditions(db_session, study, file, runs, digests)
        shown = _Shown(db_session, study, conditions)
        for item in progress(runs.items, len(runs.items)):
            images = read_images(item, file, runs, roles)
            shown.add(item, roles.of(item), images, pad=pad)
        _add_blocks(db_session, study, plans, conditions, shown)
        _add_codes(db_session, study, file)
        audit(db_session, "command line", "create", study.id, digest=digest)
    return study


def _plan(file: StudyFile, roles: Roles, key: tuple[str, str]) -> list[Plan]:
    return plan_blocks(
        items=roles.main,
        practice=roles.practice,
        catch=roles.catch,
        conditions=list(file.conditions),
        tasks=file.study.tasks,
        raters=file.design.raters,
        trials=file.design.trials,
        within=file.design.kind == "within-raters",
        key=key,
    )


def _refuse_known(db_session: Session, file: StudyFile) -> None:
    versions = select(Study.version).where(Study.slug == file.study.id).order_by(Study.version)
    known = list(db_session.scalars(versions))
    if known and file.study.version <= known[-1]:
        raise StudyFileError(
            f"study.version is {file.study.version}, expected {known[-1] + 1} or more: the database"
            f" holds version {known[-1]} of {file.study.id!r}; a study is frozen once it is made"
        )


def _add_study(
    db_session: Session, file: StudyFile, text: str, *, seed: str, digests: dict[str, str]
) -> Study:
    study = Study(
        slug=file.study.id,
        version=file.study.version,
        title=file.study.title,
        state="draft",
        file_text=text,
        digest=file.digest(digests),
        seed=seed,
        provenance=_provenance(file, digests),
        sessions_started=0,
        payment_salt=secrets.token_hex(16) if file.provider.keep_ids_for_payment else None,
        created_at=now_ms(),
    )
    db_session.add(study)
    db_session.flush()
    return study


def _provenance(file: StudyFile, digests: dict[str, str]) -> str:
    inputs = None
    if file.images.inputs:
        inputs = {"run": file.images.inputs, "run_digest": digests["inputs"]}
    return json.dumps(
        {
            "reference": {"run": file.images.reference, "run_digest": digests["reference"]},
            "inputs": inputs,
            "versions": {
                "python": platform.python_version(),
                "pillow": PIL.__version__,
                "numpy": np.__version__,
            },
        },
        sort_keys=True,
    )


def _add_conditions(
    db_session: Session, study: Study, file: StudyFile, runs: Runs, digests: dict[str, str]
) -> dict[str, Condition]:
    rows = {
        name: Condition(
            role="judged",
            run_path=file.conditions[name],
            run_digest=digests[f"condition:{name}"],
            generator=run.manifest.generator if run.manifest else "a plain folder of images",
        )
        for name, run in runs.conditions.items()
    }
    if file.catch.trials:
        mosaic = f"mosaic of {file.catch.mosaic} pixels over the reference"
        rows[CATCH] = Condition(
            role="catch",
            run_path=file.catch.run or "",
            run_digest=digests.get(CATCH, ""),
            generator=file.catch.run or mosaic,
        )
    for name, row in rows.items():
        row.study_id, row.name, row.code = study.id, name, secrets.token_hex(4)
        db_session.add(row)
    db_session.flush()
    return rows


class _Shown:
    """Adds items and their stimuli, and knows the rows' numbers afterwards."""

    def __init__(self, db_session: Session, study: Study, conditions: dict[str, Condition]) -> None:
        self._db_session, self._study, self._conditions = db_session, study, conditions
        self.item_ids: dict[str, int] = {}
        self.stimulus_ids: dict[tuple[str, str], int] = {}  # item, role or =condition

    def add(self, item: str, role: str, pixels: dict[str, Pixels], *, pad: bool) -> None:
        """Encode one item's images to equal size, and store them."""
        height, width, _ = pixels["reference"].shape
        row = Item(study_id=self._study.id, name=item, role=role, width=width, height=height)
        self._db_session.add(row)
        self._db_session.flush()
        self.item_ids[item] = row.id
        files = stimuli.encode_equal(list(pixels.values()), pad=pad)
        stored = [
            self._stimulus(row.id, name, png) for name, png in zip(pixels, files, strict=True)
        ]
        self._db_session.add_all(stored)
        self._db_session.flush()
        for name, stimulus in zip(pixels, stored, strict=True):
            self.stimulus_ids[item, name] = stimulus.id
            self._db_session.expunge(stimulus)  # the bytes need not stay in memory

    def _stimulus(self, item_id: int, name: str, png: bytes) -> Stimulus:
        role = name if name in ("reference", "input") else "output"
        condition = self._conditions[name.removeprefix("=")].id if role == "output" else None
        return Stimulus(item_id=item_id, condition_id=condition, role=role, png=png)


def _add_blocks(
    db_session: Session,
    study: Study,
    plans: list[Plan],
    conditions: dict[str, Condition],
    shown: _Shown,
) -> None:
    for number, plan in enumerate(plans):
        block = Block(
            study_id=study.id,
            number=number,
            task=plan.task,
            condition_id=conditions[plan.condition].id if plan.condition else None,
        )
        db_session.add(block)
        db_session.flush()
        db_session.add_all(
            _trial(block, position, cell, conditions, shown)
            for position, cell in enumerate(plan.trials)
        )


def _trial(
    block: Block, position: int, cell: Cell, conditions: dict[str, Condition], shown: _Shown
) -> Trial:
    name = CATCH if cell.kind == "catch" else cell.condition
    real = shown.stimulus_ids[cell.item, "reference"]
    model = shown.stimulus_ids[cell.item, f"={name}"]
    left, right = (model, real) if cell.side == "left" else (real, model)
    return Trial(
        block_id=block.id,
        position=position,
        kind=cell.kind,
        item_id=shown.item_ids[cell.item],
        condition_id=conditions[name].id,
        model_side=cell.side,
        left_id=left,
        right_id=right,
        input_id=shown.stimulus_ids.get((cell.item, "input")) if block.task == "task1" else None,
    )


def _add_codes(db_session: Session, study: Study, file: StudyFile) -> None:
    strangers = [outcome for outcome in file.provider.codes if outcome not in OUTCOMES]
    if strangers:
        raise StudyFileError(
            f"provider.codes names {strangers[0]!r}, expected one of {', '.join(OUTCOMES)}"
        )
    for outcome in OUTCOMES:
        code = file.provider.codes.get(outcome) or new_code()
        db_session.add(OutcomeCode(study_id=study.id, outcome=outcome, code=code))
