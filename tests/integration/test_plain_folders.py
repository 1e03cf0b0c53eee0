"""Somebody's folders of PNGs, in a folder of theirs, from metrics to the report."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import manage

ROOT = Path(__file__).resolve().parents[2]
STUDY = """
[study]
id = "mine"
title = "My study"
tasks = ["task2"]
contact = "me"
[images]
reference = "real"
[conditions]
mine = "mine"
named = "named"
[design]
raters = 4
trials = 8
[practice]
trials = 2
"""
DATABASE = ["--database", "sqlite:///study.sqlite3"]

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a working directory with 12 photos and two folders of outputs, and no manifest.

    The outputs of one have the photos' names, those of the other a suffix.
    """
    for name in ("real", "mine", "named"):
        (tmp_path / name).mkdir()
    for photo in sorted((ROOT / "generators/photos/crops").glob("*.png"))[::8][:12]:
        shutil.copy(photo, tmp_path / "real")
        with Image.open(photo) as image:
            small = image.resize((64, 64), Image.Resampling.BICUBIC)
        output = small.resize((256, 256), Image.Resampling.BICUBIC)
        output.save(tmp_path / "mine" / f"{photo.stem}.png")
        output.save(tmp_path / "named" / f"{photo.stem}_SRx4.png")
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path


def test_plain_folders_go_from_metrics_to_the_report(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FOOLRATE_CACHE", str(folder / "cache"))
    # One command as a program of another folder, the others in this process.
    compute = ["metrics", "compute", "mine", "--reference", "real", "--metrics", "psnr,ssim"]
    first = [sys.executable, str(ROOT / "manage.py"), *compute]
    done = subprocess.run(first, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    scores = [word for name in ("mine", "named") for word in ("--scores", f"{name}.scores")]
    for words in (
        ["metrics", "compute", "named", "--reference", "real", "--metrics", "psnr,ssim"],
        ["study", "create", "study.toml", *DATABASE],
        ["study", "simulate", "mine", "--raters", "4", "--seed", "3", *DATABASE],
        ["study", "export", "mine", "-o", "export", *DATABASE],
        ["report", "export", *scores, "-o", "report"],
    ):
        assert manage.run(words) == 0, words

    results = json.loads((folder / "report/results.json").read_text())
    assert results["simulated"] is True
    assert {model["label"] for model in results["models"]} == {"mine", "named"}
    psnr = [each["value"] for each in results["metrics"]["values"] if each["name"] == "psnr"]
    assert psnr == [psnr[0]] * 2  # the same outputs, whatever they are called
    page = (folder / "report/report.html").read_text()
    assert "SIMULATED" in page
    assert page.count("data:image/webp") > 2  # photos and outputs were found under one id
    assert not list(folder.rglob("manifest.json"))
