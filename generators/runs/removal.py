"""Removing the run that a folder holds, so that it can be made anew. Only what runs write goes."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from generators.errors import RunError, WriteError
from generators.manifest import JOURNAL, MANIFEST, Item, read_manifest


def remove_run(folder: Path) -> None:
    """Remove a finished or unfinished run's images, its journal and its manifest.

    Files that no run wrote stay. Raises `RunError` while another process writes the run.
    """
    if not any((folder / name).exists() for name in (JOURNAL, MANIFEST)):
        return
    try:
        with (folder / JOURNAL).open("a+", encoding="utf-8") as journal:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            journal.seek(0)
            for item in [*_journalled(journal.read()), *_finished(folder)]:
                (folder / item.file).unlink(missing_ok=True)
            for part in folder.rglob(".*.part"):
                part.unlink()
            (folder / MANIFEST).unlink(missing_ok=True)
            (folder / JOURNAL).unlink()
    except BlockingIOError:
        raise RunError(f"{folder}: another process is writing this run") from None
    except OSError as error:
        raise WriteError(str(folder), error.strerror) from None


def _journalled(text: str) -> Iterator[Item]:
    for line in text.splitlines()[1:]:
        try:
            yield Item.model_validate(json.loads(line))
        except (ValidationError, json.JSONDecodeError):
            continue  # a line of seconds, or one that was torn


def _finished(folder: Path) -> tuple[Item, ...]:
    return read_manifest(folder).items if (folder / MANIFEST).exists() else ()
