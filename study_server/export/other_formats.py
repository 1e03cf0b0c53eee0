"""An export in the shapes of others: a Psych-DS folder, and jsPsych's JSON."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from generators.files import write_atomically
from generators.foreign_text import as_meant
from study_server import comparisons
from study_server.judgments import COLUMNS, DETECTION_COLUMNS, RATING_COLUMNS
from study_server.study_record import STUDY, read_study_record

_JSPSYCH_KEYS = {"left": "f", "right": "j", "tie": "n", "bad": "b"}
_TRIALS = {
    "judgments": "2afc",
    "detections": "single",
    "comparisons": "preference",
    "ratings": "rating",
}
_WHAT = {
    "comparisons": "Comparisons of two models' images, one row an answer.",
    "detections": "Answers about single images, real photos or models' outputs, one row a trial.",
    "ratings": "Ratings of single images, real photos or models' outputs, one row an answer.",
    "judgments": "Two-alternative forced-choice judgments of images, one row a trial.",
}
_COLUMNS = {
    "comparisons": comparisons.COLUMNS,
    "detections": DETECTION_COLUMNS,
    "ratings": RATING_COLUMNS,
    "judgments": COLUMNS,
}


def write_psych_ds(export: Path) -> Path:
    """Write a Psych-DS folder beside an export's files and return its path.

    A data file for each table, named by the standard's keyword pattern, and
    dataset_description.json with every variable measured (psych-DS 0.4: a schema.org Dataset).
    """
    sidecar = read_study_record(export / STUDY).model_dump(mode="json")
    folder = export / "psych-ds"
    study = f"study-{sidecar['study_id'].replace('-', '')}"
    tables = tables_of(export)
    for table in tables:
        which = "" if table == tables[0] else f"_table-{table.stem}"
        write_atomically(folder / "data" / f"{study}{which}_data.csv", table.read_bytes())
    described = _json(_description(sidecar, [table.stem for table in tables])).encode()
    write_atomically(folder / "dataset_description.json", described)
    return folder


def tables_of(export: Path) -> list[Path]:
    """Return the files of an export with what was judged; what else was asked comes second."""
    named = [export / f"{name}.csv" for name in _TRIALS]
    return [path for path in named if path.is_file()] or named[:1]


def _description(sidecar: dict[str, Any], tables: list[str]) -> dict[str, Any]:
    columns = {name: about for table in tables for name, about in _COLUMNS[table].items()}
    return {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": sidecar["title"],
        "description": " ".join(_WHAT[table] for table in tables)
        + (" SIMULATED: these are not people's judgments." if sidecar["simulated"] else ""),
        "version": str(sidecar["version"]),
        "identifier": sidecar["study_digest"],
        "variableMeasured": [
            {"@type": "PropertyValue", "name": name, "description": meaning, "unitText": unit}
            for name, (_, unit, meaning) in columns.items()
        ],
    }


def write_jspsych(export: Path) -> Path:
    """Write jspsych.json: an array of trials with jsPsych's names for what it names too."""
    tables = tables_of(export)
    trials = [_trial(row, table.stem) for table in tables for row in _rows(table)]
    path = export / "jspsych.json"
    write_atomically(path, _json(trials).encode())
    return path


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as lines:
        return [
            {name: as_meant(cell) for name, cell in row.items()} for row in csv.DictReader(lines)
        ]


def _trial(row: dict[str, str], table: str) -> dict[str, Any]:
    said = {"comparisons": "answer", "detections": "side", "ratings": "rating"}
    answer = row[said.get(table, "choice")]
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
        "response": (answer or None) if table == "ratings" else _JSPSYCH_KEYS.get(answer),
        **{name: value for name, value in row.items() if name not in ("rt_ms", "rater_id")},
        **judged,
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
