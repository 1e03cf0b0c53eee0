"""Reading judgments.csv strictly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analysis.errors import TableError
from analysis.judgments.duels import read_duels
from analysis.judgments.table import main_trials, read_judgments

GOOD = "rater_id,item_id,condition,fooled\na,x,sr3,1\na,y,sr3,\nb,x,sr3,0\n"


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "judgments.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_the_four_columns_are_enough(tmp_path: Path) -> None:
    table = read_judgments(written(tmp_path, GOOD))
    assert table["fooled"].tolist()[::2] == [1.0, 0.0]
    assert table["fooled"].isna().tolist() == [False, True, False]
    assert set(table["kind"]) == {"main"}
    assert set(table["task"]) == {""}
    assert not table["simulated"].any()


def test_identifiers_stay_text(tmp_path: Path) -> None:
    text = "rater_id,item_id,condition,fooled,note\n007,NA,null,1,NA\n7,nan,None,0,\n"
    table = read_judgments(written(tmp_path, text))
    assert table["rater_id"].tolist() == ["007", "7"]
    assert table["item_id"].tolist() == ["NA", "nan"]
    assert table["condition"].tolist() == ["null", "None"]
    assert table["note"].tolist() == ["NA", ""]


def test_a_byte_order_mark_and_quoted_fields_are_read(tmp_path: Path) -> None:
    text = '\ufeffrater_id,item_id,condition,fooled\n"a,1","x\ny",sr3,1\n'
    table = read_judgments(written(tmp_path, text))
    assert table["rater_id"].tolist() == ["a,1"]
    assert table["item_id"].tolist() == ["x\ny"]


def test_main_trials_leave_out_practice_catch_and_excluded(tmp_path: Path) -> None:
    text = (
        "rater_id,item_id,condition,fooled,kind,excluded\n"
        "a,x,m,1,practice,0\na,y,m,1,catch,0\na,z,m,1,main,1\na,w,m,0,main,0\n"
    )
    table = read_judgments(written(tmp_path, text))
    assert main_trials(table)["item_id"].tolist() == ["w"]


def test_a_repeat_is_allowed_when_trial_ids_tell_it_apart(tmp_path: Path) -> None:
    text = "rater_id,item_id,condition,fooled,trial_id\na,x,m,1,t1\na,x,m,0,t2\n"
    assert len(read_judgments(written(tmp_path, text))) == 2


BAD = {
    "rater,item_id,condition,fooled\na,x,m,1\n": "no column 'rater_id'.*did you mean 'rater'",
    "rater_id,item_id,condition\na,x,m\n": "no column 'fooled'",
    "rater_id,item_id,condition,fooled\na,x,m,2\n": "line 2: fooled is '2', expected 0, 1",
    "rater_id,item_id,condition,fooled\na,x,m,1\nb,x,m,yes\n": "line 3: fooled is 'yes'",
    "rater_id,item_id,condition,fooled\na,x,m,1\n,x,m,0\n": "line 3: rater_id is empty",
    "rater_id,item_id,condition,fooled\na,x,m,1\nb,x,m,0\na,x,m,0\n": "line 2: rater 'a'.*more",
    "rater_id,item_id,condition,fooled,trial_id\na,x,m,1,t\na,x,m,0,t\n": "more than once",
    "rater_id,item_id,condition,fooled,task\na,x,m,1,task1\nb,x,m,0,\n": "1 of 2 rows have no task",
    "rater_id,item_id,condition,fooled,kind\na,x,m,1,real\n": "kind is 'real'",
    "rater_id,item_id,condition,fooled,excluded\na,x,m,1,maybe\n": "excluded is 'maybe'",
    "rater_id,item_id,condition,fooled,rt_ms\na,x,m,1,fast\n": "line 2: rt_ms is 'fast'",
    "": "is empty",
    "\n \n": "is empty",
    "rater_id,item_id,condition,fooled,fooled\na,x,m,1,0\n": "two columns are called 'fooled'",
    "rater_id,item_id,condition,fooled\na,x,m,1\nb,x,m\n": "line 3 has 3 fields",
    'rater_id,item_id,condition,fooled\na,x,m,1\n"b,x,m,0\n': "line 3",
    "rater_id,item_id,condition,fooled\na,x\0,m,1\n": "NUL byte",
    "rater_id,item_id,condition,fooled\nR1,x,m,1\nr1,y,m,0\n": "'R1' and 'r1' look the same",
    "rater_id,item_id,condition,fooled\na,x,m,1\na ,y,m,0\n": "rater_id 'a' and 'a ' look",
    "rater_id,item_id,condition,fooled\na,x,m,1\nb,x\u200b,m,0\n": "item_id 'x' and .* look",
    "rater_id,item_id,condition,fooled\na,x,Zo\u00eb,1\nb,x,Zoe\u0308,0\n": "condition .* look",
    "rater_id,item_id,condition,fooled\na,x,m,1\nb,x,m,0,9,9\n": "line 3|fields",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_input_is_one_clear_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(TableError, match=BAD[text]) as caught:
        read_judgments(written(tmp_path, text))
    assert "judgments.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_folder_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no such file"):
        read_judgments(tmp_path / "none.csv")
    with pytest.raises(TableError, match="is a folder"):
        read_judgments(tmp_path)
    with pytest.raises(TableError, match="not UTF-8"):
        read_judgments(written(tmp_path, GOOD.replace("sr3", "naïve"), "latin-1"))


@pytest.mark.parametrize("end", [",\n", "\r", "\r\n"])
def test_line_ends_and_commas_at_the_end_are_passed_over_without_a_warning(
    tmp_path: Path, end: str
) -> None:
    text = "rater_id,item_id,condition,fooled\n" + GOOD.split("\n", 1)[1].replace("\n", end)
    table = read_judgments(written(tmp_path, text))
    assert table["rater_id"].tolist() == ["a", "a", "b"]
    assert table["fooled"].tolist()[::2] == [1.0, 0.0]


@pytest.mark.parametrize("note", ["plain", '"quoted, with a comma"', '"two\nlines"'])
def test_both_ways_of_counting_fields_agree(tmp_path: Path, note: str) -> None:
    head = "rater_id,item_id,condition,fooled,note\n"
    good = head + f"a,x,m,1,{note}\nb,x,m,0,{note}\n"
    assert len(read_judgments(written(tmp_path, good))) == 2
    with pytest.raises(TableError, match="fields where the header has 5"):
        read_judgments(written(tmp_path, good + "c,x,m,0\n"))


@pytest.mark.parametrize("sign", [";", "\t"])
def test_a_spreadsheets_other_separator_is_named(tmp_path: Path, sign: str) -> None:
    text = "rater_id,item_id,condition,fooled,prompt\na,x,m,1,one\n".replace(",", sign)
    said = f"the header has {sign!r} and no comma; `analysis import` reads other separators"
    with pytest.raises(TableError, match=re.escape(said)):
        read_judgments(written(tmp_path, text + f"b{sign}x{sign}m{sign}0{sign}a, b, c\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("r,x,sr3,gan,model_a\n", "import --duels"),
        ("r,x,sr3,gan,a\nR,y,sr3,gan,b\n", "rater_id 'R' and 'r' look the same"),
        ("r,x,sr3,gan,a\nq,y,sr3 ,gan,b\n", "model 'sr3' and 'sr3 ' look the same"),
    ],
)
def test_comparisons_are_read_as_strictly(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, "rater_id,item_id,model_a,model_b,choice\n" + text)
    with pytest.raises(TableError, match=said):
        read_duels(path)


@pytest.mark.parametrize(
    ("column", "meant"),
    [("Excluded", "excluded"), ("excluded ", "excluded"), ("KIND", "kind"), ("Task", "task"),
     ("study-id", "study_id")],
)  # fmt: skip
def test_a_column_that_is_nearly_a_known_one_is_not_left_unread(
    tmp_path: Path, column: str, meant: str
) -> None:
    text = f"rater_id,item_id,condition,fooled,{column}\na,x,sr3,1,1\nb,x,sr3,0,0\n"
    with pytest.raises(TableError, match=f"column '{column}', expected '{meant}'"):
        read_judgments(written(tmp_path, text))
    if meant == "kind":
        duels = text.replace("condition,fooled", "model_a,model_b,choice").replace("sr3,1", "a,b,a")
        path = tmp_path / "duels.csv"
        path.write_text(duels.replace("sr3,0", "a,b,b"))
        with pytest.raises(TableError, match="column 'KIND', expected 'kind'"):
            read_duels(path)


def test_raters_of_two_studies_under_one_id_are_asked_about(tmp_path: Path) -> None:
    text = "rater_id,item_id,condition,fooled,study_id\nr1,x,sr3,1,A\nr1,x,sr3,0,B\n"
    with pytest.raises(TableError, match="rater 'r1' is in the studies 'A' and 'B'"):
        read_judgments(written(tmp_path, text))
    apart = text.replace("r1,x,sr3,0,B", "r2,x,sr3,0,B")
    assert len(read_judgments(written(tmp_path, apart))) == 2


def test_a_time_without_end_is_no_number(tmp_path: Path) -> None:
    text = "rater_id,item_id,condition,fooled,rt_ms\na,x,sr3,1,inf\n"
    with pytest.raises(TableError, match="line 2: rt_ms is 'inf', expected a number"):
        read_judgments(written(tmp_path, text))


def test_the_same_comparison_twice_is_refused_where_raters_are_known(tmp_path: Path) -> None:
    path = tmp_path / "duels.csv"
    head, row = "rater_id,item_id,model_a,model_b,choice", "r1,x,a,b,a"
    path.write_text(f"{head}\n{row}\nr1,x,b,a,b\nr1,x,a,b,b\n")
    with pytest.raises(TableError, match=r"line 4: rater 'r1' compared 'a' with 'b' on item 'x'"):
        read_duels(path)
    path.write_text(f"{head},trial_id\n{row},t1\n{row},t2\n")
    assert len(read_duels(path).table) == 2
    unknown = row.replace("r1", "unknown")
    path.write_text(f"{head}\n{unknown}\n{unknown}\n")
    assert len(read_duels(path).table) == 2
