"""preregistration.json: what a study fixed before its data. A format module, read by analysis.

It holds the whole content of the study file, and the digest of that content, so that a change made
afterwards shows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from generators.errors import cause
from study_server.config import StudyFile
from study_server.errors import StudyError

PREREGISTRATION = "preregistration.json"


class Preregistration(BaseModel):
    """Everything in preregistration.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    written_at: str  # ISO 8601, UTC
    hypotheses: tuple[str, ...] = ()
    items: int | None = None  # images of each condition; None: the folders were not there yet
    content: dict[str, Any]  # the study file, every key, defaults written out
    content_sha256: str


def content_of(file: StudyFile) -> dict[str, Any]:
    """Return a study file's whole content, defaults written out."""
    return file.model_dump(mode="json")


def content_sha256(content: Mapping[str, Any]) -> str:
    """Return the digest of a study file's content."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def to_json(registered: Preregistration) -> str:
    """Return the text of preregistration.json."""
    fields = registered.model_dump(mode="json")
    return json.dumps(fields, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def read_preregistration(path: Path) -> Preregistration:
    """Return a preregistration. Raises `StudyError` for a file that is none, or was changed."""
    file = path / PREREGISTRATION if path.is_dir() else path
    try:
        registered = Preregistration.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{file}: no such file, expected a {PREREGISTRATION}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{file}: cannot be read ({cause(error)})") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise StudyError(f"{file}: {where or 'the file'}: {first['msg']}") from None
    if content_sha256(registered.content) != registered.content_sha256:
        raise StudyError(f"{file}: its content is not the one that it was written with")
    return registered


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of a study file's content: ``design.raters``, 50."""
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
