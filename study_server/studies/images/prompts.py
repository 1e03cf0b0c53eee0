"""The text prompt of every item, as the study file names it: of the runs, or of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from generators.errors import GeneratorError
from generators.files import from_home
from generators.manifest import MANIFEST, Run, open_run
from generators.prompts import (
    PROMPTS,
    complete,
    of_no_image,
    prompt_file,
    prompts_of,
    read_prompts,
)
from study_server.config import StudyFile
from study_server.errors import StudyFileError


def prompts_in(
    file: StudyFile, runs: Mapping[str, Run], items: Sequence[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return item -> prompt, and what to tell; nothing for a study that shows none.

    ``images.prompts`` is a CSV file, a folder that holds one, or a run that says its prompts. With
    ``beside = "prompt"`` alone they are those of the study's runs, by the key that names each.
    Raises `StudyFileError`, in one line, for a file that cannot be read, an item without a prompt,
    and two runs that say different ones.
    """
    named = file.images.prompts
    if named is None and file.images.beside != "prompt":
        return {}, ()
    try:
        if named is None:
            source, found, left = _where(runs), _of_runs(runs), of_no_image(runs.values())
            others = [item for ids in left.values() for item in ids]
            told = (_read(source, items), *(_unknown(str(path), left[path]) for path in left))
            return complete(found, items, source, others), tuple(filter(None, told))
        source, found = _named(Path(from_home(named)))
        known = set(items)
        strange = [each for each in found if each not in known]
        told = (_read(source, items), _unknown(source, strange))
        return complete(found, items, source), tuple(filter(None, told))
    except GeneratorError as error:
        key = "images.beside is 'prompt'" if named is None else f"images.prompts ({named})"
        raise StudyFileError(f"{key}: {error}") from None


def _read(source: str, items: Sequence[str]) -> str:
    """Return where the prompts came from, for the person who would have named another file."""
    return f"the prompts of {len(items)} images come from {source}"


def _unknown(source: str, strange: Sequence[str]) -> str | None:
    """Return what to tell of prompts that are of no image: more prompts than images is no fault."""
    if not strange:
        return None
    verb = "is" if len(strange) == 1 else "are"
    which = ", ".join(strange[:5]) + (" and others" if strange[5:] else "")
    return f"{source}: {len(strange)} of its prompts {verb} of no image: {which}"


def _named(path: Path) -> tuple[str, dict[str, str]]:
    """Return where the prompts of a file, a folder or a run stand, and what they are."""
    if path.is_dir() and (path / MANIFEST).exists():
        return str(path / MANIFEST), prompts_of(open_run(path))
    if path.is_dir():
        path = prompt_file(path) or path / PROMPTS
    return str(path), read_prompts(path)


def _of_runs(runs: Mapping[str, Run]) -> dict[str, str]:
    found: dict[str, str] = {}
    said_by: dict[str, str] = {}
    for key, run in runs.items():
        for item, prompt in prompts_of(run).items():
            if found.setdefault(item, prompt) != prompt:
                first = said_by[item]
                raise StudyFileError(
                    f"{key}: its prompt of {item!r} is {prompt!r}, expected that of {first},"
                    f" {found[item]!r}"
                )
            said_by.setdefault(item, key)
    return found


def _where(runs: Mapping[str, Run]) -> str:
    """Return where the prompts of the runs were found, or were looked for."""
    places = dict.fromkeys(str(_place(run)) for run in runs.values())
    return ", ".join(places)


def _place(run: Run) -> Path | str:
    if run.manifest is not None:
        return run.folder / MANIFEST
    return prompt_file(run.folder) or f"{run.folder} (no {PROMPTS} in or beside it)"
