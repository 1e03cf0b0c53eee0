"""Making a study out of a study file and its run folders: stimuli, blocks, sides, codes."""

from __future__ import annotations

import json
import platform
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from generators.errors import GeneratorError
from generators.manifest import Run, open_run
from generators.pixels import read_image
from study_server import stimuli
from study_server.clock import now_ms
from study_server.config import StudyFile
from study_server.database import Database
from study_server.design import Cell, Plan, Stream, plan_blocks
from study_server.errors import StimulusError, StudyFileError
from study_server.events import audit
from study_server.identity import new_code
from study_server.models import (
    OUTCOMES,
    Block,
    Condition,
    Item,
    OutcomeCode,
    Stimulus,
    Study,
    Trial,
)

CATCH = "catch"  # the name of the catch trials' condition
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Runs:
    """The opened run folders of a study file, and the items that all of them have."""

    reference: Run
    conditions: dict[str, Run]
    inputs: Run | None
    catch: Run | None
    items: tuple[str, ...]

    def digests(self) -> dict[str, str]:
        """Return role or condition -> digest of its run."""
        named = {f"condition:{name}": run for name, run in self.conditions.items()}
        named |= {"reference": self.reference}
        named |= {"inputs": self.inputs} if self.inputs else {}
        named |= {CATCH: self.catch} if self.catch else {}
        return {name: run.digest() for name, run in named.items()}


@dataclass(frozen=True)
class Roles:
    """Which items are judged, which are practised on and which are shown in catch trials."""

    main: tuple[str, ...]
    practice: tuple[str, ...]
    catch: tuple[str, ...]


def open_runs(file: StudyFile) -> Runs:
    """Open every run of a study file. Raises `StudyFileError` where one lacks an item.

    The items are those of the conditions; each needs its reference (and input). A reference run may
    hold more.
    """
    conditions = {name: _open(path, f"conditions.{name}") for name, path in file.conditions.items()}
    reference = _open(file.images.reference, "images.reference")
    inputs = _open(file.images.inputs, "images.inputs") if file.images.inputs else None
    catch = _open(file.catch.run, "catch.run") if file.catch.run and file.catch.trials else None
    items = tuple(next(iter(conditions.values())).files)
    for name, run in conditions.items():
        _require_items(items, run, f"conditions.{name}")
        _require_items(tuple(run.files), next(iter(conditions.values())), "the first condition")
    _require_items(items, reference, "images.reference")
    if inputs:
        _require_items(items, inputs, "images.inputs")
    return Runs(reference, conditions, inputs, catch, items)


def _open(path: str, key: str) -> Run:
    try:
        return open_run(Path(path))
    except GeneratorError as error:
        raise StudyFileError(f"{key}: {error}") from None


def _require_items(items: Iterable[str], run: Run, key: str) -> None:
    missing = [item for item in items if item not in run.files]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        raise StudyFileError(
            f"{key} ({run.folder}): lacks {len(missing)} items: {shown};"
            " every condition needs the same items, each with its reference"
        )


def draw_roles(file: StudyFile, items: tuple[str, ...], stream: Stream) -> Roles:
    """Return who is practised on, who is a catch item, and the rest. Raises `StudyFileError`."""
    catch_count = file.catch.trials
    named = [*file.practice.items, *file.catch.items]
    strangers = [item for item in named if item not in items]
    if strangers:
        raise StudyFileError(f"practice and catch items: {strangers[0]!r} is in no run")
    if len(set(named)) < len(named):
        raise StudyFileError("practice and catch items: one is named twice, expected each once")
    spare = [item for item in stream.shuffled(items) if item not in named]
    practice = [*file.practice.items, *spare][: file.practice.trials]
    spare = [item for item in spare if item not in practice]
    catch = [*file.catch.items, *spare][:catch_count]
    main = tuple(item for item in items if item not in practice and item not in catch)
    if file.design.trials > len(main):
        raise StudyFileError(
            f"design.trials is {file.design.trials}, expected at most {len(main)}: {len(items)} items"
            f" less {len(practice)} for practice and {len(catch)} for catch trials"
        )
    return Roles(main, tuple(practice), tuple(catch))


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
        study = _add_study(db_session, file, text, digest, seed, _provenance(file, runs, digests))
        conditions = _add_conditions(db_session, study, file, runs, digests)
        shown = _Shown(db_session, study, file, runs, conditions, roles, pad)
        for item in progress(runs.items, len(runs.items)):
            shown.add(item)
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
            f" holds version {known[-1]} of {file.study.id!r}, and a study is frozen once it is made"
        )


