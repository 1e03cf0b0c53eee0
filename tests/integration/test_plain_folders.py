"""Somebody's folders of PNGs, in a folder of theirs, from metrics to the report."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

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
[design]
raters = 4
trials = 8
[practice]
trials = 2
"""
DATABASE = ["--database", "sqlite:///study.sqlite3"]

pytestmark = pytest.mark.integration


@pytest.fixture(params=["", "_SRx4"], ids=["equal-names", "names-with-a-suffix"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return a working directory with 12 photos and their outputs, and no manifest anywhere."""
    (tmp_path / "real").mkdir()
    (tmp_path / "mine").mkdir()
    for photo in sorted((ROOT / "generators/photos/crops").glob("*.png"))[::8][:12]:
        shutil.copy(photo, tmp_path / "real")
        with Image.open(photo) as image:
            small = image.resize((64, 64), Image.Resampling.BICUBIC)
        small.resize((256, 256), Image.Resampling.BICUBIC).save(
            tmp_path / "mine" / f"{photo.stem}{request.param}.png"
        )
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path


def test_plain_folders_go_from_metrics_to_the_report(folder: Path) -> None:
    def manage(*words: str) -> None:
        command = [sys.executable, str(ROOT / "manage.py"), *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr

    manage("metrics", "compute", "mine", "--reference", "real")
    manage("study", "create", "study.toml", *DATABASE)
    manage("study", "simulate", "mine", "--raters", "4", "--seed", "3", *DATABASE)
    manage("study", "export", "mine", "-o", "export", *DATABASE)
    manage("report", "export", "--scores", "mine.scores/scores.json", "-o", "report")

    results = json.loads((folder / "report/results.json").read_text())
    assert results["simulated"] is True
    assert [model["label"] for model in results["models"]] == ["mine"]
    page = (folder / "report/report.html").read_text()
    assert "SIMULATED" in page
    assert page.count("data:image/webp") > 2  # photos and outputs were found under one id
    assert not list(folder.rglob("manifest.json"))
