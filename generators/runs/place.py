"""Where a run may be written: beside what it is made from, in no other run, where writing works."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from generators.errors import RunError, WriteError
from generators.manifest import JOURNAL, MANIFEST, read_manifest


def refuse_place(folder: Path, sources: Iterable[Path]) -> None:
    """Refuse a place to write a run to that would change what it is made from, or another run.

    `sources` are files and folders that are read. Raises `RunError`, and `WriteError` where nothing
    can be written.
    """
    _refuse_broken_links(folder)
    place = folder.resolve()
    for source in sources:
        if source.is_dir() and place.is_relative_to(source.resolve()):
            raise RunError(
                f"{folder}: lies inside {source}, which is read; expected a place outside"
            )
    for above in place.parents:
        if (above / JOURNAL).exists() or _is_run(above):
            raise RunError(f"{folder}: lies inside the run {above}, expected a place outside of it")
    refuse_other_content(folder)
    _refuse_unwritable(folder)


def refuse_other_content(folder: Path) -> None:
    """Refuse a place to write a run to that holds anything but a run. Raises `RunError`."""
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: is a file, expected a folder to write the run into")
    begun = (folder / JOURNAL).exists() or (folder / MANIFEST).exists()
    if folder.exists() and not begun and any(folder.iterdir()):
        raise RunError(f"{folder}: is not empty and no run, expected an empty folder")


def _refuse_broken_links(folder: Path) -> None:
    for part in (folder, *folder.parents):
        if part.is_symlink() and not part.exists():
            raise RunError(
                f"{folder}: {part} is a link to {part.readlink()}, which is not there; expected a "
                "folder to write the run into"
            )


def _refuse_unwritable(folder: Path) -> None:
    """Raise `WriteError` unless files can be written there; the nearest folder that is there says.

    Nothing is left behind: it is tried with a file without a name.
    """
    there = next(part for part in (folder, *folder.absolute().parents) if part.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise WriteError(str(folder), error.strerror) from None


def _is_run(folder: Path) -> bool:
    if not (folder / MANIFEST).is_file():
        return False
    try:
        read_manifest(folder)
    except RunError:
        return False  # other programs have files of this name, too
    return True
