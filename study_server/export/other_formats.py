"""An export in the shapes of others: a Psych-DS folder, and jsPsych's JSON."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from generators.files import write_atomically
from generators.foreign_text import as_meant
from study_server import comparisons
from study_server.judgments import COLUMNS, DETECTION_COLUMNS
from study_server.study_record import STUDY, read_study_record

_JSPSYCH_KEYS = {"left": "f", "right": "j", "tie": "n", "bad": "b"}
_TRIALS = {"comparisons": "preference", "detections": "single", "judgments": "2afc"}
_WHAT = {
    "comparisons": "Comparisons of two models' images, one row an answer.",
    "detections": "Answers about single images, real photos or models' outputs, one row a trial.",
    "judgments": "Two-alternative forced-choice judgments of images, one row a trial.",
}
_COLUMNS = {
    "comparisons": comparisons.COLUMNS,
    "detections": DETECTION_COLUMNS,
    "judgments": COLUMNS,
}


def write_psych_ds(export: Path) -> Path:
    """Write a Psych-DS folder beside an export's files and return its path.

    One data file named by the standard's keyword pattern, and dataset_description.json with every
    variable measured (psych-DS 0.4: a schema.org Dataset).
    """
    sidecar = read_study_record(export / STUDY).model_dump(mode="json")
    folder = export / "psych-ds"
    name = f"study-{sidecar['study_id'].replace('-', '')}_data.csv"
    table = table_of(export)
    write_atomically(folder / "data" / name, table.read_bytes())
    described = _json(_description(sidecar, table.stem)).encode()
    write_atomically(folder / "dataset_description.json", described)
    return folder


def table_of(export: Path) -> Path:
    """Return the file of an export with what was judged, whatever its trials showed."""
    named = [export / f"{name}.csv" for name in _TRIALS]
    return next((path for path in named if path.is_file()), named[-1])


def _description(sidecar: dict[str, Any], table: str) -> dict[str, Any]:
    return {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": sidecar["title"],
        "description": _WHAT[table]
        + (" SIMULATED: these are not people's judgments." if sidecar["simulated"] else ""),
        "version": str(sidecar["version"]),
        "identifier": sidecar["study_digest"],
        "variableMeasured": [
            {"@type": "PropertyValue", "name": name, "description": meaning, "unitText": unit}
            for name, (_, unit, meaning) in _COLUMNS[table].items()
        ],
    }


def write_jspsych(export: Path) -> Path:
    """Write jspsych.json: an array of trials with jsPsych's names for what it names too."""
    table = table_of(export)
    with table.open(encoding="utf-8", newline="") as lines:
        rows = [
            {name: as_meant(cell) for name, cell in row.items()} for row in csv.DictReader(lines)
        ]
    trials = [_trial(row, table.stem) for row in rows]
    path = export / "jspsych.json"
    write_atomically(path, _json(trials).encode())
    return path


def _trial(row: dict[str, str], table: str) -> dict[str, Any]:
    answer = row[{"comparisons": "answer", "detections": "side"}.get(table, "choice")]
    judged: dict[str, Any] = {}
    if table == "judgments":
        judged = {"correct": None if row["fooled"] == "" else row["fooled"] == "0"}
    elif table == "detections":
        judged = {"correct": None if row["correct"] == "" else row["correct"] == "1"}
    return {
        "trial_type": f"foolrate-{_TRIALS[table]}",
        "trial_index": int(row["position"]),
        "subject_id": row["rater_id"],
        "rt": float(row["rt_ms"]) if row["rt_ms"] else None,
        "response": _JSPSYCH_KEYS.get(answer),
        **{name: value for name, value in row.items() if name not in ("rt_ms", "rater_id")},
        **judged,
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
