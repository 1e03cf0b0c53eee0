"""Anybody's tables become judgments.csv, and nothing is dropped silently."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis.errors import TableError
from analysis.judgments.import_judgments import (
    Rules,
    import_judgments,
    imported_text,
    write_imported,
)
from analysis.judgments.import_source import read_source
from analysis.judgments.table import read_judgments


def imported(path: Path, rules: Rules | None = None, **how):
    return import_judgments(read_source(path, **how), rules or Rules())


def written(tmp_path: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("name", "separator", "encoding"),
    [
        ("a.csv", ",", "utf-8"),
        ("a.csv", ";", "utf-8-sig"),
        ("a.tsv", "\t", "utf-16"),
        ("a.txt", "|", "cp1252"),
    ],
)
def test_separator_and_encoding_are_found_out(tmp_path, name, separator, encoding) -> None:
    lines = [
        ["participant", "image", "model", "fooled"],
        ["Zoë", "x", "sr3", "1"],
        ["b", "x", "sr3", ""],
    ]
    text = "\n".join(separator.join(line) for line in lines) + "\n"
    found = imported(written(tmp_path, name, text, encoding))
    assert found.judgments["rater_id"].tolist() == ["Zoë", "b"]
    assert found.judgments["fooled"].tolist() == ["1", ""]  # a skip stays a skip
    assert "rater_id <- 'participant' (its name is a known one)" in found.mapping


def test_a_mapping_that_was_asked_for_wins_over_a_known_name(tmp_path: Path) -> None:
    text = "participant,worker,image,model,fooled\np1,w1,x,m,1\np1,w2,x,m,0\n"
    found = imported(written(tmp_path, "a.csv", text), Rules(columns={"rater_id": "worker"}))
    assert found.judgments["rater_id"].tolist() == ["w1", "w2"]
    assert found.judgments["participant"].tolist() == ["p1", "p1"]  # the rest is kept as it is


def test_wide_tables_become_long(tmp_path: Path) -> None:
    text = "participant,img1_sr3,img1_pulse,img2_sr3,age\np1,1,0,,30\np2,0,0,1,40\n"
    rules = Rules(wide=r"(?P<item_id>img\d+)_(?P<condition>.+)")
    found = imported(written(tmp_path, "a.csv", text), rules)
    table = found.judgments.set_index(["rater_id", "item_id", "condition"])["fooled"]
    assert len(table) == 6
    assert table["p1", "img2", "sr3"] == ""
    assert table["p2", "img2", "sr3"] == "1"
    assert any("the names of 3 columns" in line for line in found.mapping)


def test_answers_in_words_and_constants(tmp_path: Path) -> None:
    text = "rater,image,answer\na,x,fake\nb,x,real\nc,x,don't know\nd,x,purple\n"
    rules = Rules(
        columns={"fooled": "answer"},
        constants={"condition": "sr3"},
        values={"fake": "1", "real": "0", "don't know": ""},
    )
    found = imported(written(tmp_path, "a.csv", text), rules)
    assert found.judgments["fooled"].tolist() == ["1", "0", ""]
    assert found.dropped[["line", "reason"]].values.tolist() == [
        [5, "answer 'purple' is not understood"]
    ]


def test_ratings_are_cut_by_the_stated_rule(tmp_path: Path) -> None:
    text = "rater,image,model,fooled\na,x,m,1\nb,x,m,3\nc,x,m,4\nd,x,m,\ne,x,m,high\n"
    found = imported(written(tmp_path, "a.csv", text), Rules(cut=">=4"))
    assert found.judgments["fooled"].tolist() == ["0", "0", "1", ""]
    assert found.judgments["fooled_original"].tolist() == ["1", "3", "4", ""]
    assert "fooled = 1 where the rating is >=4, else 0" in found.mapping
    assert found.dropped["reason"].tolist() == ["answer 'high' is not understood"]


def test_choice_and_side_make_the_answer(tmp_path: Path) -> None:
    text = "rater,image,model,choice,model_side\na,x,m,left,left\nb,x,m,right,left\nc,x,m,,left\n"
    found = imported(written(tmp_path, "a.csv", text))
    assert found.judgments["fooled"].tolist() == ["1", "0", ""]


def test_every_dropped_row_has_its_line_and_reason(tmp_path: Path) -> None:
    text = "rater,image,model,fooled\na,x,m,1\n,x,m,1\na,x,m,0\nb,,m,1\nb,x,m,7\n"
    found = imported(written(tmp_path, "a.csv", text))
    assert dict(zip(found.dropped["line"], found.dropped["reason"], strict=True)) == {
        3: "rater_id is empty",
        4: "the same rater judged the same item in this condition in an earlier row",
        5: "item_id is empty",
        6: "answer '7' is not understood",
    }
    text = imported_text(found, "text", "out.csv")
    assert "kept 1 rows (0 skips), dropped 4" in text
    assert "1 x rater_id is empty (lines 3)" in text


def test_jspsych_json_and_json_lines(tmp_path: Path) -> None:
    trials = [
        {"trial_type": "html", "subject": "p1"},
        {
            "subject": "p1",
            "stimulus": "x.png",
            "model": "m",
            "response": {"fooled": True},
            "rt": 812,
        },
        {
            "subject": "p1",
            "stimulus": "y.png",
            "model": "m",
            "response": {"fooled": None},
            "rt": 90,
        },
    ]
    rules = Rules(columns={"fooled": "response.fooled"})
    for name, text in (
        ("a.json", json.dumps([trials])),
        ("b.jsonl", "\n".join(json.dumps(trial) for trial in trials)),
    ):
        found = imported(written(tmp_path, name, text), rules)
        assert found.judgments["fooled"].tolist() == ["1", ""]
        assert found.judgments["rt_ms"].tolist() == ["812", "90"]
        assert found.dropped["reason"].tolist() == ["item_id is empty"]


def test_excel(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    frame = pd.DataFrame(
        {"Rater": ["007", "8"], "Image": ["x", "x"], "Model": "m", "Fooled": [1, 0]}
    )
    frame.to_excel(path, index=False)
    found = imported(path)
    assert found.judgments["rater_id"].tolist() == ["007", "8"]
    assert found.judgments["fooled"].tolist() == ["1", "0"]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    text = 'rater,image,model,fooled,note\na,x,m,1,"q, r"\nb,x,m,,\nb,x,m,0,\n'
    found = imported(written(tmp_path, "a.csv", text))
    out, dropped = tmp_path / "judgments.csv", tmp_path / "dropped.csv"
    write_imported(found, out, dropped)
    table = read_judgments(out)
    assert table["note"].tolist() == ["q, r", ""]
    assert table["fooled"].isna().tolist() == [False, True]
    assert "line,reason" in dropped.read_text()


@pytest.mark.parametrize(
    ("name", "text", "rules", "said"),
    [
        ("a.csv", "a,b\n1,2\n", Rules(), "nothing to make 'rater_id' from, found a, b"),
        ("a.csv", "rater,image,model\n1,2,3\n", Rules(), "nothing to make 'fooled' from"),
        ("a.csv", "rater,image\n1,2\n", Rules(columns={"item_id": "imge"}), "did you mean 'image'"),
        ("a.csv", "rater,image,model,fooled\n1,2,3,4\n", Rules(), "no row is left"),
        ("a.csv", "rater,image,model,fooled\n1,2,3,4\n", Rules(cut="four"), "--cut 'four'"),
        ("a.csv", "rater,x1\n1,2\n", Rules(wide="y(?P<item_id>.)"), "matches no column"),
        ("a.csv", "rater,x1\n1,2\n", Rules(wide="x."), "names no group"),
        ("a.csv", "rater,x1\n1,2\n", Rules(wide="(x"), "no regular expression"),
        ("a.csv", "rater,image,model,fooled\n", Rules(), "holds no rows"),
        ("a.json", "[1, 2]", Rules(), "expected an object for each trial"),
        ("a.json", "{", Rules(), "not JSON"),
        ("a.sav", "x", Rules(), "unknown kind of file '.sav'"),
        ("a.xlsx", "x", Rules(), "a.xlsx"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, name: str, text: str, rules: Rules, said: str
) -> None:
    with pytest.raises(TableError, match=said) as caught:
        imported(written(tmp_path, name, text), rules)
    assert "\n" not in str(caught.value)


def test_an_encoding_that_does_not_exist_or_does_not_fit(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "rater,image\nZoë,x\n", "cp1252")
    with pytest.raises(TableError, match="no encoding is called 'utf-9'"):
        read_source(path, encoding="utf-9")
    with pytest.raises(TableError, match="cannot be decoded as utf-8"):
        read_source(path, encoding="utf-8")
