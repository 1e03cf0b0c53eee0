"""What a study declared before its data: read from the study.json beside an exported judgments.csv.

A command's option that is left out takes the declared value, and then its default; one that differs
from what was declared is told, because it was chosen after the data could be seen.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from analysis.errors import TableError

STUDY = "study.json"
KEYS = {
    "estimand": "estimand",
    "alpha": "alpha",
    "margin": "equivalence_margin",
    "correction": "correction",
    "family": "family",
    "rules": "exclusions",
    "real": "real_condition",
}
DEFAULTS: dict[str, Any] = {
    "estimand": "population",
    "alpha": 0.05,
    "margin": 0.05,
    "correction": "holm",
    "family": (),
    "rules": {},
    "real": None,
}


def read_declared(file: Path) -> dict[str, Any]:
    """Return option -> declared value from the study.json in the file's folder; empty without one.

    Raises
    ------
    TableError
        There is a study.json that is not one.
    """
    folder = file if file.is_dir() else file.parent
    path = folder / STUDY
    if not path.is_file():
        return {}
    try:
        study = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TableError(f"{path}: not JSON ({error})") from None
    if not isinstance(study, dict):
        raise TableError(f"{path}: holds {type(study).__name__}, expected an object")
    return {ours: study[theirs] for ours, theirs in KEYS.items() if study.get(theirs) is not None}


def settled(file: Path, options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the options with declared values and defaults filled in, and what to tell."""
    declared = read_declared(file)
    out, notes = dict(options), []
    for name in KEYS.keys() & options.keys():
        given = options[name]
        if given in (None, (), {}):
            out[name] = declared.get(name, DEFAULTS[name])
        elif name in declared and _plain(declared[name]) != _plain(given):
            notes.append(f"note: study.json declares {name} {declared[name]}, here it is {given}")
    out |= {name: tuple(out[name]) for name in ("family",) if name in out}
    return out, sorted(notes)


def _plain(value: Any) -> Any:
    """Return a value in a form in which what was declared and what was given compare."""
    if isinstance(value, dict):
        return {name: float(each) for name, each in value.items()}
    return list(value) if isinstance(value, tuple | list) else value
