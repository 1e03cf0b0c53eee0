"""Making a study out of a study file and its run folders: stimuli, blocks, sides, codes.

All images are read and encoded first, which takes minutes for a large study. Then everything is
stored in one short transaction: a site that serves from the same database stores answers again
within the seconds that the bytes need to reach the disk.
"""

from __future__ import annotations

import json
import platform
import secrets
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import PIL
from sqlalchemy import insert, select
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
from study_server.studies.contests import beside, contest_of, mixes_of, sound_image
from study_server.studies.design import BlockPlan, DesignCell, Stream, plan_blocks
from study_server.studies.draws import Size, reasons_asked, windows
from study_server.studies.images import stimuli
from study_server.studies.images.run_folders import (
    CATCH,
    Pixels,
    Roles,
    Runs,
    draw_roles,
    open_runs,
    read_images,
    twins_among,
)
from study_server.studies.one_image import for_one_image
from study_server.trial_kinds import REAL, prompted


def create_study(
    database: Database,
    file: StudyFile,
    text: str,
    *,
    pad: bool = True,
    progress: Callable[[Iterable[str], int], Iterable[str]] = lambda items, _total: items,
    say: Callable[[Iterable[str]], None] = lambda _notes: None,
) -> Study:
    """Return a new study, in state draft, with everything it will show.

    One transaction: a study that cannot be made leaves nothing. `pad=False` is for the leak tests
    only; `say` is told what was left out of the folders or converted. Raises `StudyFileError` and
    `StimulusError`.
    """
    _check_codes(file)
    with database.reading() as db_session:
        _refuse_known(db_session, file)
    runs = open_runs(file)
    say(runs.notes)
    digests = runs.digests()
    say(twins_among(digests))
    digest = file.digest(digests)
    seed = str(file.design.seed) if file.design.seed is not None else secrets.token_hex(16)
    roles = draw_roles(file, runs.items, Stream(digest, seed, "roles"))
    plans = _plan(file, roles, (digest, seed))
    with tempfile.TemporaryFile() as spool:
        encoded = [
            _encode(
                spool, item, roles.of(item), read_images(item, file, runs, roles), file, pad=pad
            )
            for item in progress(runs.items, len(runs.items))
        ]
        with database.session() as db_session:
            _refuse_known(db_session, file)
            study = _add_study(db_session, file, text, seed=seed, digests=digests)
            conditions = _add_conditions(db_session, study, file, runs, digests)
            shown = _add_images(db_session, study, conditions, encoded, spool, prompts=runs.prompts)
            _add_blocks(db_session, study, file, plans, _Numbers(conditions, shown))
            _add_codes(db_session, study, file)
            audit(db_session, "command line", "create", study.id, digest=digest)
    return study


