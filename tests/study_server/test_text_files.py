"""Texts of a study file from files of their own: kept with the study, refused by a line."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from study_server.config import StudyFile, parse_study_file, read_study_file
from study_server.errors import StudyFileError
from study_server.export.export import export_study
from study_server.storage.database import Database
from study_server.studies.create import create_study
from study_server.studies.states import find_study, study_file

CONSENT = "Please read “this”.\n\nIt costs 5 \\ 2 = nothing.\n"
KEYS = """title = { en = "file:title.en.txt", zh = "file:texts/title.zh.txt" }
consent = { en = "file:consent.txt", zh = "同意。" }
question = { task2 = { en = "file:question.txt", zh = "哪张是照片？" } }
pay = "file:pay.txt"
"""
ASK = """
[[ask.before]]
id = "age"
kind = "number"
text = { en = "file:age.txt", zh = "年龄？" }
[[ask.after]]
id = "trade"
kind = "choice"
text = "Trade?"
options = [ { value = "a", text = "file:age.txt" }, { value = "b", text = "B" } ]
"""


@pytest.fixture
def folder(study_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the present directory, with a study file that takes its texts from files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    Path("title.en.txt").write_text("A study\n")
    Path("texts/title.zh.txt").write_text("一项研究\n", encoding="utf-8-sig")
    Path("consent.txt").write_bytes(CONSENT.replace("\n", "  \r\n").encode())
    Path("question.txt").write_text("Which is the photo?")
    Path("pay.txt").write_text("2 £")
    Path("age.txt").write_text("How old are you? \U0001f600 \x20")
    text = study_text.replace('title = "A small study"\n', KEYS) + ASK
    Path("study.toml").write_text(text)
    return tmp_path


def test_the_words_of_files_are_those_of_the_study(folder: Path) -> None:
    file, text = read_study_file(Path("study.toml"))
    assert file.study.title == {"en": "A study", "zh": "一项研究"}
    assert file.study.consent == {"en": CONSENT.strip(), "zh": "同意。"}
    assert file.study.asks("task2", "en") == "Which is the photo?"
    assert file.study.pay == "2 £"
    assert file.ask.before[0].text == {"en": "How old are you? \U0001f600", "zh": "年龄？"}
    assert file.ask.after[0].options[0].text == "How old are you? \U0001f600"
    assert text.startswith(Path("study.toml").read_text())  # as it was written, byte for byte
    assert len(tomllib.loads(text)["texts"]) == 6


def test_a_study_that_is_made_needs_the_files_no_more(sqlite: Database, folder: Path) -> None:
    file, text = read_study_file(Path("study.toml"))
    create_study(sqlite, file, text)
    for path in folder.rglob("*.txt"):
        path.write_text("something else")
    with sqlite.reading() as db_session:
        assert study_file(find_study(db_session, "small")) == file
    export_study(sqlite, "small", folder / "export")
    again, repeated = read_study_file(folder / "export/study.toml")
    assert again == file
    assert repeated == text


def test_words_from_a_file_and_in_place_are_the_same_study(folder: Path) -> None:
    apart, _ = read_study_file(Path("study.toml"))
    written = Path("study.toml").read_text()
    for name, words in {"question.txt": "Which is the photo?", "pay.txt": "2 £"}.items():
        written = written.replace(f'"file:{name}"', json.dumps(words, ensure_ascii=False))
    Path("one.toml").write_text(written)
    together, _ = read_study_file(Path("one.toml"))
    assert together.digest({}) == apart.digest({})
    Path("consent.txt").write_text("Other words.")
    assert read_study_file(Path("study.toml"))[0].digest({}) != apart.digest({})


def empty(path: Path) -> None:
    path.write_text(" \n")


def long(path: Path) -> None:
    path.write_bytes(b"a" * (64 * 1024 + 1))


def latin(path: Path) -> None:
    path.write_bytes(b"caf\xe9")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def nul(path: Path) -> None:
    path.write_bytes(b"a\0b")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (Path.unlink, "no such file, expected a text file (UTF-8)"),
        (empty, "is empty, expected a text"),
        (long, "has 65537 bytes, expected at most 65536"),
        (latin, "byte 3 is not UTF-8"),
        (pipe, "is a FIFO, expected a regular file"),
        (nul, r"holds the control character '\x00'"),
    ],
)
def test_a_file_that_cannot_be_taken_is_one_line(folder: Path, spoil, words: str) -> None:
    spoil(Path("consent.txt"))
    with pytest.raises(StudyFileError) as refusal:
        read_study_file(Path("study.toml"))
    said = str(refusal.value)
    assert said.startswith("study.toml: study.consent.en: consent.txt: ")
    assert words in said
    assert "\n" not in said


def test_a_file_per_language_does_not_excuse_a_language_that_is_missing(folder: Path) -> None:
    text = Path("study.toml").read_text().replace(', zh = "同意。"', "")
    Path("study.toml").write_text(text)
    with pytest.raises(StudyFileError, match=r"study.consent has no text in 'zh', which the study"):
        read_study_file(Path("study.toml"))


def test_only_texts_are_read_from_files(folder: Path, study_text: str) -> None:
    for old, new in (
        ('contact = "the laboratory"', 'contact = "file:consent.txt"'),
        ('title = "A small study"', 'title = "A study of file: names"'),
    ):
        file = parse_study_file(study_text.replace(old, new), "study.toml")
        assert "file:" in file.study.contact + str(file.study.title)


@pytest.mark.parametrize("texts", ["", '[texts]\n"other.txt" = "words"\n', "texts = 3\n"])
def test_a_stored_text_that_is_missing_is_one_line(study_text: str, texts: str) -> None:
    text = study_text.replace('"A small study"', '"file:title.txt"')
    text = texts + text if texts.startswith("texts") else text + texts
    with pytest.raises(StudyFileError, match=r"^x: .*\[texts\]"):
        parse_study_file(text, "x")


def test_a_study_of_before_keeps_words_that_look_like_a_file(study_text: str) -> None:
    text = study_text.replace('"A small study"', '"file:title.txt"')
    file: StudyFile = parse_study_file(text, "x", stored=True)
    assert file.study.title == "file:title.txt"
