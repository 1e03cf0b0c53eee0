"""`metrics add`: other programs' scores in the same files, and what is refused."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from generators.files import alone_in, in_turn
from manage import run
from metrics import scores
from metrics.compute import foreign
from metrics.errors import ScoreError
from metrics.scores import (
    difference,
    different_counts,
    read_per_image,
    read_scores,
    values_of,
)

HEAD = "item,metric,value,direction,source\n"
GOOD = (
    HEAD + "a,niqe,4.5,lower,pyiqa 0.1.14\nb,niqe,5.5,lower,pyiqa 0.1.14\n"
    "a,clip_score,0.25,higher,open_clip ViT-B-32\nb,clip_score,0.35,higher,open_clip ViT-B-32\n"
)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    random = np.random.default_rng(2)
    for folder, suffix in (("real", ""), ("fake", ""), ("other", ""), ("x4", "_x4")):
        (tmp_path / folder).mkdir()
        for name in "ab":
            pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{name}{suffix}.png")
    monkeypatch.chdir(tmp_path)
    Path("good.csv").write_text(GOOD)
    return tmp_path


def add(table: str | bytes = GOOD, folder: str = "fake") -> int:
    data = table if isinstance(table, bytes) else table.encode()
    Path("table.csv").write_bytes(data)
    return add_file("table.csv", folder)


def add_file(table: str, folder: str = "fake") -> int:
    return run(["metrics", "add", folder, "--csv", table])


def compute(folder: str = "fake") -> int:
    arguments = ["metrics", "compute", folder, "--reference", "real", "--cache", "cache"]
    return run([*arguments, "--metrics", "psnr"])


def test_scores_are_added_and_kept(runs: Path) -> None:
    assert compute() == 0
    psnr = read_scores(Path("fake.scores")).score("psnr")
    assert add() == 0
    for _ in range(2):  # the second time after `compute` has written both files anew
        file, columns = read_scores(Path("fake.scores")), read_per_image(Path("fake.scores"))
        assert [score.name for score in file.scores] == ["psnr", "niqe", "clip_score"]
        assert file.score("psnr") == psnr
        niqe = file.score("niqe")
        assert (niqe.value, niqe.direction, niqe.n) == (5.0, "lower", 2)
        assert niqe.settings == {"source": "pyiqa 0.1.14"}
        assert columns["niqe"] == {"a": 4.5, "b": 5.5}
        assert columns["clip_score"] == {"a": 0.25, "b": 0.35}
        assert len(columns["psnr"]) == 2
        assert compute() == 0


@pytest.mark.parametrize("first", ["add", "compute"])
def test_two_at_once_lose_nothing(runs: Path, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """A second `add` begins when the first command has read the files and not yet written them."""
    rows = GOOD.splitlines(keepends=True)[1:]
    for name, two in {"niqe": rows[:2], "clip": rows[2:]}.items():
        Path(f"{name}.csv").write_text(HEAD + "".join(two))
    write, second = scores.write_scored, list[Future[int]]()
    with ThreadPoolExecutor(1) as beside:

        def late(*files: Any) -> None:
            if not second:
                second.append(beside.submit(add_file, "niqe.csv"))
                wait(second, 0.5)
            write(*files)

        for module in (foreign, scores):
            monkeypatch.setattr(module, "write_scored", late)
        assert (compute() if first == "compute" else add_file("clip.csv")) == 0
    assert second[0].result() == 0
    file, columns = read_scores(Path("fake.scores")), read_per_image(Path("fake.scores"))
    expected = {"niqe", "psnr" if first == "compute" else "clip_score"}
    assert {score.name for score in file.scores} == columns.keys() == expected


def test_a_folder_that_a_training_holds_is_left_alone(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "in_turn", partial(in_turn, patience=0.0))
    with alone_in(Path("fake.scores")):
        assert add() == 1
    words = "fake.scores: cannot be written (another process is at work in it, try again later)"
    assert words in capsys.readouterr().err
    assert not Path("fake.scores").exists()
    assert add() == 0


def test_a_second_table_replaces_its_own_metrics_only(runs: Path) -> None:
    assert add() == 0
    assert add(HEAD + "a,niqe,1,lower,other\nb,niqe,2,lower,other\n") == 0
    file = read_scores(Path("fake.scores"))
    assert file.score("niqe").value == 1.5
    assert file.score("clip_score").value == pytest.approx(0.3)


def test_scores_of_other_images_are_neither_joined_nor_kept(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add() == 0
    Path("other/a.png").replace("fake/a.png")
    assert add() == 1
    assert "holds scores of images with digest" in capsys.readouterr().err
    assert compute() == 0
    assert [score.name for score in read_scores(Path("fake.scores")).scores] == ["psnr"]


def test_ids_of_a_run_whose_names_have_a_suffix(runs: Path) -> None:
    assert compute("x4") == 0  # pairs a_x4 with a
    table = GOOD.replace("\na,", "\na_x4,").replace("\nb,", "\nb_x4,")
    assert add(table, "x4") == 0
    columns = read_per_image(Path("x4.scores"))
    assert columns["niqe"] == {"a": 4.5, "b": 5.5}
    assert columns["psnr"].keys() == {"a", "b"}


@pytest.mark.slow
def test_two_sources_do_not_meet_in_one_table(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add() == 0
    assert add(folder="other") == 0
    assert run(["metrics", "table", "fake.scores", "other.scores"]) == 0
    shown = capsys.readouterr().out
    assert "niqe ↓" in shown
    assert "clip_score ↑" in shown
    assert add(GOOD.replace("pyiqa 0.1.14", "pyiqa 0.1.10"), "other") == 0
    assert run(["metrics", "table", "fake.scores", "other.scores"]) == 1
    assert "setting source is 'pyiqa 0.1.14' and 'pyiqa 0.1.10'" in capsys.readouterr().err


def with_ids(*ids: str) -> str:
    rows = [f"{item},niqe,{4 + place},lower,p 1" for place, item in enumerate(ids)]
    return "\n".join([HEAD.strip(), *rows, ""])


LONG = "n" * 81
Refused = dict[str, tuple[str | bytes, str]]
NUMBERS: Refused = {
    f"value {value!r}": (GOOD.replace("4.5", value, 1), "line 2: value is ")
    for value in ("good", "nan", "inf", "1e400", "1e200", "", " ", "1_000", "٤", "0x1p3", '"4,5"')
}
REFUSED: Refused = NUMBERS | {
    "columns": ("item,metric,value\na,niqe,1\n", "the columns are 'item,metric,value', expected"),
    "semicolons": (GOOD.replace(",", ";"), "the columns are 'item;metric;value;direction;source'"),
    "no rows": (HEAD, "holds no rows"),
    "no bytes": ("", "the columns are '', expected 'item,metric"),
    "UTF-16": (GOOD.encode("utf-16"), "line 1: holds the byte 0xff, expected CSV text in UTF-8"),
    "UTF-16, bare": (GOOD.encode("utf-16-le"), "line 1: holds the byte 0x00, expected CSV text"),
    "Latin-1": (GOOD.replace("pyiqa", "é").encode("latin-1"), "line 2: holds the byte 0xe9"),
    "quote": (HEAD + 'a,niqe,"4\n', "not CSV"),
    "cells": (GOOD.replace("4.5", "4,5", 1), "line 2 has 6 cells, expected 5"),
    "cut short": (GOOD[:-40], "line 5 has 2 cells"),
    "half": (
        GOOD.replace("b,niqe,5.5,lower,pyiqa 0.1.14\n", ""),
        "1 item has no value of niqe: 'b'",
    ),
    "stranger": (GOOD.replace("\nb,niqe", "\nb.png,niqe"), "has 1 item that fake has not: 'b.png'"),
    "zeros lost": (
        with_ids("1", "2"),
        "niqe has 2 items that fake has not: '1', '2'; its items are 'a'",
    ),
    "twice": (GOOD.replace("\nb,niqe", "\na,niqe"), "line 3: niqe of item 'a' stands there twice"),
    "twice, spaces": (with_ids("a", "a ", "b"), "niqe of item 'a' stands there twice"),
    "downwards": (
        GOOD.replace("4.5,lower", "4.5,down", 1),
        "line 2: direction is 'down', expected",
    ),
    "both ways": (
        GOOD.replace("5.5,lower", "5.5,higher"),
        "line 3: direction of niqe is 'higher', ab",
    ),
    "two sources": (
        GOOD.replace("5.5,lower,pyiqa 0.1.14", "5.5,lower,x"),
        "line 3: source of niqe",
    ),
    "no source": (
        GOOD.replace("4.5,lower,pyiqa 0.1.14", "4.5,lower,"),
        "line 2: the source is empty",
    ),
    "escape": (
        GOOD.replace("pyiqa", "\x1b[31m"),
        "line 2: source is '\\x1b[31m 0.1.14', expected a li",
    ),
    "long": (GOOD.replace("niqe", LONG), f"line 2: metric is '{LONG[:80]}', expected letters"),
    "no name": (GOOD.replace("niqe", "n iqe"), "line 2: metric is 'n iqe', expected letters"),
    "formula": (GOOD.replace("niqe", "=1+1"), "line 2: metric is '=1+1', expected letters"),
    "taken": (
        GOOD.replace("niqe", "psnr"),
        "line 2: metric is 'psnr', and psnr is one that foolrate",
    ),
    "capitals": (GOOD.replace("niqe", "PSNR-Y"), "line 2: metric is 'PSNR-Y', and psnr_y is one"),
    "printed so": (GOOD.replace("niqe", "IS"), "metric is 'IS', and inception_score is one that"),
    "ids": (
        GOOD.replace("niqe", "item_id"),
        "metric is 'item_id', which is the name of the column",
    ),
    "two names": (GOOD.replace("b,niqe", "b,NIQE"), "metric is 'NIQE', and there is 'niqe', too"),
}


def test_a_table_that_cannot_be_right_is_refused_in_a_line_and_nothing_is_written(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for what, (table, words) in REFUSED.items():
        assert add(table) == 1, what
        error = capsys.readouterr().err
        assert error.count("\n") == 1, what
        assert error.startswith("error: table.csv: "), what
        assert words in error, what
        assert not Path("fake.scores").exists(), what
    for place, found in {"none.csv": "No such file", "real": "is a folder, expected"}.items():
        assert run(["metrics", "add", "fake", "--csv", place]) == 1
        assert f"{place}: cannot be read ({found}" in capsys.readouterr().err
    assert add(GOOD) == 0
    before = {path: path.read_bytes() for path in Path("fake.scores").iterdir()}
    assert add(GOOD.replace("niqe", "NIQE")) == 1
    assert "table.csv: metric is 'NIQE', and there is 'niqe', too" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Path("fake.scores").iterdir()} == before


@pytest.mark.slow
def test_what_spreadsheets_and_other_systems_make_of_a_table_is_understood(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for ids in (("é 1", "=b"), ("e\u0301 1", "'=b"), (" é 1", "=b "), ("é 1.png", "=b.png")):
        pixels = np.zeros((16, 16, 3), np.uint8)
        Path("odd").mkdir(exist_ok=True)
        for name in ("é 1", "=b"):
            Image.fromarray(pixels).save(f"odd/{name}.png")
        for table in (with_ids(*ids), "\ufeff" + with_ids(*ids).replace("\n", "\r\n")):
            assert add(table, "odd") == 0
            assert read_per_image(Path("odd.scores"))["niqe"] == {"=b": 5, "é 1": 4}
    assert "names are {id}.png" in capsys.readouterr().out


def test_values_of_images_that_were_not_computed_with_the_scores_are_not_mixed_with_them(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compute() == 0
    place, first = Path("fake.scores"), Path("fake.scores/per_image.csv").read_bytes()
    file = read_scores(place)
    assert values_of(file, place).keys() == {"psnr"}
    bordered = ["metrics", "compute", "fake", "--reference", "real", "--cache", "cache"]
    bordered += ["--metrics", "psnr", "--border", "4"]
    assert run([*bordered, "--json", "four.json"]) == 0  # leaves the other file's values alone
    assert Path("fake.scores/per_image.csv").read_bytes() == first
    assert run(["metrics", "table", "fake.scores", "four.json"]) == 1
    assert "setting border is 0 and 4" in capsys.readouterr().err
    assert run(bordered) == 0
    with pytest.raises(ScoreError, match=r"psnr of 2 images has the mean .* not computed together"):
        values_of(file, place)
    assert values_of(file.model_copy(update={"scores": ()}), place) == {}
    (place / "per_image.csv").write_text("item_id,psnr,psnr\na,1,2\n")
    with pytest.raises(ScoreError, match="two columns 'psnr'"):
        read_per_image(place)
    up = file.scores[0].model_copy(update={"direction": "lower", "n": 3})
    assert difference(file.scores[0], up) == "direction is 'higher' and 'lower'"
    assert different_counts({"x": file.scores[0], "y": up}) == "of 2 images in x, 3 images in y"
    assert different_counts({"x": up, "y": up}) is None