def _plan(file: StudyFile, roles: Roles, key: tuple[str, str]) -> list[BlockPlan]:
    trial = file.design.trial
    plans = plan_blocks(
        items=roles.main,
        practice=roles.practice,
        catch=roles.catch,
        mixes=mixes_of(file),
        tasks=file.study.tasks if trial == "real-or-model" else (trial,),
        raters=file.design.raters,
        trials=file.design.trials,
        key=key,
        showings=file.design.showings,
        pairs=trial == "preference",
    )
    if trial != "single":
        return plans
    return for_one_image(plans, file.design.real_side, Stream(*key, "one image"))


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
        title=file.study.name,
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
    named = {"reference": file.images.reference, "inputs": file.images.inputs}
    runs = {
        role: {"run": path, "run_digest": digests[role]} if path else None
        for role, path in named.items()
    }
    prompts = (
        {"file": file.images.prompts, "digest": digests["prompts"]}
        if prompted(file.images)
        else None
    )
    return json.dumps(
        {
            **runs,
            "prompts": prompts,
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
        over = "the reference" if file.images.reference else sound_image(file).removeprefix("=")
        mosaic = f"mosaic of {file.catch.mosaic} pixels over {over}"
        rows[CATCH] = Condition(
            role="catch",
            run_path=file.catch.run or "",
            run_digest=digests.get(CATCH, ""),
            generator=file.catch.run or mosaic,
        )
    if file.design.trial == "single" and runs.reference:
        rows[REAL] = Condition(
            role="judged",
            run_path=file.images.reference or "",
            run_digest=digests["reference"],
            generator="real photos",
        )
    for name, row in rows.items():
        row.study_id, row.name, row.code = study.id, name, secrets.token_hex(4)
        db_session.add(row)
    db_session.flush()
    return rows


@dataclass(frozen=True)
class _Encoded:
    """One item's images as they will be stored; the bytes are in the spool."""

    item: str
    role: str
    width: int
    height: int
    files: tuple[tuple[str, int, int], ...]  # name, offset, length


@dataclass(frozen=True)
class _Shown:
    """The numbers of the rows of items and stimuli."""

    item_ids: dict[str, int]
    stimulus_ids: dict[tuple[str, str], int]  # item, role or =condition
    sizes: dict[str, Size]


def _encode(
    spool: BinaryIO,
    item: str,
    role: str,
    pixels: dict[str, Pixels],
    file: StudyFile,
    *,
    pad: bool,
) -> _Encoded:
    """Write one item's images to the spool, encoded to equal size, and return what they are."""
    height, width, _ = next(iter(pixels.values())).shape
    files = []
    if file.images.view == "zoom":
        pixels = {name: stimuli.with_reductions(image) for name, image in pixels.items()}
    pngs = stimuli.encode_equal(list(pixels.values()), pad=pad)
    for name, png in zip(pixels, pngs, strict=True):
        files.append((name, spool.tell(), len(png)))
        spool.write(png)
    return _Encoded(item, role, width, height, tuple(files))


def _add_images(
    db_session: Session,
    study: Study,
    conditions: dict[str, Condition],
    encoded: list[_Encoded],
    spool: BinaryIO,
    *,
    prompts: Mapping[str, str],
) -> _Shown:
    items = [
        {
            "study_id": study.id,
            "name": each.item,
            "role": each.role,
            "prompt": prompts.get(each.item),
            "width": each.width,
            "height": each.height,
        }
        for each in encoded
    ]
    shown = _Shown(
        dict(zip((e.item for e in encoded), _added(db_session, Item, items), strict=True)),
        {},
        {each.item: (each.width, each.height) for each in encoded},
    )
    for each in encoded:
        item_id = shown.item_ids[each.item]
        rows = [
            _stimulus(item_id, name, conditions) | {"png": _read(spool, offset, length)}
            for name, offset, length in each.files
        ]
        for (name, *_), number in zip(each.files, _added(db_session, Stimulus, rows), strict=True):
            shown.stimulus_ids[each.item, name] = number
    return shown


def _added(db_session: Session, model: type[Any], rows: list[dict[str, Any]]) -> list[int]:
    """Store rows and return their numbers in the same order."""
    statement = insert(model).returning(model.id, sort_by_parameter_order=True)
    return list(db_session.scalars(statement, rows))


def _read(spool: BinaryIO, offset: int, length: int) -> bytes:
    spool.seek(offset)
    return spool.read(length)


def _stimulus(item_id: int, name: str, conditions: dict[str, Condition]) -> dict[str, Any]:
    role = name if name in ("reference", "input") else "output"
    condition = conditions[name.removeprefix("=")].id if role == "output" else None
    return {"item_id": item_id, "condition_id": condition, "role": role}


@dataclass(frozen=True)
class _Numbers:
    """The rows that trials refer to: conditions by name, items and stimuli."""

    conditions: dict[str, Condition]
    shown: _Shown

    def condition(self, name: str | None) -> int | None:
        """Return a condition's number, None where no condition is named."""
        row = self.conditions.get(name) if name else None
        return row.id if row else None


def _add_blocks(
    db_session: Session, study: Study, file: StudyFile, plans: list[BlockPlan], numbers: _Numbers
) -> None:
    blocks = [
        {
            "study_id": study.id,
            "number": number,
            "task": plan.task,
            "condition_id": numbers.condition(plan.condition),
        }
        for number, plan in enumerate(plans)
    ]
    block_ids = _added(db_session, Block, blocks)
    for number, (block_id, plan) in enumerate(zip(block_ids, plans, strict=True)):
        showings: Counter[str] = Counter()
        window_in = windows(file, study.digest, study.seed, number)
        kinds = [cell.kind for cell in plan.trials]
        reasons = reasons_asked(file, study.digest, study.seed, number, kinds)
        trials = []
        for position, cell in enumerate(plan.trials):
            place: dict[str, Any] = {
                "block_id": block_id,
                "position": position,
                "showing": showings[cell.item],
                "reason": reasons[position],
            }
            place |= window_in(numbers.shown.sizes[cell.item])
            trials.append(place | _trial(cell, plan.task, file, numbers))
            showings[cell.item] += 1
        db_session.execute(insert(Trial), trials)


def _trial(cell: DesignCell, task: str, file: StudyFile, numbers: _Numbers) -> dict[str, Any]:
    contest = contest_of(file, cell)
    found = numbers.shown.stimulus_ids
    mine, others = (found[cell.item, name] for name in contest.images)
    left, right = (mine, others) if cell.side == "left" else (others, mine)
    return {
        "kind": cell.kind,
        "item_id": numbers.shown.item_ids[cell.item],
        "condition_id": numbers.condition(contest.condition),
        "other_id": numbers.condition(contest.other),
        "model_side": cell.side,
        "left_id": left,
        "right_id": right,
        "input_id": found.get((cell.item, beside(file, task) or "")),
    }


def _check_codes(file: StudyFile) -> None:
    strangers = [outcome for outcome in file.provider.codes if outcome not in OUTCOMES]
    if strangers:
        raise StudyFileError(
            f"provider.codes names {strangers[0]!r}, expected one of {', '.join(OUTCOMES)}"
        )


def _add_codes(db_session: Session, study: Study, file: StudyFile) -> None:
    for outcome in OUTCOMES:
        code = file.provider.codes.get(outcome) or new_code()
        db_session.add(OutcomeCode(study_id=study.id, outcome=outcome, code=code))
