"""Anybody's tables become judgments.csv: what is read, what is one, and who stays unnamed."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import re
import stat
import unicodedata
import zipfile
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from import_cases import imported

import manage
from analysis.importing import outcome
from analysis.judgments.table import read_judgments

HEAD = "rater_id,item_id,condition,fooled\n"
ROWS = [
    ["participant", "image", "model", "fooled"],
    ["Zoë", "x", "sr3", "1"],
    ["b", "x", "sr3", ""],
]


TEXTS = list(
    itertools.product(
        ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"], ",;\t|", ["\n", "\r\n", "\r"]
    )
)
# Each by itself in the fast layer, all with each other in the whole suite.
EACH = [each for each in TEXTS if sum(map(bool, map(str.__ne__, each, TEXTS[0]))) <= 1]
ALL = [pytest.param(*each, marks=() if each in EACH else pytest.mark.slow) for each in TEXTS]


@pytest.mark.parametrize(("encoding", "separator", "end"), ALL)
def test_separator_encoding_and_line_ends_are_found_out(tmp_path, separator, encoding, end) -> None:
    text = end.join(separator.join(line) for line in ROWS)
    status, table = imported(tmp_path, "a.txt", text.encode(encoding), "--keep-ids")
    assert status == 0
    assert table["rater_id"].tolist() == ["Zoë", "b"]
    assert table["fooled"].tolist() == ["1", ""]  # a skip stays a skip


def packed(kind: str, text: str) -> bytes:
    if kind == ".gz":
        return gzip.compress(text.encode())
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as folder:
        folder.writestr("a.csv", text)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["a.csv.gz", "a.zip"])
def test_a_packed_file(name, tmp_path) -> None:
    text = HEAD + "a,x,m,1\nb,x,m,0\n"
    status, table = imported(tmp_path, name, packed(Path(name).suffix, text))
    assert status == 0
    assert table["fooled"].tolist() == ["1", "0"]


def excel(rows: list[list[object]]) -> bytes:
    from openpyxl import Workbook

    book, stream = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(stream)
    return stream.getvalue()


def parquet(rows: list[list[object]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    columns = {str(name): list(cells) for name, *cells in zip(*rows, strict=True)}
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def csv_text(rows: Sequence[Sequence[object]]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream).writerows([["" if cell is None else cell for cell in row] for row in rows])
    return stream.getvalue().encode()


def objects(rows: list[list[object]]) -> bytes:
    header, *body = rows
    return json.dumps([dict(zip(map(str, header), row, strict=True)) for row in body]).encode()


def lines(rows: list[list[object]]) -> bytes:
    return b"\n".join(json.dumps(each).encode() for each in json.loads(objects(rows)))


def columns(rows: list[list[object]]) -> bytes:
    header, *body = rows
    cells = {
        name: {str(at): row[k] for at, row in enumerate(body)} for k, name in enumerate(header)
    }
    return json.dumps(cells).encode()


WRITERS = {
    "a.csv": csv_text,
    "a.xlsx": excel,
    "a.parquet": parquet,
    "a.json": objects,
    "a.jsonl": lines,
    "pandas.json": columns,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("yes", "no"), [(True, False), (1, 0), (1.0, 0.0), ("TRUE", "false"), ("Yes", "no")]
)
def test_an_answer_is_the_same_in_every_kind_of_file(name, yes, no, tmp_path) -> None:
    table = [
        ["rater", "image", "model", "fooled"],
        [1, "x", "m", yes],
        [2, "x", "m", no],
        [3, "x", "m", None],
    ]
    status, read = imported(tmp_path, name, WRITERS[name](table), "--keep-ids")
    assert status == 0
    assert read["fooled"].tolist() == ["1", "0", ""]
    assert read["rater_id"].tolist() == ["1", "2", "3"]


def test_whole_numbers_of_pandas_are_whole_and_versions_are_not_touched(tmp_path) -> None:
    text = HEAD + "1.0,10.0,1.0,1\n2.0,11.0,1.5,0\n"
    status, table = imported(tmp_path, "a.csv", text, "--keep-ids")
    assert status == 0
    assert table["rater_id"].tolist() == ["1", "2"]
    assert table["item_id"].tolist() == ["10", "11"]
    assert table["condition"].tolist() == ["1.0", "1.5"]


def test_spellings_that_nobody_can_tell_apart_are_one_rater(tmp_path, capsys) -> None:
    names = ["Zoë", unicodedata.normalize("NFD", "Zoë"), "Zoë ", " Zoë", "Zo\u200bë", "Zoë\u00a0"]
    text = HEAD + "".join(f"{name},i{at},m,1\n" for at, name in enumerate(names)) + "b,x,m,0\n"
    status, table = imported(tmp_path, "a.csv", text)
    assert status == 0
    assert table["rater_id"].nunique() == 2
    assert "spellings that differ in blanks or Unicode form made one" in capsys.readouterr().out


@pytest.mark.parametrize(("said", "raters"), [("one", 1), ("different", 2)])
def test_raters_that_look_alike_are_what_the_user_says(said, raters, tmp_path) -> None:
    text = HEAD + "R1,x,m,1\nR1,z,m,1\nr1,y,m,0\n"
    status, table = imported(tmp_path, "a.csv", text, "--look-alikes", said)
    assert status == 0
    assert table["rater_id"].nunique() == raters


PERSONAL = {
    "email": "anna@example.org",
    "IPAddress": "192.0.2.7",
    "name": "Anna Meier",
    "PROLIFIC_PID": "5f3c1a2b9d8e7f6a5b4c3d2e",
    "WorkerId": "A2SUAM1J3GNN3B",
    "Wie heissen Sie?": "Anna",
    "user_agent": "Mozilla/5.0",
    "LocationLatitude": "52.5",
}


@pytest.mark.parametrize("used", ["email", "PROLIFIC_PID", "WorkerId", "name"])
def test_nothing_that_names_a_rater_is_copied(used, tmp_path, capsys) -> None:
    row = dict(PERSONAL, image="x", model="m", fooled="1", session_id=PERSONAL[used])
    other = {**{key: value[::-1] for key, value in row.items()}, "model": "m", "fooled": "0"}
    content = csv_text([list(row), list(row.values()), list(other.values())])
    dropped = tmp_path / "dropped.csv"
    status, table = imported(
        tmp_path, "a.csv", content, "--map", f"rater_id={used}", "--dropped", str(dropped)
    )
    told = capsys.readouterr().out
    assert status == 0
    assert all(re.fullmatch(r"r[0-9a-f]{4}-000[12]", each) for each in table["rater_id"])
    written = (tmp_path / "out.csv").read_text() + dropped.read_text()
    assert [value for value in PERSONAL.values() if value in written] == []
    for name in PERSONAL.keys() - {used}:
        assert name in told  # the list of what was left out


def test_what_is_kept_on_request_is_cautioned_about(tmp_path, capsys) -> None:
    text = "rater,image,model,fooled,ip,age\na,x,m,1,192.0.2.7,30\nb,x,m,0,192.0.2.8,=1+1\n"
    status, table = imported(tmp_path, "a.csv", text, "--keep", "ip", "--keep", "a*")
    assert status == 0
    assert table["age"].tolist() == ["30", "'=1+1"]  # no formula for a spreadsheet
    assert "caution: 'ip' holds what looks like an IP address (2" in capsys.readouterr().out


@pytest.mark.slow
def test_pseudonyms_of_two_waves_fit_together_and_of_two_files_never_clash(tmp_path) -> None:
    key = tmp_path / "key.csv"
    waves = ["anna,x,m,1\nben,x,m,0\n", "ben,y,m,1\ncleo,y,m,0\n"]
    apart, together = [], []
    for wave in waves:
        apart.append(imported(tmp_path, "a.csv", HEAD + wave)[1]["rater_id"].tolist())
        with_key = imported(tmp_path, "a.csv", HEAD + wave, "--rater-key", str(key))[1]
        together.append(with_key["rater_id"].tolist())
    assert len({*apart[0], *apart[1]}) == 4
    assert together[0][1] == together[1][0]
    assert len({*together[0], *together[1]}) == 3
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert {line.split(",")[0] for line in key.read_text().split()} == {"id", "anna", "ben", "cleo"}


def test_two_imports_at_once_lose_no_rater(tmp_path, monkeypatch) -> None:
    """The second import begins when the first has read the list and not yet written it."""
    key, write, second = tmp_path / "key.csv", outcome.write_key, list[Future]()
    names = ("anna", "ben")
    for name in names:
        (tmp_path / f"{name}.csv").write_text(f"{HEAD}{name},x,m,1\n")

    def start(name: str) -> int:
        out = str(tmp_path / f"{name}-out.csv")
        source = str(tmp_path / f"{name}.csv")
        return manage.run(["analysis", "import", source, "-o", out, "--rater-key", str(key)])

    with ThreadPoolExecutor(1) as beside:

        def late(*of_key) -> None:
            if not second:
                second.append(beside.submit(start, "ben"))
                wait(second, 0.5)
            write(*of_key)

        monkeypatch.setattr(outcome, "write_key", late)
        assert start("anna") == 0
    assert second[0].result() == 0
    assert {line.split(",")[0] for line in key.read_text().split()} == {"id", *names}


def test_what_is_written_is_read_back(tmp_path) -> None:
    text = (
        HEAD.strip() + ',kind,simulated,rt_ms\na,x,m,1,Main,TRUE,"1,234.5"\nb,x,m,0,main,no,9e2\n'
    )
    status, _ = imported(tmp_path, "a.csv", text)
    assert status == 0
    table = read_judgments(tmp_path / "out.csv")
    assert table["simulated"].tolist() == [True, False]
    assert table["kind"].tolist() == ["main", "main"]
    assert table["rt_ms"].tolist() == [1234.5, 900]


@pytest.mark.parametrize(
    ("cells", "options", "expected"),
    [
        (["1.234,5", "900"], [], [1234.5, 900]),
        (["1,234.5", "900"], [], [1234.5, 900]),
        (["1,234", "900"], ["--decimal", "."], [1234, 900]),
        (["1.234", "900"], ["--decimal", ","], [1234, 900]),
        (["1 234", "900,5"], [], [1234, 900.5]),
        (["812.345", "1203.5"], [], [812.345, 1203.5]),
    ],
)
def test_numbers_as_people_write_them(cells, options, expected, tmp_path) -> None:
    table: list[list[object]] = [["rater", "image", "model", "fooled", "rt"]]
    table += [[at, "x", "m", at % 2, cell] for at, cell in enumerate(cells)]
    status, read = imported(tmp_path, "a.csv", csv_text(table), *options)
    assert status == 0
    assert [float(each) for each in read["rt_ms"]] == expected


SIDES = {
    "sides in any case": ("choice,model_side", ["Left,left", "RIGHT ,left"], [], ["1", "0"]),
    "the real side": ("choice,real_side", ["Left,left", "right,left"], [], ["0", "1"]),
    "A and B": ("choice,model_side", ["A,A", "b,A", "a,B"], [], ["1", "0", "0"]),
    "keys": (
        "choice,model_side",
        ["f,left", "j,left", ",right"],
        ["--value", "f=left", "--value", "j=right"],
        ["1", "0", ""],
    ),
    "images": (
        "choice,model_image,real_image",
        ["g1.png,g1.png,r1.png", "R2.png,g2.png,r2.png"],
        [],
        ["1", "0"],
    ),
    "correct": ("correct", ["true", "FALSE", "0", "NA"], [], ["0", "1", "1", ""]),
}


@pytest.mark.parametrize("case", SIDES)
def test_what_was_picked_and_where_the_output_was(case, tmp_path) -> None:
    header, answers, options, expected = SIDES[case]
    body = "".join(f"r{at},x,m,{answer}\n" for at, answer in enumerate(answers))
    maps = [each for name in header.split(",") for each in ("--map", f"{name}={name}")]
    status, table = imported(
        tmp_path, "a.csv", f"rater,image,model,{header}\n{body}", *maps, *options
    )
    assert status == 0
    assert table["fooled"].tolist() == expected


def test_empty_fields_at_the_end_of_each_line_are_passed_over_quietly(tmp_path, capsys) -> None:
    status, table = imported(tmp_path, "a.csv", HEAD + "a,x,m,1,\nb,x,m,0,\n")
    assert status == 0
    assert table["fooled"].tolist() == ["1", "0"]
    assert capsys.readouterr().err == ""


def test_columns_of_one_name_are_numbered_on_request(tmp_path) -> None:
    text = "Email,Real or fake?,Real or fake?\na@b.de,Real,Fake\nc@d.de,Fake,Fake\n"
    status, table = imported(
        tmp_path,
        "a.csv",
        text,
        "--number-repeated",
        "--wide",
        r"(?P<item_id>Real or fake.*)",
        "--constant",
        "condition=m",
        "--map",
        "rater_id=Email",
        "--value",
        "Real=1",
        "--value",
        "fake=0",
    )
    assert status == 0
    assert table["item_id"].tolist() == ["Real or fake?"] * 2 + ["Real or fake? (2)"] * 2
    assert table["fooled"].tolist() == ["1", "0", "0", "0"]


def test_a_gorilla_export_ends_without_a_judgment(tmp_path, capsys) -> None:
    text = (
        "Event Index,Participant Private ID,Zone Type,Reaction Time,Response,Correct,Image\n"
        "1,901,response_button,812.5,Real,0,x\n2,902,response_button,1990,Fake,1,x\n"
        "3,901,fixation,250,,,\nEND OF FILE,,,,,,\n"
    )
    status, table = imported(
        tmp_path,
        "a.csv",
        text,
        "--map",
        "correct=Correct",
        "--constant",
        "condition=m",
        "--where",
        "Zone Type=response_button",
    )
    assert status == 0
    assert table["fooled"].tolist() == ["1", "0"]
    assert "dropped 0" in capsys.readouterr().out


def test_a_joined_table_may_lack_few_rows_and_no_key_twice(tmp_path, capsys) -> None:
    (tmp_path / "key.csv").write_text("image,model\nX.0,m\n1.0,m\n1,n\n")
    text = "rater,image,fooled\na,1,1\n"
    options = ("--join", str(tmp_path / "key.csv"))
    assert imported(tmp_path, "a.csv", text, *options)[0] == 1
    assert "lines 3 and 4 both hold '1'" in capsys.readouterr().err
    (tmp_path / "key.csv").write_text("image,model\n1.0,m\n2.0,m\n")
    status, table = imported(tmp_path, "a.csv", text + "a,2,0\n", *options)
    assert status == 0
    assert table["condition"].tolist() == ["m", "m"]
    assert imported(tmp_path, "b.csv", text + "a,9,0\n", *options)[0] == 1
    assert "key.csv has no row for image" in capsys.readouterr().err


def test_an_empty_answer_is_a_skip_unless_it_was_not_asked(tmp_path, capsys) -> None:
    text = "participant,i1,i2,i3\np1,1,,\np2,,0,\np3,,,1\n"
    options = ("--wide", "(?P<item_id>i.)", "--constant", "condition=m")
    _, table = imported(tmp_path, "a.csv", text, *options)
    assert (table["fooled"] == "").sum() == 6
    assert "most answers are empty" in capsys.readouterr().out
    _, table = imported(tmp_path, "a.csv", text, *options, "--drop-empty")
    assert table["fooled"].tolist() == ["1", "0", "1"]


def test_a_column_of_a_known_name_can_be_ignored(tmp_path, capsys) -> None:
    text = "rater,image,model,fooled,kind\na,x,m,1,jpeg\nb,x,m,0,png\n"
    assert imported(tmp_path, "a.csv", text)[0] == 1
    assert "kind is 'jpeg'" in capsys.readouterr().err
    status, table = imported(tmp_path, "a.csv", text, "--ignore", "kind")
    assert status == 0
    assert "kind" not in table


def test_names_with_brackets_are_names(tmp_path) -> None:
    text = "id,G1[SQ1],model,image\na,1,m,x\nb,0,m,x\n"  # LimeSurvey
    options = ("--map", "fooled=G1[SQ1]", "--map", "rater_id=id")
    status, table = imported(tmp_path, "a.csv", text, *options)
    assert status == 0
    assert table["fooled"].tolist() == ["1", "0"]
    more = text.replace("model,", "age[1],model,").replace("m,x", "3,m,x")
    status, table = imported(tmp_path, "b.csv", more, *options, "--keep", "age[1]")
    assert status == 0
    assert table["age[1]"].tolist() == ["3", "3"]


def test_judgments_of_nobody_knows_whom_are_each_their_own(tmp_path, capsys) -> None:
    text = "image,model,fooled\nx,m,1\nx,m,0\nx,m,1\n"
    status, table = imported(tmp_path, "a.csv", text, "--unknown-raters")
    assert status == 0
    assert table["fooled"].tolist() == ["1", "0", "1"]
    assert "caution: the raters are not known" in capsys.readouterr().out


@pytest.mark.parametrize(
    "columns", ["choice,model_side", "choice,real_side", "choice,model_image,real_image"]
)
def test_raters_who_were_asked_for_the_fake_are_fooled_by_the_other_answer(
    columns, tmp_path
) -> None:
    rows = ["L,L,R", "R,L,R"] if "image" in columns else ["left,left", "right,left"]
    text = f"rater,image,model,{columns}\n" + "".join(
        f"{k},x,m,{row}\n" for k, row in enumerate(rows)
    )
    maps = [each for name in columns.split(",") for each in ("--map", f"{name}={name}")]
    _, real = imported(tmp_path, "a.csv", text, *maps)
    _, fake = imported(tmp_path, "a.csv", text, *maps, "--asked-for-fake")
    expected = ["0", "1"] if "real_side" in columns else ["1", "0"]
    assert real["fooled"].tolist() == expected
    assert fake["fooled"].tolist() == expected[::-1]
    assert "choice" not in fake


def test_a_condition_of_real_photos_is_cautioned_about(tmp_path, capsys) -> None:
    text = HEAD + "a,x,GAN,1\na,y,REAL,1\nb,x,GAN,0\n"
    assert imported(tmp_path, "a.csv", text)[0] == 0
    assert "give --real REAL to fool-rates" in capsys.readouterr().out


def test_the_results_of_jatos_come_in_as_they_were_downloaded(tmp_path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as folder:
        folder.writestr("metadata.json", '{"data": []}')
        for rater in (1, 2):
            trials = [{"stimulus": "a", "correct": rater == 1, "model": "m"}]
            name = f"study_result_{rater}/comp-result_{rater}/data.txt"
            folder.writestr(name, json.dumps(trials))
    maps = ("--map", "correct=correct", "--map", "rater_id=file")
    status, table = imported(tmp_path, "jatos_results.jrzip", stream.getvalue(), *maps)
    assert status == 0
    assert table["fooled"].tolist() == ["0", "1"]
    assert table["rater_id"].nunique() == 2


def test_a_column_that_one_file_of_several_lacks_is_said(tmp_path, capsys) -> None:
    import manage

    folder = tmp_path / "raters"
    folder.mkdir()
    (folder / "a.csv").write_text("image,model,fooled,rt\nx,m,1,800\n")
    (folder / "b.csv").write_text("image,model,fooled\nx,m,0\n")
    (folder / "read me.pdf").write_text("x")
    (folder / ".hidden.csv").write_text("x")
    out = tmp_path / "out.csv"
    options = ["--map", "rater_id=file"]
    assert manage.run(["analysis", "import", str(folder), "-o", str(out), *options]) == 0
    told = capsys.readouterr().out
    assert "left out: 1 files of other kinds: read me.pdf" in told
    assert "left out: column 'rt' in 1 of 2 files, which lack it" in told
    assert len(read_judgments(out)) == 2
    inside = str(folder / "judgments.csv")  # the next import would read it
    assert manage.run(["analysis", "import", str(folder), "-o", inside, *options]) == 2


def test_who_is_right_about_a_real_photo_called_it_real(tmp_path, capsys) -> None:
    said = {"fake": ("real", "fake", "fake"), "real": ("real", "real", "fake")}
    lines = [f"r{at},{truth}{at},{truth},{int(truth == answer)}"
             for truth, answers in said.items() for at, answer in enumerate(answers)]  # fmt: skip
    text = "rater,image,model,correct\n" + "\n".join(lines) + "\n"
    status, table = imported(tmp_path, "a.csv", text, "--real", "real")
    assert status == 0
    called = [str(int(answer == "real")) for answers in said.values() for answer in answers]
    assert table["fooled"].tolist() == called
    assert "'1 (real photo)'        2 x  -> 1, fooled" in capsys.readouterr().out


def test_counts_of_right_answers_about_real_photos(tmp_path) -> None:
    text = "rater,model,k,n\na,sr3,3,10\na,real,9,10\n"
    options = ("--map", "correct_count=k", "--map", "trials=n", "--unknown-items", "--real", "real")
    _, table = imported(tmp_path, "a.csv", text, *options)
    fooled = table[table["fooled"] == "1"]["condition"].value_counts()
    assert fooled.to_dict() == {"sr3": 7, "real": 9}


def test_an_id_that_a_spreadsheet_rounded_is_said(tmp_path, capsys) -> None:
    text = "rater;image;model;fooled\n1,23457E+15;x;m;1\n2;x;m;0\n"
    assert imported(tmp_path, "a.csv", text)[0] == 0
    assert "'1,23457E+15' is a number that a spreadsheet rounded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("AssignmentStatus", "Rejected", "--where 'AssignmentStatus!=Rejected'"),
        ("participant._is_bot", "1", "--where 'participant._is_bot!=1'"),
        ("failed", "True", "--where 'failed!=True'"),
        ("Status", "TIMED-OUT", "--where Status!=TIMED-OUT"),
        ("was_cancelled", "true", "--where 'was_cancelled!=true'"),
    ],
)
def test_rows_that_their_tool_calls_no_answer_are_told_of(
    column, value, said, tmp_path, capsys
) -> None:
    text = f"rater,image,model,fooled,{column}\na,x,m,1,{value}\nb,x,m,0,\n"
    assert imported(tmp_path, "a.csv", text)[0] == 0
    told = capsys.readouterr().out.replace("'", "")
    assert f"1 row has {column} {value}; {said} leaves out such rows".replace("'", "") in told


def test_the_button_that_holds_a_number_was_pressed(tmp_path) -> None:
    rows = [{"user": f"u{at}", "id": "x", "said": {word: str(at + 1)}}
            for at, word in enumerate(("Real", "Fake", "Real"))]  # fmt: skip
    options = ("--radio", "said[.](?P<fooled>.+)", "--value", "Real=1", "--value", "Fake=0",
               "--map", "rater_id=user", "--map", "item_id=id",
               "--constant", "condition=m")  # fmt: skip
    _, table = imported(tmp_path, "a.json", json.dumps(rows), *options)
    assert table["fooled"].tolist() == ["1", "0", "1"]


def test_json_of_one_list_a_column(tmp_path) -> None:
    columns = {"rater": ["a", "b"], "image": ["x", "x"], "model": ["m", "m"], "fooled": [1, 0]}
    _, table = imported(tmp_path, "a.json", json.dumps(columns))
    assert table["fooled"].tolist() == ["1", "0"]
