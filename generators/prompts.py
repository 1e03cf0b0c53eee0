"""The text prompt of every item: a CSV file with the columns ``id`` and ``prompt``.

A format module. A run says its prompts in its manifest; for a plain folder of images they stand in
a file `PROMPTS` in the folder or beside it.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from generators.errors import RunError
from generators.images.item_names import clean_id
from generators.images.listing import few
from generators.manifest import Run

PROMPTS = "prompts.csv"
COLUMNS = ("id", "prompt")
MOST = 2_000  # characters of a prompt


def read_prompts(path: Path) -> dict[str, str]:
    """Return item -> prompt, in the order of a CSV file in UTF-8, with or without a BOM.

    Raises `RunError`, in one line, for a file that cannot be read, a column that is missing, and an
    id or prompt that is empty, too long or there twice.
    """
    found: dict[str, str] = {}
    for line, item, prompt in _rows(path):
        if not item or not prompt or len(prompt) > MOST:
            what = "id is empty" if not item else f"the prompt has {len(prompt)} characters"
            raise RunError(f"{path}: line {line}: {what}, expected 1 to {MOST}")
        if item in found:
            raise RunError(f"{path}: line {line}: {item!r} is there twice")
        found[item] = prompt
    return found


def _rows(path: Path) -> list[tuple[int, str, str]]:
    """Return (line, id, prompt) of every row that is not empty."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines, strict=True)
            names = [name.strip() for name in table.fieldnames or ()]
            table.fieldnames = names
            missing = [name for name in COLUMNS if name not in names]
            if missing:
                found = ", ".join(names) or "nothing"
                raise RunError(
                    f"{path}: no column {missing[0]!r}, found {found}; expected a header"
                    f" with {' and '.join(COLUMNS)}"
                )
            return list(_numbered(table, path))
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}), expected a CSV file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path}: is not a CSV file in UTF-8 ({error})") from None


def _numbered(table: csv.DictReader[str], path: Path) -> Iterator[tuple[int, str, str]]:
    try:
        for row in table:
            yield table.line_num, *_cells(row)
    except csv.Error as error:
        line = table.reader.line_num
        raise RunError(f"{path}: line {line}: is not CSV ({error})") from None


def _cells(row: dict[str | None, str | None]) -> tuple[str, str]:
    item, prompt = ((row[name] or "").strip() for name in COLUMNS)
    item = clean_id(item)  # as the files' names become ids
    if None in row:  # more cells than the header has: a comma that is not in quotes
        raise csv.Error(
            f"the line of {item!r} has too many cells: put a prompt with a comma in quotes"
        )
    return item, prompt


def prompts_of(run: Run) -> dict[str, str]:
    """Return item -> prompt of a run, as far as it has some: an item without one is left out.

    Of its manifest, or of the `PROMPTS` in a plain folder, or beside it. Raises `RunError` as
    `read_prompts`.
    """
    if run.manifest is not None:
        own = {one.id: one.prompt for one in run.manifest.items if one.prompt is not None}
    else:
        path = prompt_file(run.folder)
        own = {} if path is None else read_prompts(path)
    mine = {item: run.own_ids.get(item, item) for item in run.files}
    # A file beside two folders names the items as one of them calls them.
    return {
        item: own[name if name in own else item]
        for item, name in mine.items()
        if name in own or item in own
    }


def prompt_file(folder: Path) -> Path | None:
    """Return the file of prompts in a plain folder, else the one beside it, None for neither."""
    places = (folder / PROMPTS, folder.absolute().parent / PROMPTS)
    return next((each for each in places if each.is_file()), None)


def of_no_image(runs: Iterable[Run]) -> dict[Path, list[str]]:
    """Return, of each file that plain folders take their prompts from, the ids without an image."""
    left: dict[Path, list[str]] = {}
    for run in runs:
        path = prompt_file(run.folder) if run.manifest is None else None
        if path is not None:
            mine = {*run.files, *run.own_ids.values()}
            ids = left[path] if path in left else list(read_prompts(path))
            left[path] = [name for name in ids if name not in mine]
    return left


def complete(
    prompts: Mapping[str, str], items: Iterable[str], source: str, others: Iterable[str] = ()
) -> dict[str, str]:
    """Return the prompts of these items. Raises `RunError` where an item has none.

    ``others`` are ids of the source that ``prompts`` no longer has.
    """
    wanted = dict.fromkeys(items)
    missing = [item for item in wanted if item not in prompts]
    if missing:
        strange = [*(item for item in prompts if item not in wanted), *others]
        has = f"; it has some for other ids: {few(strange)}" if strange else ""
        count = "1 item" if len(missing) == 1 else f"{len(missing)} items"
        raise RunError(f"{source}: lacks a prompt for {count}: {few(missing)}{has}")
    return {item: prompts[item] for item in wanted}


def digest_of(prompts: Mapping[str, str]) -> str:
    """Return the sha256 of the prompts, whatever their order in the file."""
    text = json.dumps(dict(prompts), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
