"""An export in the shapes of others: a Psych-DS folder, and jsPsych's JSON."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from generators.files import write_atomically
from study_server.judgments import COLUMNS, as_meant
from study_server.study_record import STUDY, read_study_record

_JSPSYCH_KEYS = {"left": "f", "right": "j"}


def write_psych_ds(export: Path) -> Path:
    """Write a Psych-DS folder beside an export's files and return its path.

    One data file named by the standard's keyword pattern, and dataset_description.json with every
    variable measured (psych-DS 0.4: a schema.org Dataset).
    """
    sidecar = read_study_record(export / STUDY).model_dump(mode="json")
    folder = export / "psych-ds"
    name = f"study-{sidecar['study_id'].replace('-', '')}_data.csv"
    write_atomically(folder / "data" / name, (export / "judgments.csv").read_bytes())
    write_atomically(folder / "dataset_description.json", _json(_description(sidecar)).encode())
    return folder


def _description(sidecar: dict[str, Any]) -> dict[str, Any]:
    return {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": sidecar["title"],
        "description": "Two-alternative forced-choice judgments of images, one row a trial."
        + (" SIMULATED: these are not people's judgments." if sidecar["simulated"] else ""),
        "version": str(sidecar["version"]),
        "identifier": sidecar["study_digest"],
        "variableMeasured": [
            {"@type": "PropertyValue", "name": name, "description": meaning, "unitText": unit}
            for name, (_, unit, meaning) in COLUMNS.items()
        ],
    }


def write_jspsych(export: Path) -> Path:
    """Write jspsych.json: an array of trials with jsPsych's names for what it names too."""
    with (export / "judgments.csv").open(encoding="utf-8", newline="") as lines:
        rows = [
            {name: as_meant(cell) for name, cell in row.items()} for row in csv.DictReader(lines)
        ]
    trials = [_trial(row) for row in rows]
    path = export / "jspsych.json"
    write_atomically(path, _json(trials).encode())
    return path


def _trial(row: dict[str, str]) -> dict[str, Any]:
    return {
        "trial_type": "foolrate-2afc",
        "trial_index": int(row["position"]),
        "subject_id": row["rater_id"],
        "rt": float(row["rt_ms"]) if row["rt_ms"] else None,
        "response": _JSPSYCH_KEYS.get(row["choice"]),
        "correct": None if row["fooled"] == "" else row["fooled"] == "0",
        **{name: value for name, value in row.items() if name not in ("rt_ms", "rater_id")},
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
