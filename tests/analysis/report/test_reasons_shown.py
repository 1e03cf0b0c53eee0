"""The report shows raters' reasons beside the images, escaped, and leaves them out where asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_preference_report import MODELS, write_export

from analysis.errors import AnalysisError
from analysis.report.build import write_report
from analysis.report.results.schema import read_results

HEAD = "rater_id,trial_id,kind,item_id,condition,against,model_side,answer,reason"
ROWS = (
    'r0002,t1,main,item-1,gan,sr3,left,realism=left beauty=tie,"<b>Sharper</b>, I am sure"',
    "r0003,t2,main,item-2,bicubic,gan,right,realism=left beauty=bad,'=1+1",
    "r0000,t3,main,item-2,bicubic,gan,right,realism=left beauty=bad,of one who failed a catch",
    "r0004,t4,practice,item-2,bicubic,gan,right,realism=left beauty=bad,of practice",
)


@pytest.mark.slow
def test_reasons_of_both_models_are_shown_and_can_be_left_out(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export")
    (export / "reasons.csv").write_text("\n".join([HEAD, *ROWS, ""]))
    runs = {name: export / name for name in MODELS}
    page = write_report(export, tmp_path / "with", runs=runs).read_text()
    assert "&lt;b&gt;Sharper&lt;/b&gt;, I am sure" in page
    assert "=1+1" in page
    assert "of one who" not in page
    assert "of practice" not in page
    found = {each.condition: each for each in read_results(tmp_path / "with/results.json").written}
    counts = {name: (each.picked, each.other) for name, each in found.items()}
    assert counts == {"bicubic": (0, 1), "gan": (2, 0), "sr3": (0, 1)}
    write_report(export, tmp_path / "without", runs=runs, reasons=False)
    for path in (tmp_path / "without").rglob("*.*"):
        assert b"Sharper" not in path.read_bytes(), path


@pytest.mark.slow
def test_a_table_without_its_columns_is_one_line(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export")
    (export / "reasons.csv").write_text("rater_id,reason\nr0002,why\n")
    with pytest.raises(AnalysisError, match=r"reasons.csv: has no column 'trial_id'"):
        write_report(export, tmp_path / "out")


@pytest.mark.slow
def test_reasons_about_single_images_stand_by_what_they_were_called(tmp_path: Path) -> None:
    rows = [
        f"r{rater},i{item},{truth},{model},{answer},left"
        for rater in range(6)
        for item, truth, model, answer in (
            (0, "real", "", "real"),
            (1, "real", "", "made"),
            (2, "made", "gan", "real"),
            (3, "made", "gan", "made"),
        )
    ]
    head = "rater_id,item_id,truth,model,answer,side"
    (tmp_path / "detections.csv").write_text("\n".join([head, *rows, ""]))
    written = (
        "r0,t1,main,i2,gan,,left,real,The light is right",
        "r1,t2,main,i3,gan,,left,made,Six fingers",
        "r1,t3,main,i0,real,,right,real,A camera's noise",
    )
    (tmp_path / "reasons.csv").write_text("\n".join([HEAD, *written, ""]))
    page = write_report(tmp_path, tmp_path / "out").read_text()
    found = {each.condition: each for each in read_results(tmp_path / "out/results.json").written}
    counts = {name: (each.picked, each.other, each.neither) for name, each in found.items()}
    assert counts["gan"] == (1, 1, 0)
    assert counts["real"] == (1, 0, 0)
    assert "Six fingers" in page
    assert "It was called real: 1 reason" in page
    assert "The other image was picked" not in page
