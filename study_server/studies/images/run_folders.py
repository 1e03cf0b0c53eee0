"""The run folders of a study: opening them, giving each item its role, reading its images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from generators.errors import GeneratorError
from generators.files import from_home
from generators.manifest import Run, open_run, refuse_unusable
from generators.pairing import IdRule, why_unpaired
from generators.pixels import read_image
from generators.prompts import digest_of
from study_server.config import StudyFile
from study_server.errors import StimulusError, StudyFileError
from study_server.studies.design import Stream
from study_server.studies.images import stimuli
from study_server.studies.images.prompts import prompts_in
from study_server.studies.images.viewing import misfit

CATCH = "catch"  # the name of the catch trials' condition
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Runs:
    """The opened run folders of a study file, and the items that all of them have."""

    reference: Run | None
    conditions: dict[str, Run]
    inputs: Run | None
    catch: Run | None
    items: tuple[str, ...]
    prompts: dict[str, str] = field(default_factory=dict)  # item -> prompt, of all items or none
    told: tuple[str, ...] = ()  # what to know of the prompts

    def digests(self) -> dict[str, str]:
        """Return role or condition -> digest of its run."""
        named = {f"condition:{name}": run for name, run in self.conditions.items()}
        named |= {"reference": self.reference} if self.reference else {}
        named |= {"inputs": self.inputs} if self.inputs else {}
        named |= {CATCH: self.catch} if self.catch else {}
        found = {name: run.digest() for name, run in named.items()}
        return found | ({"prompts": digest_of(self.prompts)} if self.prompts else {})

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what was left out of the folders, converted or renamed, by folder."""
        every = [self.reference, *self.conditions.values(), self.inputs, self.catch]
        runs = [run for run in every if run is not None]
        said = dict.fromkeys(f"{run.folder}: {note}" for run in runs for note in run.notes)
        return (*said, *self.told)


@dataclass(frozen=True)
class Roles:
    """Which items are judged, which are practised on and which are shown in catch trials."""

    main: tuple[str, ...]
    practice: tuple[str, ...]
    catch: tuple[str, ...]

    def of(self, item: str) -> str:
        """Return one item's role."""
        if item in self.practice:
            return "practice"
        return "catch" if item in self.catch else "main"


def open_runs(file: StudyFile) -> Runs:
    """Open every run of a study file. Raises `StudyFileError` where one lacks an item.

    The items are those of the conditions; each needs its reference (and input). A reference run may
    hold more. Where names differ by one pattern, items have the ids of the reference, or of the
    first condition in a study without photos.
    """
    images, ids = file.images, file.images.ids
    reference = _open(images.reference, "images.reference", ids) if images.reference else None
    name, path = next(iter(file.conditions.items()))
    named = reference or _open(path, f"conditions.{name}", ids)

    def beside(path: str, key: str) -> Run:
        return _open(path, key, ids).with_ids_of(named)

    conditions = {
        name: beside(path, f"conditions.{name}") for name, path in file.conditions.items()
    }
    inputs = beside(images.inputs, "images.inputs") if images.inputs else None
    catch = beside(file.catch.run, "catch.run") if file.catch.run and file.catch.trials else None
    items = tuple(next(iter(conditions.values())).files)
    for name, run in conditions.items():
        _require_items(items, run, f"conditions.{name}")
        _require_items(tuple(run.files), next(iter(conditions.values())), "the first condition")
    if reference:
        _require_items(items, reference, "images.reference")
    if inputs:
        _require_items(items, inputs, "images.inputs")
    return Runs(
        _sound(reference, items) if reference else None,
        {name: _sound(run, items) for name, run in conditions.items()},
        _sound(inputs, items) if inputs else None,
        _sound(catch, items) if catch else None,
        items,
        *prompts_in(file, _by_key(conditions, reference), items),
    )


def twins_among(digests: dict[str, str]) -> tuple[str, ...]:
    """Return a note for each two conditions with the same images; `digests` as `Runs.digests`."""
    named = [key for key in digests if key.startswith("condition:")]
    return tuple(
        f"conditions.{a.partition(':')[2]} and conditions.{b.partition(':')[2]} hold the same"
        " images: nobody can tell them apart"
        for a, b in combinations(named, 2)
        if digests[a] == digests[b]
    )


