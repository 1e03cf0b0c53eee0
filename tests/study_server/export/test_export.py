"""What leaves the site: the contract's columns, nothing personal, and proof that it is whole."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from actors import Rater
from flask import Flask
from small_study import STUDY, app_of_its_own

from study_server.export.export import export_study
from study_server.export.other_formats import write_jspsych, write_psych_ds
from study_server.export.verify import verify_export
from study_server.judgments import COLUMNS, REQUIRED
from study_server.study_record import StudyRecord, read_study_record, study_json


def taken(app: Flask, folder: Path) -> Path:
    """Return the export of a study that one rater finished and another began."""
    Rater(app, query="?lang=en").begin().answer_all()
    Rater(app).begin().answer(None)
    export_study(app.extensions["foolrate"].database, "small", folder / "export")
    return folder / "export"


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, empty_sqlite: Path, images: Path) -> Path:
    """Return an export that nobody may change."""
    folder = tmp_path_factory.mktemp("exported")
    app = app_of_its_own(folder, empty_sqlite, STUDY.format(folder=images))
    taken(app, folder)
    app.extensions["foolrate"].database.dispose()
    return folder / "export"


@pytest.fixture
def exported(once: Path, tmp_path: Path) -> Path:
    """Return an export of the test's own."""
    return Path(shutil.copytree(once, tmp_path / "export"))


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "judgments.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def sidecar(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "study.json").read_text())


def test_the_columns_are_those_of_the_contract(exported: Path) -> None:
    found = rows(exported)
    assert list(found[0]) == list(COLUMNS)
    assert set(REQUIRED) <= set(found[0])
    assert len(found) == 8
    assert {row["condition"] for row in found} == {"blurred", "noisy", "catch"}


def test_the_record_of_the_study_says_everything_but_what_two_images_never_have(
    exported: Path,
) -> None:
    record = read_study_record(exported / "study.json")
    assert record.model_fields_set == set(StudyRecord.model_fields) - {"real_condition"}
    assert study_json(record) == (exported / "study.json").read_text()


def test_skips_are_empty_and_unfinished_sessions_are_marked(exported: Path) -> None:
    finished, begun = (
        [row for row in rows(exported) if row["rater_id"] == rater] for rater in ("r0001", "r0002")
    )
    assert {row["excluded"] for row in finished} == {"0"}
    assert [(row["fooled"], row["excluded"], row["exclusion"]) for row in begun] == [
        ("", "1", "incomplete")
    ]


def test_fooled_agrees_with_side_and_choice(exported: Path) -> None:
    for row in rows(exported):
        if row["choice"]:
            assert int(row["fooled"]) == (row["choice"] == row["model_side"])


def test_the_sidecar_holds_what_the_report_needs(exported: Path) -> None:
    found = sidecar(exported)
    assert found["study_id"] == "small"
    assert found["simulated"] is False
    assert set(found["conditions"]) == {"blurred", "noisy"}
    assert found["conditions"]["noisy"]["run_digest"]
    assert found["reference"]["run_digest"] != found["inputs"]["run_digest"]
    assert (found["estimand"], found["alpha"], found["equivalence_margin"]) == (
        "population",
        0.05,
        0.05,
    )
    assert found["family"] == ["blurred", "noisy"]


def test_an_export_verifies_and_two_exports_are_alike(
    app: Flask, tmp_path: Path, once: Path
) -> None:
    exported = taken(app, tmp_path)
    assert verify_export(exported) == []
    same = ("kind", "position", "choice", "excluded", "exclusion", "simulated", "language")
    one, other = ([[row[name] for name in same] for row in rows(each)] for each in (exported, once))
    assert one == other  # whichever database it is
    again = exported.parent / "again"
    export_study(app.extensions["foolrate"].database, "small", again)
    for name in ("judgments.csv", "chain.jsonl", "sessions.csv", "codebook.csv"):
        assert (again / name).read_bytes() == (exported / name).read_bytes()


@pytest.mark.parametrize("change", ["value", "removed", "last", "rater"])
def test_any_tampering_shows(exported: Path, change: str) -> None:
    assert verify_export(exported) == []
    path = exported / "chain.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    if change == "value":
        lines[2] = lines[2].replace('"choice": "left"', '"choice": "right"')
    elif change == "removed":
        del lines[3]
    elif change == "last":
        del lines[6]
    else:
        lines = lines[:7]
    found = sidecar(exported)
    if change == "rater":
        del found["chain"]["r0002"]
    del found["files"]["chain.jsonl"]  # somebody careful would also mend the file's digest
    path.write_text("".join(lines))
    (exported / "study.json").write_text(json.dumps(found))
    assert verify_export(exported)


@pytest.mark.slow
def test_withdrawn_raters_are_accounted_for(app: Flask, tmp_path: Path) -> None:
    first, second = Rater(app).begin(), Rater(app).begin()
    first.answer_all()
    second.answer()
    first.form(f"/r/{first.token}/withdraw", confirm="yes")
    export_study(app.extensions["foolrate"].database, "small", tmp_path)
    assert sidecar(tmp_path)["withdrawn"] == [1]
    assert {row["rater_id"] for row in rows(tmp_path)} == {"r0002"}
    assert verify_export(tmp_path) == []


def test_other_shapes(exported: Path) -> None:
    folder = write_psych_ds(exported)
    described = json.loads((folder / "dataset_description.json").read_text())
    names = {variable["name"] for variable in described["variableMeasured"]}
    (data,) = (folder / "data").glob("*_data.csv")
    assert names == set(csv.DictReader(data.read_text().splitlines()).fieldnames or ())
    trials = json.loads(write_jspsych(exported).read_text())
    assert len(trials) == 8
    assert {"rt", "response", "trial_index", "trial_type", "correct"} <= set(trials[0])


def test_a_line_break_in_a_quoted_cell_does_not_end_a_jspsych_trial(exported: Path) -> None:
    path = exported / "judgments.csv"
    with path.open(newline="") as stream:
        table = list(csv.DictReader(stream))
    for row in table:
        row["item_id"] = "two\nlines\u2028and a third"
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    trials = json.loads(write_jspsych(exported).read_text())
    assert [trial["item_id"] for trial in trials] == [row["item_id"] for row in table]


def test_every_column_is_in_the_formats_page_or_the_codebook(exported: Path) -> None:
    with (exported / "codebook.csv").open(newline="") as stream:
        described = {row["column"]: row["meaning"] for row in csv.DictReader(stream)}
    assert list(described) == list(COLUMNS)
    assert all(described.values())
