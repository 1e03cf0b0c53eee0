"""Rows that are no answers, cells that are formulas, and columns that name what was shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from import_cases import imported, refused

import manage

HEAD = "rater_id,item_id,condition,fooled\n"
TOTALS = [
    (HEAD + "a,x,m,1\nb,x,m,0\nTOTAL,x,m,1\n", "line 4: rater_id is 'TOTAL' in this row only", ()),
    (HEAD + "a,x,m,1\na,y,m,0\na,Average:,m,1\n", "line 4: item_id is 'Average:'", ()),
    ("rater,model,k,n\na,m,2,3\nb,m,1,3\nTotal,m,3,6\n", "line 4: rater_id is 'Total'",
     ("--map", "fooled_count=k", "--map", "trials=n", "--unknown-items")),
    ("rater,model,k,n\na,m,2,3\nb,m,1,3\nc,m,0,2\neverybody,m,3,8\n",
     "line 5: its counts are the sums of all other rows",
     ("--map", "fooled_count=k", "--map", "trials=n", "--unknown-items")),
]  # fmt: skip


@pytest.mark.parametrize(("content", "said", "options"), TOTALS)
def test_a_sum_of_other_rows_is_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str,
    options: tuple[str, ...],
) -> None:  # fmt: skip
    assert said in refused(tmp_path, capsys, "t.csv", content, *options)


def test_a_model_called_mean_is_a_model(tmp_path: Path) -> None:
    status, table = imported(tmp_path, "t.csv", HEAD + "a,x,mean,1\nb,x,mean,0\n")
    assert status == 0
    assert list(table["condition"]) == ["mean", "mean"]


@pytest.mark.parametrize("name", ["rt_ms", "exposure_ms", "position"])
def test_times_below_0_are_refused_by_the_import_and_by_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    content = HEAD.replace("fooled", f"fooled,{name}") + "a,x,m,1,900\nb,x,m,0,-800\nc,y,m,0,700\n"
    assert f"{name} is '-800', expected 0 or more" in refused(tmp_path, capsys, "t.csv", content)
    assert manage.run(["analysis", "fool-rates", str(tmp_path / "t.csv")]) == 1
    assert f"line 3: {name} is '-800', expected 0 or more" in capsys.readouterr().err


def test_an_answer_whose_key_is_absent_is_no_skip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"rater_id": f"r{k}", "item_id": "x", "condition": "m", "fooled": k % 2} for k in range(4)
    ]
    rows += [{"rater_id": "r8", "item_id": "x", "condition": "m"},
             {"rater_id": "r9", "item_id": "x", "condition": "m", "fooled": None},
             {"rater_id": "r9", "trial_type": "fixation"}]  # fmt: skip
    text = json.dumps(rows)
    assert "'(absent)' is not understood" in refused(tmp_path, capsys, "t.json", text)
    status, table = imported(tmp_path, "t.json", text, "--value", "(absent)=")
    assert (status, list(table["fooled"])) == (0, ["0", "1", "0", "1", "", ""])
    status, table = imported(tmp_path, "t.json", text, "--drop-empty")
    assert (status, list(table["fooled"])) == (0, ["0", "1", "0", "1"])


def test_ids_that_a_spreadsheet_would_run_are_written_inert_and_read_back(tmp_path: Path) -> None:
    content = (
        "rater_id,item_id,condition,fooled,=kept\n=1+1,@x,=m,1,=2\n=2+2,@x,=m,0,3\n=2+2,@y,=m,1,3\n"
    )
    status, table = imported(tmp_path, "t.csv", content, "--keep-ids", "--keep", "=kept")
    assert status == 0
    assert table.iloc[0].to_list() == ["'=1+1", "'@x", "'=m", "1", "'=2"]
    assert list(table.columns) == ["rater_id", "item_id", "condition", "fooled", "'=kept"]
    out = tmp_path / "rates.json"
    run = ["analysis", "fool-rates", str(tmp_path / "out.csv"), "--json", str(out)]
    assert manage.run(run) == 0
    assert json.loads(out.read_text())["fool_rates"][0]["condition"] == "=m"


def test_models_that_a_spreadsheet_would_run_are_ranked_under_their_own_names(
    tmp_path: Path,
) -> None:
    duels = "rater_id,item_id,model_a,model_b,choice\n"
    duels += "".join(f"r{k},i{k},=a,+b,{'ab'[k % 3 > 1]}\n" for k in range(9))
    status, table = imported(tmp_path, "d.csv", duels, "--duels")
    assert (status, table["model_a"][0], table["model_b"][0]) == (0, "'=a", "'+b")
    out = tmp_path / "rank.json"
    assert manage.run(["analysis", "rank", str(tmp_path / "out.csv"), "--json", str(out)]) == 0
    assert {each["model"] for each in json.loads(out.read_text())["models"]} == {"=a", "+b"}


def test_raters_that_a_spreadsheet_would_run_keep_their_pseudonyms(tmp_path: Path) -> None:
    content = HEAD + "=r,x,m,1\ns,x,m,0\n"
    key = tmp_path / "who.csv"
    first = imported(tmp_path, "t.csv", content, "--rater-key", str(key))[1]
    assert "'=r," in key.read_text()
    second = imported(tmp_path, "t.csv", content, "--rater-key", str(key))[1]
    assert list(first["rater_id"]) == list(second["rater_id"])


SHOWN = "rater,image,shown_left,shown_right,said\n"
SIDES = ("--map", "left=shown_left", "--map", "right=shown_right", "--map", "choice=said")


@pytest.mark.parametrize("said", ["left", "sr3"])
def test_columns_that_name_what_was_shown_need_no_second_table(tmp_path: Path, said: str) -> None:
    content = SHOWN + f"a,x,sr3,photo,{said}\na,y,photo,gan,left\nb,x,photo,sr3,photo\n"
    status, table = imported(tmp_path, "t.csv", content, *SIDES, "--real", "photo")
    assert status == 0
    assert list(table["condition"]) == ["sr3", "gan", "sr3"]
    assert list(table["model_side"]) == ["left", "right", "right"]
    assert list(table["fooled"]) == ["1", "0", "0"]


@pytest.mark.parametrize(
    ("row", "options", "said"),
    [
        ("b,x,gan,photo,left", (), "'gan', 'photo', 'sr3': nobody said which is the real photo"),
        ("b,x,gan,sr3,left", ("--real", "photo"), "line 3: left is 'gan' and right 'sr3', no real"),
        ("b,x,photo,photo,left", ("--real", "photo"), "two real photos"),
        ("b,x,photo,gan,pulse", ("--real", "photo"), "choice holds 'pulse'.*neither side"),
    ],
)
def test_what_was_shown_has_to_be_a_model_beside_a_photo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, options: tuple[str, ...],
    said: str,
) -> None:  # fmt: skip
    content = SHOWN + f"a,x,sr3,photo,left\n{row}\n"
    line = refused(tmp_path, capsys, "t.csv", content, *SIDES, *options)
    assert re.search(said, line), line


def test_ids_that_a_spreadsheet_rounded_are_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _ = imported(tmp_path, "t.csv", HEAD + "1E+17,x,m,1\n1E+17,y,m,0\n2E+17,x,m,0\n")
    assert status == 0
    assert "rater_id '1E+17' is a number that a spreadsheet rounded" in capsys.readouterr().out


TIMED_OUT = {  # a program's own columns; what the one line says
    "PsychoPy": (
        "participant,image,cond,k.keys,k.corr,k.rt\ns1,a,m,f,1,0.5\ns1,b,m,None,0,\ns2,a,m,j,0,1\n",
        ("--map", "condition=cond", "--map", "correct=k.corr"),
        "line 3: k.keys is 'None' and 'correct' is '0'.*--where 'k.keys!=None'.*--ignore k.keys",
    ),
    "jsPsych": (
        "rt,stimulus,response,subject_id,correct,model\n800,a,f,1,true,m\nnull,b,null,1,false,m\n",
        (),
        "line 3: rt is 'null' and 'correct' is 'false'.*--where 'rt!=null'",
    ),
    "FindingFive": (
        "participant,image,model,response_value,response_correct\n1,a,m,Real,False\n1,b,m,,False\n",
        ("--map", "correct=response_correct"),
        "line 3: response_value is '' .*--where 'response_value!='",
    ),
}


@pytest.mark.parametrize("program", TIMED_OUT)
def test_a_trial_without_a_response_is_no_wrong_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], program: str
) -> None:
    """Programs write "not correct" where time ran out, which would count as fooled."""
    content, options, said = TIMED_OUT[program]
    line = refused(tmp_path, capsys, "t.csv", content, *options)
    assert re.search(said, line), line


def test_the_two_ways_on_that_the_refusal_names(tmp_path: Path) -> None:
    content = TIMED_OUT["jsPsych"][0]
    _, without = imported(tmp_path, "t.csv", content, "--where", "rt!=null")
    _, counted = imported(tmp_path, "t.csv", content, "--ignore", "rt", "--ignore", "response")
    assert without is not None
    assert counted is not None
    assert list(without["fooled"]) == ["0"]
    assert list(counted["fooled"]) == ["0", "1"]


def test_times_that_are_missing_here_and_there_say_nothing_about_answers(tmp_path: Path) -> None:
    """One of those without a time is right: they are no time-outs."""
    content = "rater,image,model,correct,rt\na,x,m,1,\na,y,m,0,\nb,x,m,0,900\n"
    status, table = imported(tmp_path, "t.csv", content)
    assert (status, list(table["fooled"]) if table is not None else None) == (0, ["0", "1", "1"])


BUTTONS = "subject_id,stimulus,model,trial_type,response\n1,a,m,image-button-response,0\n"


def test_the_number_of_a_button_is_no_answer_until_somebody_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = BUTTONS + "2,a,m,image-button-response,1\n"
    line = refused(tmp_path, capsys, "t.csv", content, "--map", "fooled=response")
    assert "line 2: the answer '0' of 'image-button-response' is the number of a button" in line
    options = ("--map", "fooled=response", "--value", "0=1", "--value", "1=0")
    _, table = imported(tmp_path, "t.csv", content, *options)
    assert table is not None
    assert list(table["fooled"]) == ["1", "0"]


def test_a_formula_that_failed_is_neither_a_skip_nor_an_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = HEAD + "a,x,m,1\nb,x,m,#N/A\nc,x,m,0\n"
    assert "'#N/A' is not understood" in refused(tmp_path, capsys, "t.csv", content)
    _, table = imported(tmp_path, "t.csv", content, "--value", "#N/A=")
    assert table is not None
    assert list(table["fooled"]) == ["1", "", "0"]


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (("4111111111111100", "4111111111111200"), True),  # 15 digits are kept, the rest are 0
        (("41111111111111000", "52111111111111000"), True),
        (("4111111111111101", "4111111111111200"), False),
        (("4111111111111100", "4111111111111100"), False),  # one id may end in zeros by chance
        (("411111111111100", "411111111111200"), False),  # 15 digits are exact
    ],
)
def test_long_numbers_that_all_end_in_zeros_are_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ids: tuple[str, str], told: bool
) -> None:
    status, _ = imported(tmp_path, "t.csv", HEAD + f"{ids[0]},x,m,1\n{ids[1]},y,m,0\n")
    assert status == 0
    assert ("is a number that a spreadsheet rounded" in capsys.readouterr().out) is told


@pytest.mark.parametrize("title", ["Our study\n\n", "Our study,,,\n,,,\n"])
def test_a_title_above_the_header_is_told_with_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], title: str
) -> None:
    line = refused(tmp_path, capsys, "t.csv", title + HEAD + "a,x,m,1\nb,x,m,0\n")
    assert "Our study" in line
    assert "--skip-lines" in line


def test_qualtrics_in_another_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its columns are known by their ids, and a preview by what it is not: a response by an IP."""
    content = (
        "Startdatum,Status,Abgeschlossen,Antwort-ID,Q1\nStartdatum,Antworttyp,Fertig,ID,Echt?\n"
        '"{""ImportId"":""startDate""}","{""ImportId"":""status""}","{""ImportId"":""finished""}",'
        '"{""ImportId"":""_recordId""}","{""ImportId"":""QID1""}"\n'
        "2024,IP-Adresse,Wahr,R_1,1\n2024,Umfragevorschau,Wahr,R_2,1\n2024,IP-Adresse,Falsch,R_3,0\n"
    )
    options = (
        "--map",
        "rater_id=Antwort-ID",
        "--wide",
        "(?P<item_id>Q1)",
        "--constant",
        "condition=m",
    )
    line = refused(tmp_path, capsys, "t.csv", content, *options)
    assert "Qualtrics' Abgeschlossen holds 'wahr', expected true or false" in line
    more = ("--keep-unfinished", "--where", "Abgeschlossen=Wahr")
    _, table = imported(tmp_path, "t.csv", content, *options, *more)
    assert table is not None
    assert list(table["fooled"]) == ["1"]
    assert "left out: 1 row with Status 'umfragevorschau'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("column", "cell", "other"),
    [("ASSIGNMENT:status", "REJECTED", "APPROVED"), ("submitdate", "", "2024-01-01 10:00:00")],
)
def test_what_toloka_and_limesurvey_do_not_count_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], column: str, cell: str, other: str
) -> None:
    head = HEAD.replace("\n", f",{column}\n")
    status, _ = imported(tmp_path, "t.csv", f"{head}a,x,m,1,{cell}\nb,x,m,0,{other}\n")
    assert status == 0
    assert f"1 row has {column} {cell!r}; --where '{column}!={cell}'" in capsys.readouterr().out
