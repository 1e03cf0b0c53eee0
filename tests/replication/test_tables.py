"""Tables: the papers' rows are the papers' own, and ours stand under those they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from replication.results.measured import Measured, column
from replication.results.schema import Cell, Table
from replication.results.tables import table_of
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
    keys = {"checkpoint", "autoencoder", "top", "bottom"}
    assert set(values(system.config(), keys)) <= {
        str(p.relative_to(ROOT)) for p in system.checkpoints
    }


def values(fields: Any, keys: set[str]) -> Iterator[str]:
    for key, inner in fields.items() if isinstance(fields, dict) else enumerate(fields):
        if key in keys:
            yield inner
        elif isinstance(inner, dict | list):
            yield from values(inner, keys)


def test_every_system_names_a_preset_and_weights_that_ship() -> None:
    assert all(system.here for system in PHOTOS)