def _by_key(conditions: dict[str, Run], reference: Run | None) -> dict[str, Run]:
    """Return the runs that may say prompts, by the key that names each in the study file."""
    named = {f"conditions.{name}": run for name, run in conditions.items()}
    return named | ({"images.reference": reference} if reference else {})


def _open(path: str, key: str, ids: IdRule) -> Run:
    try:
        return open_run(Path(from_home(path)), ids)
    except GeneratorError as error:
        raise StudyFileError(f"{key}: {error}") from None


def _sound(run: Run, items: tuple[str, ...]) -> Run:
    """Return the run with notes on its colours. Raises `StimulusError` for files that are unfit."""
    try:
        notes = refuse_unusable(run, [item for item in items if item in run.files])
    except GeneratorError as error:
        raise StimulusError(str(error)) from None
    return run.model_copy(update={"notes": run.notes + notes})


def _require_items(items: Iterable[str], run: Run, key: str) -> None:
    missing = [item for item in items if item not in run.files]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        pairs = any(item in run.files for item in items)
        sides = "" if pairs else f" (none pairs: {why_unpaired(list(items), list(run.files))})"
        raise StudyFileError(
            f"{key} ({run.folder}): lacks {len(missing)} items: {shown}{sides};"
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
    showings = file.design.showings
    if file.design.trials > showings * len(main):
        often = f", each {showings} times" if showings > 1 else ""
        raise StudyFileError(
            f"design.trials is {file.design.trials}, expected at most {showings * len(main)}:"
            f" {len(items)} items"
            f" less {len(practice)} for practice and {len(catch)} for catch trials{often}"
        )
    return Roles(main, tuple(practice), tuple(catch))


def read_images(item: str, file: StudyFile, runs: Runs, roles: Roles) -> dict[str, Pixels]:
    """Return an item's images as they will be shown, all of one size, by role or "=condition".

    Conditions carry a "=" so that none can be mistaken for the reference or the input. The
    conditions' images of a catch item are read and not shown: which items are drawn for catch
    trials must not decide whether a broken run is noticed. Raises `StimulusError` for images that
    cannot be read, differ in size or do not fit the file's view.
    """
    judged = {f"={name}": _read(run, item) for name, run in runs.conditions.items()}
    photo = {"reference": _read(runs.reference, item)} if runs.reference else {}
    found = photo | judged
    if item in roles.catch:
        if not file.images.show_at:
            _require_equal(item, found)
        found = _of_catch(item, file, runs, found)
    size = file.images.show_at
    if size:
        found = {name: stimuli.resample(image, size, "lanczos") for name, image in found.items()}
    if runs.inputs:
        height, width, _ = next(iter(found.values())).shape
        kernel = file.images.inputs_kernel
        found["input"] = stimuli.resample(_read(runs.inputs, item), (width, height), kernel)
    _require_equal(item, found)
    height, width, _ = next(iter(found.values())).shape
    why = misfit(file.images, width, height)
    if why is not None:
        first = next(iter(runs.conditions.values()))
        raise StimulusError(f"item {item!r} ({first.files[item]}) {why}")
    return found


def _of_catch(
    item: str, file: StudyFile, runs: Runs, found: dict[str, Pixels]
) -> dict[str, Pixels]:
    """Return a catch item's images: a sound one (the first of those found), and the bad one."""
    name, sound = next(iter(found.items()))
    bad = _read(runs.catch, item) if runs.catch else stimuli.mosaic(sound, file.catch.mosaic)
    return {name: sound, f"={CATCH}": bad}


def _require_equal(item: str, pixels: dict[str, Pixels]) -> None:
    first, of_first = next(iter(pixels.items()))
    height, width, _ = of_first.shape
    whose = "the reference's" if first == "reference" else f"as {first.removeprefix('=')},"
    for name, image in pixels.items():
        if image.shape != (height, width, 3):
            raise StimulusError(
                f"item {item!r}: {name.removeprefix('=')} is {image.shape[1]}x{image.shape[0]},"
                f" expected {whose} {width}x{height} (or set images.show_at)"
            )


def _read(run: Run, item: str) -> Pixels:
    if item not in run.files:
        raise StudyFileError(f"{run.folder}: lacks the item {item!r}")
    try:
        return read_image(run.files[item])
    except GeneratorError as error:
        raise StimulusError(str(error)) from None
