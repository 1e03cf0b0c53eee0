"""The papers' numbers: only checked ones, each with source and label, beside measured ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from analysis.report.text.metric_view import published_view
from analysis.report.text.published import published_rows

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


def measured() -> Any:
    values = [
        SimpleNamespace(key="mine", name=name, value=value)
        for name, value in (("top1", 0.683), ("top5", 0.88), ("psnr", 24.5))
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


def test_a_classifier_trained_on_samples_is_another_quantity() -> None:
    tables = dict(published_view(measured()))
    assert tables[CAS]["measured"] == []
    (row,) = tables["ImageNet 64→256: scores"]["measured"]
    assert 24.5 in row["values"]
