"""Whether an export folder is as it was written, and its chain of judgments without a gap."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from generators.files import file_sha256
from generators.foreign_text import as_meant
from study_server.errors import StudyError
from study_server.export.rows import REASONS, rater_id
from study_server.storage.chain import CHAINED, CHAINED_AT_FIRST, GENESIS, chain_link, reason_digest
from study_server.study_record import STUDY, read_study_record


def verify_chain(rows: list[dict[str, Any]], raters: dict[str, dict[str, Any]]) -> list[str]:
    """Return one line for each break: a judgment changed, taken out, put in, or a rater missing.

    `rows` are the lines of chain.jsonl, `raters` the heads and counts in study.json.
    """
    problems = []
    heads: dict[int, str] = {}
    counts: dict[int, int] = {}
    for row in rows:
        number = row["rater"]
        if row["chain"] not in _links(heads.get(number, GENESIS), number, row):
            where = f"{rater_id(number)}, position {row['position']}"
            problems.append(f"{where}: the chain is broken, a judgment was changed or taken out")
        heads[number] = row["chain"]
        counts[number] = counts.get(number, 0) + 1
    for name, rater in raters.items():
        number = int(name[1:])
        if rater["head"] != heads.get(number, GENESIS) or rater["judgments"] != counts.get(
            number, 0
        ):
            found = counts.get(number, 0)
            problems.append(f"{name}: {found} judgments, expected {rater['judgments']}")
    return problems


def _links(before: str, number: int, row: dict[str, Any]) -> set[str]:
    """Return the links that the program of this version or the first could have stored."""
    row = dict.fromkeys(CHAINED) | row
    links = {chain_link(before, number, row)}
    if row["layout"] is None and row["views"] is None:
        links.add(chain_link(before, number, row, CHAINED_AT_FIRST))
    return links


def verify_reasons(rows: list[dict[str, Any]], reasons: list[dict[str, str]]) -> list[str]:
    """Return one line for each reason that is not the one that its judgment was stored with.

    `rows` are the lines of chain.jsonl. Where no reason is left, all were deleted (`study purge`).
    """
    held = {
        (rater_id(row["rater"]), row["position"]): row["reason"]
        for row in rows
        if row.get("reason") is not None
    }
    found = {(row["rater_id"], int(row["position"])): _digest(row) for row in reasons}
    changed = {at for at, digest in found.items() if held.get(at) != digest}
    missing = set(held) - set(found) if found else set()
    return [
        f"{rater}, position {position}: the reason {what}"
        for places, what in ((changed, "was changed"), (missing, "was taken out"))
        for rater, position in sorted(places)
    ]


def _digest(row: dict[str, str]) -> str:
    taken_ms = float(row["reason_ms"]) if row["reason_ms"] else None
    return reason_digest(row["reason"], taken_ms, row["nonce"])


def _reasons_in(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        table = csv.DictReader(lines)
        return [{name: as_meant(cell) for name, cell in row.items()} for row in table]


def verify_export(folder: Path) -> list[str]:
    """Return one line for each way in which an export folder is not as it was written."""
    try:
        return _differences(folder)
    except OSError as error:
        return [f"{error.filename or folder}: cannot be read ({error.strerror})"]
    except (StudyError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        return [f"{folder}: study.json or chain.jsonl is not as it was written ({what})"]


def _differences(folder: Path) -> list[str]:
    record = read_study_record(folder / STUDY)
    if not record.files:
        raise ValueError("names no files")
    problems = [
        f"{folder / name}: changed since it was exported"
        for name, digest in record.files.items()
        if not (folder / name).is_file() or file_sha256(folder / name) != digest
    ]
    lines = (folder / "chain.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    problems += verify_chain(rows, record.chain)
    problems += verify_reasons(rows, _reasons_in(folder / REASONS))
    numbers = {int(name[1:]) for name in record.chain} | set(record.withdrawn)
    missing = sorted(set(range(1, (record.sessions_started or 0) + 1)) - numbers)
    return problems + [f"{rater_id(number)}: no trace of this rater" for number in missing]
