"""detections.csv, what raters said of single images: read as judgments that know their photos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import manage
from analysis.comparisons.real_or_fake import against_real
from analysis.errors import TableError
from analysis.judgments.study import declared_options, read_study
from analysis.judgments.table import read_judgments
from analysis.report.results.inputs.sources import read_source

HEAD = "rater_id,item_id,truth,model,answer,side\n"
ROWS = HEAD + "".join(
    f"r{rater},i{item},{truth},{model},{answer},left\n"
    for rater in range(12)
    for item, truth, model, answer in (
        ("0", "real", "", "real"),
        ("1", "real", "", "made" if rater % 3 == 0 else "real"),
        ("2", "made", "gan", "real" if rater % 2 else "made"),
        ("3", "made", "gan", ""),
        ("4", "made", "ours", "made" if rater < 3 else "real"),
        ("5", "made", "ours", "real"),
    )
)


def write(folder: Path, text: str, name: str = "detections.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("name", ["detections.csv", "renamed.csv"])
def test_errors_are_those_counted_by_hand(tmp_path: Path, name: str) -> None:
    """12 raters: photos called made 4 of 24; gan's called real 6 of 12; ours's 21 of 24."""
    file = write(tmp_path, ROWS, name)
    table = read_judgments(file)
    assert set(table["condition"]) == {"real", "gan", "ours"}
    assert declared_options(read_study(file)) == {"real": "real"}
    found = {each.condition: each for each in against_real(table, "real")}
    assert found["gan"].error_on_fakes.value == pytest.approx(6 / 12)
    assert found["ours"].error_on_fakes.value == pytest.approx(21 / 24)
    for each in found.values():
        assert each.error_on_reals.value == pytest.approx(4 / 24)
        mean = (each.error_on_fakes.value + 4 / 24) / 2
        assert each.human_error.value == pytest.approx(mean)


@pytest.mark.slow
def test_no_command_takes_it_for_fool_rates(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    out = tmp_path / "rates.json"
    assert manage.run(["analysis", "fool-rates", str(tmp_path), "--json", str(out)]) == 0
    payload = json.loads(out.read_text())
    assert payload["real"] == "real"
    assert {each["condition"] for each in payload["real_or_fake"]} == {"gan", "ours"}
    assert manage.run(["analysis", "compare", str(tmp_path), "--json", str(out)]) == 0
    payload = json.loads(out.read_text())
    assert [each["condition"] for each in payload["against_real"]] == ["gan", "ours"]
    assert "against_half" not in payload
    source = read_source(tmp_path)
    assert source.file.name == "detections.csv"
    assert source.study.real_condition == "real"
    assert set(source.table["condition"]) == {"real", "gan", "ours"}


def test_without_a_model_all_made_images_are_one(tmp_path: Path) -> None:
    file = write(tmp_path, "rater_id,item_id,truth,answer\nr1,a,made,real\nr1,b,real,real\n")
    assert list(read_judgments(file)["condition"]) == ["made", "real"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("r0,i0,real,,real", "r0,i0,fake,,real", "line 2: truth is 'fake', expected real or made"),
        ("r0,i0,real,,real", "r0,i0,real,,yes", "line 2: answer is 'yes', expected real or made"),
        ("r0,i2,made,gan", "r0,i2,made,real", "line 4: model is 'real'"),
        ("r0,i2,made,gan", "r0,i2,made,", "line 4: model is empty"),
        ("r0,i0,real,,real", "r0,i0,real,gan,real", "line 2: model names one, expected it empty"),
        ("rater_id,item_id", "rater_id,image", "no column 'item_id'"),
        ("r1,i0,real,,real", "r0,i0,real,,real", "judged item 'i0' in condition 'real' more than"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in ROWS
    with pytest.raises(TableError, match=words) as refusal:
        read_judgments(write(tmp_path, ROWS.replace(old, new, 1)))
    assert "\n" not in str(refusal.value)
