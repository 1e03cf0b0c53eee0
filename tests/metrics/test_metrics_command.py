"""What `metrics` refuses before any work, and how its tables fit a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manage import run
from metrics.scores import read_scores


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    for role in ("real", "fake"):
        (tmp_path / role).mkdir()
        for index in range(3):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / role / f"{index}.png")
    return tmp_path


def compute(folders: Path, *options: str) -> int:
    arguments = ["metrics", "compute", str(folders / "fake"), "--reference", str(folders / "real")]
    return run([*arguments, "--cache", str(folders / "cache"), *options])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--border", "-1"], "-1 is not in the range x>=0"),
        (["--workers", "0"], "0 is not in the range x>=1"),
        (["--workers", "-3"], "-3 is not in the range x>=1"),
        (["--metrics", ""], "an empty word after --metrics"),
        (["--preset", "sr-y4", "--border", "0"], "--preset sr-y4 sets --border"),
        (["--preset", "sr-y4", "--metrics", "psnr"], "--preset sr-y4 sets --metrics"),
        (["--k", "0"], "0 is not in the range x>=1"),
        (["--metrics", " , "], "--metrics is empty"),
    ],
)
def test_wrong_usage_is_said_and_exits_with_2(
    folders: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert compute(folders, *options) == 2
    assert words in capsys.readouterr().err
    assert not (folders / "cache").exists()


def test_a_border_that_leaves_nothing_is_refused(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compute(folders, "--border", "16", "--metrics", "psnr") == 1
    assert "psnr: needs at least 33 pixels a side with a border of 16" in capsys.readouterr().err


def test_the_preset_of_super_resolution_scores_luma_without_four_pixels(folders: Path) -> None:
    assert compute(folders, "--preset", "sr-y4") == 0
    scores = read_scores(folders / "fake.scores").scores
    assert [score.name for score in scores] == ["psnr_y", "ssim_y"]
    for score in scores:
        assert score.settings["border"] == 4
        assert score.settings["channels"] == "Y (BT.601, 16..235)"


@pytest.mark.parametrize("option", ["-o", "--json"])
def test_the_place_of_the_scores_is_tried_before_the_work(
    folders: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    place = Path("/proc/nowhere") / ("scores.json" if option == "--json" else "out")
    assert compute(folders, option, str(place)) == 1
    error = capsys.readouterr().err
    assert str(place) in error
    assert "cannot be written" in error
    assert not (folders / "cache").exists()


def test_a_file_in_the_place_of_the_folder_is_said_before_the_work(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "fake.scores").write_text("mine")
    assert compute(folders) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert not (folders / "cache").exists()
    assert (folders / "fake.scores").read_text() == "mine"


@pytest.mark.parametrize("command", ["statistics", "cas"])
def test_other_commands_try_their_place_first_too(
    folders: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    rest = {
        "statistics": [str(folders / "real"), "/proc/nowhere/real.npz"],
        "cas": [str(folders / "none.toml"), "-o", "/proc/nowhere"],
    }[command]
    assert run(["metrics", command, *rest]) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_tables_print_on_terminals_that_are_not_utf8(encoding: str) -> None:
    ran = subprocess.run(
        [sys.executable, "manage.py", "metrics", "list"],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "^ psnr" in ran.stdout.decode(encoding)
    assert "\n\nneeds low-resolution inputs (--lr)\n" in ran.stdout.decode(encoding)


@pytest.mark.slow
def test_names_and_numbers_are_whole_on_a_narrow_terminal(
    folders: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    (folders / "fake").rename(folders / "a-run-with-quite-a-long-name-of-its-own")
    names = "psnr,psnr_y,ssim,effnet_fd,effnet_kid"
    run_folder = folders / "a-run-with-quite-a-long-name-of-its-own"
    arguments = ["metrics", "compute", str(run_folder), "--reference", str(folders / "real")]
    arguments += ["--cache", str(folders / "cache"), "--metrics", names]
    assert run([*arguments, "-o", str(folders / "out")]) == 0
    assert run(["metrics", "table", str(folders / "out")]) == 0
    assert "…" not in capsys.readouterr().out


@pytest.mark.slow
def test_statistics_of_others_say_what_they_lack(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(folders / "fid.npz", mu=np.zeros(2048), sigma=np.eye(2048))
    arguments = ["metrics", "compute", str(folders / "fake"), "--metrics", "effnet_fd"]
    assert run([*arguments, "--reference", str(folders / "fid.npz")]) == 1
    error = capsys.readouterr().err
    assert "holds mu and sigma, and neither which network" in error
    assert "`metrics statistics IMAGES OUT.npz`" in error
