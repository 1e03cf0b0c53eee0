"""The text prompt of every item: a CSV file with the columns ``id`` and ``prompt``."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from study_server.errors import StudyFileError

PROMPTS = "prompts.csv"  # in a folder that images.prompts names
COLUMNS = ("id", "prompt")
MOST = 2_000  # characters of a prompt


def read_prompts(named: str, items: Iterable[str]) -> dict[str, str]:
    """Return item -> prompt, of a CSV file or of the prompts.csv in a folder.

    Items that are in no run are left out. Raises `StudyFileError`, in one line, for a file that
    cannot be read, a prompt that is empty or there twice, and an item without one.
    """
    path = Path(named) / PROMPTS if Path(named).is_dir() else Path(named)
    found: dict[str, str] = {}
    for line, item, prompt in _rows(path):
        if not item or not prompt or len(prompt) > MOST:
            what = "id is empty" if not item else f"the prompt has {len(prompt)} characters"
            raise _refusal(path, f"line {line}: {what}, expected 1 to {MOST}")
        if item in found:
            raise _refusal(path, f"line {line}: {item!r} is there twice")
        found[item] = prompt
    missing = [item for item in items if item not in found]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        raise _refusal(path, f"lacks a prompt for {len(missing)} items: {shown}")
    return {item: found[item] for item in items}


def _rows(path: Path) -> list[tuple[int, str, str]]:
    """Return (line, id, prompt) of every row that is not empty."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines, strict=True)
            missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                names = ", ".join(table.fieldnames or ()) or "nothing"
                raise _refusal(path, f"no column {missing[0]!r}, found {names}")
            return [
                (table.line_num, (row["id"] or "").strip(), (row["prompt"] or "").strip())
                for row in table
            ]
    except OSError as error:
        raise _refusal(path, f"cannot be read ({error.strerror}), expected a CSV file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise _refusal(path, f"is not a CSV file in UTF-8 ({error})") from None


def _refusal(path: Path, what: str) -> StudyFileError:
    return StudyFileError(f"images.prompts ({path}): {what}")


def digest_of(prompts: Mapping[str, str]) -> str:
    """Return the sha256 of the prompts, whatever their order in the file."""
    text = json.dumps(dict(prompts), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