def _add_study(
    db_session: Session, file: StudyFile, text: str, digest: str, seed: str, provenance: str
) -> Study:
    study = Study(
        slug=file.study.id,
        version=file.study.version,
        title=file.study.title,
        state="draft",
        file_text=text,
        digest=digest,
        seed=seed,
        provenance=provenance,
        sessions_started=0,
        payment_salt=secrets.token_hex(16) if file.provider.keep_ids_for_payment else None,
        created_at=now_ms(),
    )
    db_session.add(study)
    db_session.flush()
    return study


def _provenance(file: StudyFile, runs: Runs, digests: dict[str, str]) -> str:
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

    def __init__(
        self,
        db_session: Session,
        study: Study,
        file: StudyFile,
        runs: Runs,
        conditions: dict[str, Condition],
        roles: Roles,
        pad: bool,
    ) -> None:
        self._db_session, self._study, self._file, self._runs = db_session, study, file, runs
        self._conditions, self._roles, self._pad = conditions, roles, pad
        self.item_ids: dict[str, int] = {}
        self.stimulus_ids: dict[tuple[str, str], int] = {}  # item, role or condition

    def add(self, item: str) -> None:
        """Read one item's images, encode them to equal size, and store them."""
        pixels = self._pixels(item)
        self._require_equal(item, pixels)
        height, width, _ = pixels["reference"].shape
        row = Item(
            study_id=self._study.id, name=item, role=self._role(item), width=width, height=height
        )
        self._db_session.add(row)
        self._db_session.flush()
        self.item_ids[item] = row.id
        files = stimuli.encode_equal(list(pixels.values()), pad=self._pad)
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

    def _pixels(self, item: str) -> dict[str, Pixels]:
        # Conditions carry a "=" so that none can be mistaken for the reference or the input.
        runs = self._runs
        found = {"reference": _read(runs.reference, item)}
        if item in self._roles.catch:
            catch = runs.catch
            found[f"={CATCH}"] = (
                _read(catch, item)
                if catch
                else stimuli.mosaic(found["reference"], self._file.catch.mosaic)
            )
        else:
            found |= {f"={name}": _read(run, item) for name, run in runs.conditions.items()}
        size = self._file.images.show_at
        if size:
            found = {
                name: stimuli.resample(image, size, "lanczos") for name, image in found.items()
            }
        if runs.inputs:
            height, width, _ = found["reference"].shape
            kernel = self._file.images.inputs_kernel
            found["input"] = stimuli.resample(_read(runs.inputs, item), (width, height), kernel)
        return found

    def _require_equal(self, item: str, pixels: dict[str, Pixels]) -> None:
        height, width, _ = pixels["reference"].shape
        for name, image in pixels.items():
            if image.shape != (height, width, 3):
                raise StimulusError(
                    f"item {item!r}: {name.removeprefix('=')} is {image.shape[1]}x{image.shape[0]},"
                    f" expected the reference's {width}x{height} (or set images.show_at)"
                )

    def _role(self, item: str) -> str:
        if item in self._roles.practice:
            return "practice"
        return "catch" if item in self._roles.catch else "main"


def _read(run: Run, item: str) -> Pixels:
    if item not in run.files:
        raise StudyFileError(f"{run.folder}: lacks the item {item!r}")
    try:
        return read_image(run.files[item])
    except GeneratorError as error:
        raise StimulusError(str(error)) from None


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
