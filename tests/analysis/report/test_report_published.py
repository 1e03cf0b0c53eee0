"""The papers' numbers: only checked ones, each with source and label, beside measured ones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analysis.errors import TableError
from analysis.report.results.inputs.scores import read_measured
from analysis.report.text.metric_view import published_view
from analysis.report.text.published import published_rows
from metrics.scores import Score, ScoredRun, ScoreFile, write_scores

ERRORS = "ImageNet 56→224: classification error"
CAS = "ImageNet 128: classification accuracy score"


def _value(table: str, system: str, quantity: str) -> tuple[float, str]:
    return next(
        (row.value, row.verified)
        for row in published_rows()
        if row.table.startswith(table) and (row.system, row.quantity) == (system, quantity)
    )


def test_rows_say_how_they_are_known() -> None:
    assert {row.verified for row in published_rows()} == {"V", "S"}
    assert all(
        row.source.startswith(("SR3, arXiv", "CDM, arXiv", "ADM, arXiv"))
        for row in published_rows()
    )


def test_values_of_the_papers() -> None:
    # SR3, arXiv 2104.07636v2: text of the human study, Tables 1 and 4; CDM, arXiv 2106.15282v3.
    assert _value("Faces 16→128: fool", "SR3", "fool rate, Task-2") == (47.4, "V")
    assert _value("Faces 16→128: fool", "SR3", "fool rate, Task-1") == (54.1, "S")
    assert _value("Natural", "Regression", "fool rate, Task-2") == (13.4, "V")
    assert _value("Faces 16→128: scores", "PULSE", "consistency") == (161.1, "V")
    assert _value("ImageNet 256, class", "VQ-VAE-2", "FID") == (38.1, "V")
    assert _value("ImageNet 256", "CDM", "FID, validation") == (4.63, "V")
    # ADM, arXiv 2105.05233: Tables 4 to 6.
    assert _value("ImageNet 256, guided", "ADM-G", "IS") == (186.70, "V")
    assert _value("ImageNet 256, guided", "ADM-G + upsampling", "FID") == (3.94, "V")
    assert _value("ImageNet 128, guided", "ADM-G", "FID") == (2.97, "V")
    assert _value("ImageNet 16→64", "truncated, s = 1001", "FID") == (2.13, "S")


def test_a_number_known_from_memory_alone_is_not_shipped() -> None:
    rows = [row for row in published_rows() if row.table.startswith("Faces 16→128: fool")]
    assert ("Regression", "fool rate, Task-1") not in {(row.system, row.quantity) for row in rows}


def measured(network: str = "resnet50") -> Any:
    found = {"top1": 0.683, "top5": 0.88, "psnr": 24.5, "cas_top1": 0.41, "cas_top5": 0.644}
    values = [
        SimpleNamespace(key="mine", name=name, value=value, settings={"network": network})
        for name, value in found.items()
    ]
    return SimpleNamespace(
        published=published_rows(),
        models=[SimpleNamespace(condition="mine", task="task2", rate=0.4)],
        metrics=SimpleNamespace(values=values),
        real_condition=None,
    )


def test_an_accuracy_is_shown_as_the_error_that_the_paper_has() -> None:
    tables = dict(published_view(measured()))
    assert tables[ERRORS]["quantities"] == ["top-1 error", "top-5 error"]
    (row,) = tables[ERRORS]["measured"]
    assert row["values"] == pytest.approx([0.317, 0.12])


def test_an_accuracy_score_stands_beside_the_papers_if_the_net_is_theirs() -> None:
    (row,) = dict(published_view(measured()))[CAS]["measured"]
    assert row["values"] == pytest.approx([41.0, 64.4])
    tables = dict(published_view(measured("resnet10")))
    assert tables[CAS]["measured"] == []
    (row,) = tables["ImageNet 64→256: scores"]["measured"]
    assert 24.5 in row["values"]


def test_two_files_of_a_run_are_one_row_unless_they_hold_one_metric(tmp_path: Path) -> None:
    paths = [tmp_path / "run.scores", tmp_path / "cas", tmp_path / "again"]
    for path, name in zip(paths, ("psnr", "cas_top1", "psnr"), strict=True):
        score = Score(name=name, value=0.5, direction="higher", unit="", n=9)
        run = ScoredRun(name="mine", folder="", digest="d")
        write_scores(path / "scores.json", ScoreFile(run=run, scores=(score,)))
    merged: Any = None  # there are no values of single images
    found = read_measured(paths[:2], merged, {"mine": "d"}).table.values
    assert [(value.key, value.name) for value in found] == [("mine", "psnr"), ("mine", "cas_top1")]
    with pytest.raises(TableError, match=r"again: psnr of mine stands in .*run\.scores, too"):
        read_measured(paths, merged, {"mine": "d"})
