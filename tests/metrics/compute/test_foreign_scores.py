"""`metrics add`: other programs' scores in the same files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manage import run
from metrics.scores import read_per_image, read_scores

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


def add(table: str = GOOD, folder: str = "fake") -> int:
    Path("table.csv").write_text(table, encoding="utf-8")
    return run(["metrics", "add", folder, "--csv", "table.csv"])


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


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("item,metric,value\na,niqe,1\n", "the columns are 'item,metric,value', expected 'item,m"),
        (HEAD, "holds no rows"),
        (GOOD.replace("4.5", "4,5", 1), "line 2 has 6 cells, expected 5"),
        (GOOD.replace("4.5", "good", 1), "line 2: value is 'good', expected a finite number"),
        (GOOD.replace("4.5", "nan", 1), "line 2: value is 'nan'"),
        (GOOD.replace("4.5,lower", "4.5,down", 1), "line 2: direction is 'down', expected higher"),
        (GOOD.replace("5.5,lower", "5.5,higher"), "line 3: direction of niqe is 'higher', above"),
        (GOOD.replace("5.5,lower,pyiqa 0.1.14", "5.5,lower,x"), "line 3: source of niqe is 'x'"),
        (GOOD.replace("4.5,lower,pyiqa 0.1.14", "4.5,lower,"), "line 2: the source is empty"),
        (GOOD.replace("\nb,niqe", "\na,niqe"), "line 3: niqe of item 'a' stands there twice"),
        (GOOD.replace("\nb,niqe", "\nb.png,niqe"), "niqe has 1 item that fake has not: b.png; its"),
        (GOOD.replace("b,niqe,5.5,lower,pyiqa 0.1.14\n", ""), "1 item has no value of niqe: b"),
        (GOOD.replace("niqe", "psnr"), "line 2: psnr is a metric that `metrics compute` makes"),
        (GOOD.replace("niqe", "n iqe"), "line 2: metric is 'n iqe', expected letters"),
        (HEAD + 'a,niqe,"4\n', "not CSV"),
    ],
)
def test_a_row_that_cannot_be_right_is_named_and_nothing_is_written(
    runs: Path, capsys: pytest.CaptureFixture[str], table: str, words: str
) -> None:
    assert add(table) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
    assert not Path("fake.scores").exists()


def test_a_table_that_is_not_there_is_named(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["metrics", "add", "fake", "--csv", "none.csv"]) == 1
    assert "none.csv: cannot be read" in capsys.readouterr().err
