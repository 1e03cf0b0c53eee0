"""Writing a preregistration: the same content as text for people and as JSON for the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from generators.files import utc_now, write_atomically
from study_server.config import StudyFile
from study_server.errors import StudyError
from study_server.preregistration import (
    PREREGISTRATION,
    Preregistration,
    content_of,
    content_sha256,
    to_json,
)
from study_server.publication.preregistration_text import preregistration_text


def preregister(
    file: StudyFile,
    folder: Path,
    *,
    hypotheses: Sequence[str],
    items: int | None,
    reason: Callable[[int], str],
) -> list[Path]:
    """Write preregistration.md and .json and return their paths.

    `items` is how many images each condition has, None where the folders are not there yet;
    `reason` says for that number why the sample is large enough. Raises `StudyError` for a folder
    that holds a preregistration, which is never written over.
    """
    target = folder / PREREGISTRATION
    if target.exists():
        raise StudyError(f"{target}: is there already, expected a folder without one")
    content = content_of(file)
    registered = Preregistration(
        written_at=utc_now(),
        hypotheses=tuple(hypotheses),
        items=items,
        content=content,
        content_sha256=content_sha256(content),
    )
    text = preregistration_text(registered, file, None if items is None else reason(items))
    write_atomically(folder / "preregistration.md", text.encode())
    write_atomically(target, to_json(registered).encode())
    return [folder / "preregistration.md", target]
