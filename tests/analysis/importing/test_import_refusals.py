"""What is not what it claims to be: each case ends with one line and writes nothing."""

from __future__ import annotations

import json
import re
import sys

import pytest
from import_cases import imported, refused

HEAD = "rater_id,item_id,condition,fooled\n"
RATERS = range(5)


def rows(*answers: str, head: str = HEAD) -> str:
    """Return a file of five raters, who all give these answers to one image each."""
    lines = [f"r{r},i{at},m,{answer}" for r in RATERS for at, answer in enumerate(answers)]
    return head + "\n".join(lines) + "\n"


SIDES = "rater,image,model,choice,model_side\n"
DUELS = "rater_id,item_id,model_a,model_b,choice\n"
SENTINELS = [
    ("1", "7", "-1"),
    ("1", "5", "99"),
    ("2", "7", "9"),
    ("0", *"12345"),
    ("1", "3", "-9", "5"),
]

CASES: dict[str, tuple[str, str | bytes, list[str], str]] = {
    # answers
    "one of two answers mapped": (
        "a.csv",
        rows("fake", "real"),
        ["--value", "fake=1"],
        r"5 answers are not understood \('real'\).*--value real=",
    ),
    "codes 1 and 2": ("a.csv", rows("1", "2", "1"), [], r"not understood \('2'\)"),
    "a scale read as answers": ("a.csv", rows(*"12345"), [], "not understood"),
    "too many not understood": (
        "a.csv",
        rows("1", "0", "0", "perhaps"),
        [],
        r"5 of 20 rows are not understood.*'perhaps'.*--allow-dropped",
    ),
    "rates": ("a.csv", rows("0.4", "1", "0"), [], "holds rates.*fool_rate.*trials"),
    "few rates among answers": ("a.csv", rows("1", "0", "1") + "r9,i1,m,0.5\n", [], "holds rates"),
    "percentages": ("a.csv", rows("43%", "0%"), [], "holds rates"),
    "rates with a comma": (
        "a.csv",
        rows("0;4", "1;0").replace(",", "\t").replace(";", ","),
        [],
        "holds rates",
    ),
    "all skipped": ("a.csv", rows("", "NA", "NaN", "null"), [], "all 20 rows are skips"),
    "words of another kind": ("a.csv", rows("x", "y"), [], "not understood"),
    "a meaning that is none": (
        "a.csv",
        rows("1", "0"),
        ["--value", "1=yes, fooled"],
        "--value 1=yes, fooled, expected 1, 0 or nothing",
    ),
    "one answer, two meanings": (
        "a.csv",
        rows("A", "b"),
        ["--value", "A=1", "--value", "a=0", "--value", "b=0"],
        "two meanings",
    ),
    "a sentinel beyond the scale": (
        "a.csv",
        rows("1", "5", "99"),
        ["--cut", ">=3", "--scale", "1-5"],
        "'99' is not understood",
    ),
    "no comparison": ("a.csv", rows("1", "2"), ["--cut", "four"], "--cut 'four', expected"),
    "a scale without a cut": ("a.csv", rows("1", "2"), ["--scale", "1-7"], "need --cut"),
    "an upside-down scale": (
        "a.csv",
        rows("1", "2"),
        ["--cut", ">1", "--scale", "7-1"],
        "--scale '7-1'",
    ),
    # sides
    "radio as a choice": (
        "a.csv",
        SIDES + "a,x,m,true,left\na,y,m,false,right\n",
        [],
        "choice holds 'false', 'true'.*neither side",
    ),
    "a third choice": ("a.csv", SIDES + "a,x,m,left,left\na,y,m,middle,right\n", [], "'middle'"),
    "a choice that is no side": (
        "a.csv",
        SIDES + "a,x,m,left,left\na,y,m,both,left\n",
        [],
        "'both'.*neither side",
    ),
    "two columns of our name": (
        "a.csv",
        "rater_id,item_id,condition,fooled,Fooled\na,x,m,1,0\n",
        [],
        "fooled could be 'fooled' or 'Fooled'",
    ),
    "a name twice but for what nobody sees": (
        "a.csv",
        "rater_id,item_id,condition,fooled,fooled\u200b\na,x,m,1,0\n",
        [],
        "two columns are called",
    ),
    "no character": (
        "a.json",
        '[{"rater": "a", "image": "\\ud800", "model": "m", "fooled": 1}]',
        [],
        "is no character",
    ),
    "a tie as the winner": (
        "a.csv",
        "judge,image,winner,loser\na,x,tie,tie\nb,x,sr3,gan\n",
        ["--duels"],
        "winner holds a tie",
    ),
    "systems as judgments": (
        "a.csv",
        "rater,image,System A,System B,fooled\na,x,m,n,1\n",
        [],
        "System A and System B.*--duels",
    ),
    "half of a count of wins": (
        "a.csv",
        "model_a,model_b,wins_a\nx,y,3\n",
        ["--duels", "--unknown-raters", "--unknown-items"],
        "--map wins_b",
    ),
    "both images on one side": (
        "a.csv",
        SIDES.strip() + ",real_side\na,x,m,left,left,left\n",
        [],
        "line 2: model_side and real_side are both 'left'",
    ),
    "three sides": (
        "a.csv",
        SIDES + "a,x,m,left,left\na,y,m,right,up\na,z,m,left,right\n",
        [],
        "3 different values",
    ),
    "no side": ("a.csv", "rater,image,model,choice\na,x,m,left\n", [], "--map fooled=COLUMN"),
    "fooled against choice and side": (
        "a.csv",
        HEAD.strip() + ",choice,model_side\na,x,m,1,left,left\na,y,m,0,right,right\n",
        [],
        "line 3: the answer is '0, not fooled'.*'1, fooled' by",
    ),
    "fooled against correct": (
        "a.csv",
        HEAD.strip() + ",correct\na,x,m,1,true\nb,x,m,0,true\n",
        [],
        "line 2",
    ),
    # repeats, headers, lengths
    "a contradicting repeat": (
        "a.csv",
        rows("1", "0") + "r0,i0,m,0\n",
        [],
        "lines 2 and 12: one rater gave two answers.*trial_id",
    ),
    "many repeats": ("a.csv", rows("1", "0") + "r0,i0,m,1\nr1,i0,m,1\n", [], "the same judgment"),
    "a name twice": (
        "a.csv",
        "rater_id,item_id,condition,fooled,fooled\na,x,m,1,0\n",
        [],
        "two columns are called 'fooled'.*--number-repeated",
    ),
    "the header in the middle": (
        "a.csv",
        rows("1", "0") + rows("0", head=HEAD),
        [],
        "header of line 1 again|two answers",
    ),
    "short lines": (
        "a.csv",
        HEAD + "a,x,m,1\nb,x,m\nc,x,m,0\n",
        [],
        "3 fields where the header has 4",
    ),
    "long lines": ("a.csv", HEAD + "a,x,m,1\nb,x,m,0,9\nc,x,m,0\n", [], "5 fields"),
    "an open quotation": ("a.csv", HEAD + 'a,x,m,1\n"b,x,m,0\nc,x,m,0\n', [], "quotation"),
    # ids
    "raters in two cases": ("a.csv", HEAD + "R1,x,m,1\nr1,y,m,0\n", [], "'R1' and 'r1' look alike"),
    "a Cyrillic letter": (
        "a.csv",
        HEAD + "a,x,рulse,1\nb,x,pulse,0\n",
        [],
        r"\\u0440ulse.*look alike",
    ),
    "full width": ("a.csv", HEAD + "a,ｘ1,m,1\nb,x1,m,0\n", [], "look alike"),
    "leading zeros": ("a.csv", HEAD + "007,x,m,1\n7,y,m,0\n", [], "look alike"),
    "ids that are missing": (
        "a.csv",
        HEAD + "nan,x,m,1\nundefined,y,m,0\nb,y,m,0\n",
        [],
        "rater_id is empty",
    ),
    # kinds of file
    "empty": ("a.csv", "", [], "is empty"),
    "only a header": ("a.csv", HEAD, [], "holds no rows"),
    "only blank lines": ("a.csv", "\n\n \n", [], "is empty"),
    "NUL": ("a.csv", HEAD + "a,x\0,m,1\n", [], "NUL byte"),
    "UTF-16 without its mark": ("a.csv", rows("1", "0").encode("utf-16-le"), [], "utf-16-le"),
    "not gzip": ("a.csv.gz", "x", [], "cannot be unpacked"),
    "half of a gzip": ("a.csv.gz", bytes.fromhex("1f8b0800000000000003"), [], "cannot be unpacked"),
    "not a zip": ("a.zip", "x", [], "cannot be unpacked"),
    "not Excel": ("a.xlsx", "x", [], "not an Excel file"),
    "not Parquet": ("a.parquet", "x", [], "not a Parquet file"),
    "an unknown kind": ("a.sav", "x", [], r"unknown kind of file '\.sav'"),
    "not JSON": ("a.json", "{", [], "not JSON"),
    "numbers in JSON": ("a.json", "[1, 2]", [], "expected an object for each trial"),
    "a key twice in JSON": (
        "a.json",
        '[{"rater": "a", "fooled": 1, "fooled": 0}]',
        [],
        "'fooled' twice",
    ),
    "deep JSON": ("a.json", "[" * 200_000 + "]" * 200_000, [], "nested too deeply"),
    "deep objects": (
        "a.json",
        '{"a":' * 900 + "1" + "}" * 900,
        ["--map", "rater_id=x"],
        "nested too deeply|--each PATH",
    ),
    "one object": ("a.json", json.dumps({"s": {"list": [{"a": 1}]}}), [], "--each PATH.*s.list"),
    "a path to nothing": ("a.json", "[{}]", ["--each", "a.b"], "--each wants"),
    # numbers
    "thousands or decimals": (
        "a.csv",
        HEAD.strip() + ',rt_ms\na,x,m,1,"1,234"\nb,x,m,0,900\n',
        [],
        "--decimal",
    ),
    "seconds as milliseconds": (
        "a.csv",
        HEAD.strip() + ",rt\na,x,m,1,0.81\nb,x,m,0,1.5\n",
        [],
        "cannot be milliseconds",
    ),
    "a time that is none": (
        "a.csv",
        HEAD.strip() + ",rt_ms\na,x,m,1,soon\nb,x,m,0,9\n",
        [],
        "rt_ms is 'soon'",
    ),
    # options that are missing or wrong
    "no rater": (
        "a.csv",
        "x,image,model,fooled\n1,a,m,1\n",
        [],
        "--map rater_id=COLUMN.*--rater-per-row.*--unknown-raters",
    ),
    "no item": (
        "a.csv",
        "rater,model,fooled\n1,m,1\n",
        [],
        "--map item_id.*--join.*--unknown-items",
    ),
    "no condition": ("a.csv", "rater,image,fooled\n1,m,1\n", [], "--constant condition=VALUE"),
    "a wrong column": (
        "a.csv",
        "rater,image,model,fooled\n1,a,m,1\n",
        ["--map", "item_id=imge"],
        "did you mean 'image'",
    ),
    "a wrong name of ours": (
        "a.csv",
        rows("1", "0"),
        ["--map", "rater=rater_id"],
        "did you mean 'rater_id'",
    ),
    "two raters": (
        "a.csv",
        "worker_id,subject,image,model,fooled\na,b,x,m,1\n",
        [],
        "rater_id could be 'worker_id' or 'subject'",
    ),
    "a filter of nothing": (
        "a.csv",
        rows("1", "0"),
        ["--where", "condition=x"],
        "keeps none of 10",
    ),
    "a filter on no column": ("a.csv", rows("1", "0"), ["--where", "state=x"], "no column 'state'"),
    "a pattern of nothing": (
        "a.csv",
        rows("1", "0"),
        ["--extract", "item_id=(?P<z>q)"],
        "matches no",
    ),
    "a broken pattern": (
        "a.csv",
        rows("1", "0"),
        ["--extract", "item_id=(?P<z>q"],
        "no regular expression",
    ),
    "no wide column": ("a.csv", rows("1", "0"), ["--wide", "q(?P<z>.)"], "matches no column"),
    "a pattern without a name": ("a.csv", rows("1", "0"), ["--wide", "item.id"], "names no group"),
    "one radio button": ("a.csv", rows("1", "0"), ["--radio", "fool(?P<choice>ed)"], "two or more"),
    "keep of nothing": ("a.csv", rows("1", "0"), ["--keep", "age"], "no column 'age' for --keep"),
    # the other kind
    "duels": ("a.csv", DUELS + "a,x,A,B,a\nb,x,B,A,b\n", [], "give --duels"),
    "winners": ("a.csv", "judge,image,Winner,Loser\na,x,A,B\n", [], "give --duels"),
    "duels dressed up": (
        "a.csv",
        "judge,image,model_a,model_b,winner\na,x,A,B,model_a\nb,x,A,B,model_b\n",
        [
            "--map",
            "fooled=winner",
            "--map",
            "condition=model_a",
            "--value",
            "model_a=1",
            "--value",
            "model_b=0",
        ],
        "give --duels",
    ),
    "judgments as duels": (
        "a.csv",
        rows("1", "0"),
        ["--duels"],
        "nothing to make 'model_a' from.*winner",
    ),
    "numbers as winners": (
        "a.csv",
        DUELS + "a,x,A,B,1\nb,x,A,C,2\n",
        ["--duels"],
        "numbers 1, 2.*--value",
    ),
    "names like places": (
        "a.csv",
        DUELS + "a,x,B,A,A\nb,x,A,B,B\n",
        ["--duels"],
        "a place and a model's name.*--map winner",
    ),
    "contradicting duels": (
        "a.csv",
        DUELS + "a,x,A,B,a\na,x,A,B,b\nb,x,A,B,a\n",
        ["--duels"],
        "lines 2 and 3",
    ),
    "duels about the fake": (
        "a.csv",
        DUELS + "a,x,A,B,a\nb,x,A,B,b\n",
        ["--duels", "--asked-for-fake"],
        "--asked-for-fake is for judgments",
    ),
    "Qualtrics in German": (
        "a.csv",
        'ResponseId,Finished,Q5\nID,Fertig,Echt?\n"{""ImportId"":""a""}",,\n'
        "R_1,Wahr,1\nR_2,Wahr,0\n",
        ["--wide", "(?P<item_id>Q5)", "--constant", "condition=m"],
        "Finished holds 'wahr', expected true or false.*--keep-unfinished",
    ),
    "Qualtrics without a finished response": (
        "a.csv",
        'ResponseId,Finished,Q5\nID,Finished,Real?\n"{""ImportId"":""a""}",,\nR_1,False,1\n',
        ["--wide", "(?P<item_id>Q5)", "--constant", "condition=m"],
        "a.csv: holds no rows without 1 unfinished responses.*--keep-unfinished",
    ),
    "a winner of neither": (
        "a.csv",
        DUELS + "a,x,sr3,gan,cdm\nb,x,sr3,gan,sr3\n",
        ["--duels"],
        "not understood",
    ),
    # what trials of one image are not
    "correct answers to real photos": (
        "a.csv",
        "rater,image,model,correct\na,x,sr3,1\na,y,Real photos,1\nb,x,sr3,0\nb,y,Real photos,0\n",
        [],
        r"'Real photos' reads as real photos.*--real 'Real photos'",
    ),
    "counts of correct answers to real photos": (
        "a.csv",
        "rater,model,k,n\na,sr3,3,10\na,real,9,10\n",
        ["--map", "correct_count=k", "--map", "trials=n", "--unknown-items"],
        "--real real",
    ),
    "no such condition of real photos": (
        "a.csv",
        "rater,image,model,correct\na,x,sr3,1\na,y,real,1\n",
        ["--real", "Real"],
        "--real 'Real': no such condition, found sr3, real",
    ),
    "real photos beside sides": (
        "a.csv",
        SIDES + "a,x,real,left,right\n",
        ["--real", "real"],
        "of one image, and these say which of two",
    ),
    "the truth as a side": (
        "a.csv",
        "rater,image,model,said,truth\na,x,m,real,real\nb,x,m,real,fake\n",
        ["--map", "choice=said", "--map", "real_side=truth"],
        r"real_side holds 'fake', 'real', expected places.*--map condition=COLUMN",
    ),
    "two choices of one": (
        "a.json",
        '[{"rater": "a", "image": "x", "model": "m", "fooled": "Real"},'
        ' {"rater": "b", "image": "x", "model": "m", "fooled": ["Real", "Fake"]}]',
        ["--value", "Real=1", "--value", "Fake=0"],
        r"not understood \('Real, Fake'\)",
    ),
    # columns of a known name, and files of a known ending, that are something else
    "a kind of another kind": (
        "a.csv",
        "rater,image,model,fooled,kind\na,x,m,1,test\n",
        [],
        "line 2: kind is 'test', expected main, practice or catch; --ignore kind",
    ),
    "a reason as a flag": (
        "a.csv",
        "rater,image,model,fooled,excluded\na,x,m,1,too fast\n",
        [],
        "line 2: excluded is 'too fast', expected 1, 0 or nothing; --ignore excluded",
    ),
    "Excel called CSV": ("a.csv", b"PK\x03\x04\0\0", [], "is no text but an Excel file"),
    "packed CSV called CSV": ("a.csv", b"\x1f\x8b\x08\0", [], "is no text but packed"),
    # options and columns that would be passed over
    "who picked the fake": (
        "a.csv",
        "rater,image,model,picked_fake\na,x,m,1\nb,x,m,0\n",
        ["--asked-for-fake"],
        "--asked-for-fake is for choices.*--map correct=COLUMN",
    ),
    "a cut through no ratings": (
        "a.csv",
        "rater,image,model,correct\na,x,m,1\nb,x,m,0\n",
        ["--cut", ">=1"],
        "--cut is for ratings",
    ),
    "one column twice": (
        "a.csv",
        SIDES + "a,x,m,left,right\nb,x,m,left,left\n",
        ["--map", "model_side=choice", "--map", "choice=choice"],
        "'choice' for both choice and model_side",
    ),
    "a cut outside the scale": (
        "a.csv",
        rows(*"12345"),
        ["--cut", ">=6", "--scale", "1-5"],
        "parts no rating of --scale 1-5",
    ),
    "a cut outside the ratings": (
        "a.csv",
        rows(*"12345"),
        ["--cut", ">=40"],
        "parts nothing: 'fooled' holds 1 to 5",
    ),
    "a filter on what is no number": (
        "a.csv",
        'rater,image,model,fooled,rt\na,x,m,1,900\nb,x,m,0,"1.234,5"\n',
        ["--where", "rt>500"],
        r"'rt' holds '1.234,5', expected numbers",
    ),
    # counts
    "trials beside an answer": (
        "a.csv",
        "rater,image,model,fooled,trials\na,x,m,1,3\nb,x,m,0,3\n",
        [],
        "'trials' says of how many.*--map fooled_count=COLUMN.*--ignore trials",
    ),
    "counts read as answers": (
        "a.csv",
        "rater,image,model,fooled,n\na,x,m,51,100\nb,x,m,43,100\n",
        [],
        "for counts --map fooled_count=COLUMN",
    ),
    "one of two large counts": (
        "a.csv",
        "rater,image,model,k,n\na,x,m,51,50\nb,x,m,430,1000\n",
        ["--map", "fooled_count=k", "--map", "trials=n"],
        "1 of 2 rows of counts are not understood.*line 2.*'51' of 50",
    ),
    "counts without trials": (
        "a.csv",
        "rater,image,model,k\na,x,m,3\n",
        ["--map", "fooled_count=k"],
        "--map trials=COLUMN",
    ),
    "more than there are": (
        "a.csv",
        "rater,image,model,k,n\na,x,m,6,5\nb,x,m,2,5\n",
        ["--map", "fooled_count=k", "--map", "trials=n"],
        "6.*of 5 trials is no count",
    ),
    "a rate of no count": (
        "a.csv",
        "rater,image,model,k,n\na,x,m,0.41,5\nb,x,m,0.40,5\n",
        ["--map", "fool_rate=k", "--map", "trials=n"],
        "0.41.*of 5 trials is no count",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_ends_with_one_line_and_writes_nothing(case, tmp_path, capsys) -> None:

    name, content, options, said = CASES[case]
    line = refused(tmp_path, capsys, name, content, *options)
    assert re.search(said, line), line


@pytest.mark.parametrize("ratings", SENTINELS)
def test_a_code_for_no_answer_is_not_a_rating(ratings, tmp_path, capsys) -> None:
    line = refused(tmp_path, capsys, "a.csv", rows(*ratings), "--cut", ">=3")
    assert "--scale LOW-HIGH" in line
    assert "--value" in line


@pytest.mark.parametrize(
    "ratings", [("1", "7"), tuple("01234"), ("-3", "0", "3"), ("0", "50", "100")]
)
def test_a_scale_without_such_codes_needs_no_more_words(ratings, tmp_path) -> None:
    status, table = imported(tmp_path, "a.csv", rows(*ratings), "--cut", ">=2")
    assert status == 0
    assert table["fooled"].tolist() == [str(int(float(each) >= 2)) for each in ratings] * 5


def test_said_knowingly_the_rest_comes_in(tmp_path, capsys) -> None:
    content = rows("fake", "real")
    status, table = imported(tmp_path, "a.csv", content, "--value", "fake=1", "--allow-dropped")
    assert status == 0
    assert table["fooled"].tolist() == ["1"] * 5
    assert "'real'        5 x  -> NOT UNDERSTOOD" in capsys.readouterr().out


def test_a_few_rows_in_a_hundred_may_be_lost_and_are_shown(tmp_path, capsys) -> None:
    content = rows(*"10" * 10) + "r0,extra,m,?\n"  # 1 of 101
    status, table = imported(tmp_path, "a.csv", content)
    assert status == 0
    assert len(table) == 100
    assert "1 x answer '?' is not understood (lines 102)" in capsys.readouterr().out


def test_a_folder_a_missing_file_and_the_source_itself(tmp_path, capsys) -> None:
    import manage

    (tmp_path / "empty").mkdir()
    for path, said in (
        (tmp_path / "empty", "holds no table"),
        (tmp_path / "no.csv", "no such file"),
    ):
        assert manage.run(["analysis", "import", str(path), "-o", str(tmp_path / "o.csv")]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert any(each in error for each in said.split("|"))
    source = tmp_path / "a.csv"
    source.write_text(rows("1", "0"))
    assert manage.run(["analysis", "import", str(source), "-o", str(source)]) == 2
    assert source.read_text() == rows("1", "0")


@pytest.mark.parametrize(("library", "name"), [("openpyxl", "a.xlsx"), ("pyarrow", "a.parquet")])
def test_an_optional_library_that_is_missing_is_named(
    library, name, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    line = refused(tmp_path, capsys, name, "x")
    assert f"pip install {library}" in line
    assert "the extra `" in line
