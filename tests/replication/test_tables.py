"""Tables: the papers' rows are the papers' own, and ours stand under those they belong to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from generators.files import file_sha256
from generators.manifest import Item, Manifest, write_manifest
from replication.results.measured import Measured, column, fool_rates
from replication.results.notes import shortfall_notes
from replication.results.schema import Cell, Table
from replication.results.tables import table_of
from replication.stages import systems
from replication.stages.making import ROOT
from replication.stages.systems import CLASSES, FACES, PHOTOS, System

SR3 = System("sr3", "SR3, ours", "demo-sr3.toml", "SR3")
BICUBIC = System("bicubic", "bicubic", "demo-bicubic.toml")

# Read from the papers: Saharia et al., arXiv 2104.07636v2, Table 1 and section 4.3; Table 3.
PAPER = {
    "Faces 16→128: scores": {
        "PULSE": {"PSNR": 16.88, "SSIM": 0.44, "consistency": 161.1},
        "FSRGAN": {"PSNR": 23.01, "SSIM": 0.62, "consistency": 33.8},
        "Regression": {"PSNR": 23.96, "SSIM": 0.69, "consistency": 2.71},
        "SR3": {"PSNR": 23.04, "SSIM": 0.65, "consistency": 2.68},
    },
    "Natural images 64→256: fool rate, %": {
        "Regression": {"fool rate, Task-1": 16.8, "fool rate, Task-2": 13.4},
        "SR3": {"fool rate, Task-1": 38.8, "fool rate, Task-2": 39.0},
    },
    "ImageNet 56→224: classification error": {
        "baseline": {"top-1 error": 0.252, "top-5 error": 0.080},
        "DRCN": {"top-1 error": 0.477, "top-5 error": 0.242},
        "FSRCNN": {"top-1 error": 0.437, "top-5 error": 0.196},
        "PsyCo": {"top-1 error": 0.454, "top-5 error": 0.224},
        "ENet-E": {"top-1 error": 0.449, "top-5 error": 0.214},
        "RCAN": {"top-1 error": 0.393, "top-5 error": 0.167},
        "Regression": {"top-1 error": 0.383, "top-5 error": 0.173},
        "SR3": {"top-1 error": 0.317, "top-5 error": 0.120},
    },
}


def published(table: Table) -> dict[str, dict[str, float]]:
    """Return system -> column -> value of the published rows."""
    return {
        row.system: {name: cell.value for name, cell in row.cells.items()}
        for row in table.rows
        if not row.measured
    }


@pytest.mark.parametrize("title", PAPER)
def test_published_rows_are_the_papers(title: str) -> None:
    assert published(table_of("t", title, [])) == PAPER[title]


def test_a_value_of_secondary_notes_is_marked() -> None:
    table = table_of("t", "Faces 16→128: fool rate, %", [])
    rows = {row.system: row.cells for row in table.rows}
    assert rows["SR3"]["fool rate, Task-1"].verified == "S"
    assert rows["SR3"]["fool rate, Task-2"].verified == "V"
    assert "fool rate, Task-1" not in rows["Regression"]  # known only from memory


def test_a_measured_row_stands_under_its_published_one_and_strangers_last() -> None:
    ours = Measured({"PSNR": Cell(27.0, 26.0, 28.0)}, "80 images")
    table = table_of("t", "Faces 16→128: scores", [(BICUBIC, ours), (SR3, ours)])
    names = [(row.system, row.measured) for row in table.rows]
    assert names[-3:] == [("SR3", False), ("SR3, ours", True), ("bicubic", True)]


def test_a_system_without_weights_is_a_published_row_only() -> None:
    table = table_of("t", "Faces 16→128: scores", [])
    assert [row.measured for row in table.rows] == [False] * 4


def test_columns_of_ours_come_after_the_papers_and_know_what_is_better() -> None:
    ours = Measured({"PSNR": Cell(27.0), column("lpips_alex"): Cell(0.07)}, "80 images")
    table = table_of("t", "Faces 16→128: scores", [(SR3, ours)])
    assert table.columns == ("PSNR", "SSIM", "consistency", "LPIPS, AlexNet")
    ways = {"PSNR": "higher", "SSIM": "higher", "consistency": "lower", "LPIPS, AlexNet": "lower"}
    assert table.better == ways


@pytest.mark.parametrize("system", [*PHOTOS, *FACES, *CLASSES], ids=lambda one: one.run)
def test_the_weights_of_every_system_are_known(system: System) -> None:
    """Or one whose weights do not ship would be taken for ready."""
    assert system.file.is_file()
    assert bool(system.checkpoints) == (system.name != "bicubic")
    keys = {"checkpoint"}
    assert set(values(system.config(), keys)) <= {
        str(p.relative_to(ROOT)) for p in system.checkpoints
    }


def values(fields: Any, keys: set[str]) -> Iterator[str]:
    for key, inner in fields.items() if isinstance(fields, dict) else enumerate(fields):
        if key in keys:
            yield inner
        elif isinstance(inner, dict | list):
            yield from values(inner, keys)


def test_a_system_is_there_only_with_all_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systems, "ROOT", tmp_path)
    learned = [one for one in (*FACES, *CLASSES) if one.name != "bicubic"]
    for system in learned:
        system.file.parent.mkdir(exist_ok=True)
        system.file.write_bytes((ROOT / "runs" / system.run).read_bytes())
        for path in system.checkpoints:
            assert not system.here
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        assert system.here
        for path in system.checkpoints:
            path.unlink()
    assert not systems.here(tuple(learned))


def test_the_weights_of_the_photos_ship() -> None:
    assert all(system.here for system in PHOTOS)


def test_searches_that_did_not_converge_are_counted_under_the_table(tmp_path: Path) -> None:
    for system, lacks in ((SR3, None), (BICUBIC, "search did not converge: error .1, sought .01")):
        folder = tmp_path / system.name
        folder.mkdir()
        Image.new("RGB", (8, 8)).save(folder / "a.png")
        item = Item(
            id="a", file="a.png", sha256=file_sha256(folder / "a.png"), width=8, height=8,
            shortfall=lacks,
        )  # fmt: skip
        write_manifest(folder, Manifest(generator="fake", items=(item,)))
    assert shortfall_notes(tmp_path, [SR3, BICUBIC]) == [
        "bicubic: 1 of 1 images fall short (a: search did not converge: error .1, sought .01)."
    ]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"raters": 2, "trials": 8}, "2 raters, 8 trials in each task"),
        ({"raters": 1, "trials": 4}, "Task-1: 2 raters, 8 trials; Task-2: 1 rater, 4 trials"),
        (None, "2 raters, 8 trials"),
    ],
)
def test_a_row_says_on_how_many_raters_of_each_task_it_rests(
    tmp_path: Path, second: dict[str, int] | None, words: str
) -> None:
    first = {"condition": "pulse", "task": "task1", "rate": 0.25, "low": None, "high": None}
    first |= {"raters": 2, "trials": 8, "simulated": False}
    rows = [first] + ([] if second is None else [first | {"task": "task2"} | second])
    (tmp_path / "rates.json").write_text(json.dumps({"fool_rates": rows}))
    assert fool_rates(tmp_path / "rates.json")["pulse"].rests_on == words
