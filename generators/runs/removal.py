"""Removing the run that a folder holds, so that it can be made anew. Only what runs write goes."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Collection, Iterator
from pathlib import Path

from pydantic import ValidationError

from generators.errors import RunError, WriteError
from generators.files import remove_made
from generators.images.listing import few
from generators.manifest import JOURNAL, MANIFEST, Item, read_manifest


def remove_run(folder: Path, planned: Collection[str] = ()) -> None:
    """Remove a finished or unfinished run's images, its journal and its manifest.

    `planned` are the files of the run to come: an unfinished run may have written some of them
    without saying so. Raises `RunError`, and removes nothing, where other files are in the folder,
    or while another process writes the run.
    """
    begun = (folder / JOURNAL).exists()
    if not begun and not (folder / MANIFEST).exists():
        return
    try:
        with (folder / JOURNAL).open("a+", encoding="utf-8") as journal:
            try:
                fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
                journal.seek(0)
                listed = [*_journalled(journal.read()), *_finished(folder)]
                ours = {item.file for item in listed} | set(planned if begun else ())
                _refuse_others(folder, ours)
            except BaseException:
                if not begun:  # it was made to be locked
                    (folder / JOURNAL).unlink()
                raise
            _remove(folder, ours)
    except BlockingIOError:
        raise RunError(f"{folder}: another process is writing this run") from None
    except OSError as error:
        raise WriteError(str(folder), error.strerror) from None


def _refuse_others(folder: Path, ours: set[str]) -> None:
    names = {path.relative_to(folder).as_posix() for path in _files(folder)}
    others = sorted(names - ours - {JOURNAL, MANIFEST})
    if others:
        raise RunError(
            f"{folder}: is left as it is, because no run wrote {few(others)}; expected only a run "
            "to begin anew"
        )


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if not path.match(".*.part") and (path.is_symlink() or not path.is_dir()):
            yield path


def _remove(folder: Path, ours: set[str]) -> None:
    paths = [folder / name for name in ours]
    remove_made((*paths, *folder.rglob(".*.part"), folder / MANIFEST), [])
    remove_made([folder / JOURNAL], sorted({path.parent for path in paths} - {folder}))


def _journalled(text: str) -> Iterator[Item]:
    for line in text.splitlines()[1:]:
        try:
            yield Item.model_validate(json.loads(line))
        except (ValidationError, json.JSONDecodeError):
            continue  # a line of seconds, or one that was torn


def _finished(folder: Path) -> tuple[Item, ...]:
    return read_manifest(folder).items if (folder / MANIFEST).exists() else ()
