"""Scores that `metrics add` took in are correlated with people and reported, with their source."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from report_study import ITEMS, SMALL

from analysis.report.results.assemble import assemble
from analysis.report.results.inputs.album import open_album
from analysis.report.results.inputs.scores import read_measured
from analysis.report.results.inputs.sources import merge, read_source
from analysis.report.text.metric_view import metric_view
from analysis.report.text.tables import csv_tables
from generators.manifest import open_run
from manage import run
from metrics.scores import SCORES, read_scores, write_scores


@pytest.fixture
def scored(export: Path, tmp_path: Path) -> list[Path]:
    """Return the folders of scores of both conditions, with NIQE of another program only."""
    places = []
    for seed, name in enumerate(SMALL):
        drawn = np.random.default_rng(seed).uniform(3, 6, len(ITEMS))
        values = dict(zip(ITEMS, drawn.tolist(), strict=True))
        rows = [f"{item},niqe,{value!r},lower,pyiqa 0.1.14" for item, value in values.items()]
        table = tmp_path / f"{name}.csv"
        table.write_text("\n".join(["item,metric,value,direction,source", *rows, ""]))
        place = tmp_path / f"{name}.scores"
        folder = str(export.parent / "runs" / name)
        assert run(["metrics", "add", folder, "--csv", str(table), "-o", str(place)]) == 0
        places.append(place)
    return places


@pytest.mark.slow
def test_they_are_correlated_with_people(
    export: Path, scored: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    scores = [word for place in scored for word in ("--scores", str(place))]
    table = str(export / "judgments.csv")
    capsys.readouterr()
    assert run(["analysis", "correlate", table, *scores, "--json", "-"]) == 0
    payload = json.loads(capsys.readouterr().out)
    assert {(each["metric"], each["condition"]) for each in payload["items"]} == {
        ("niqe", name) for name in SMALL
    }
    assert [each["direction"] for each in payload["items"]] == ["lower", "lower"]
    assert [each["metric"] for each in payload["pairs"]] == ["niqe"]


@pytest.mark.slow
def test_they_stand_in_the_report_with_their_source(export: Path, scored: list[Path]) -> None:
    merged = merge([read_source(export)])
    digests = {name: open_run(export.parent / "runs" / name).digest() for name in SMALL}
    measured = read_measured(scored, merged, dict(digests))
    results = assemble(merged, open_album(merged, {}, None), measured, ())
    view = metric_view(results)
    assert view["metric_columns"] == [("niqe", "↓", "")]
    assert view["metric_settings"] == [("niqe", "12 images, source pyiqa 0.1.14")]
    assert {each.metric for each in results.correlations} == {"niqe"}


@pytest.mark.slow
def test_metrics_of_different_settings_stand_in_one_csv(export: Path, scored: list[Path]) -> None:
    for place in scored:
        file = read_scores(place)
        other = file.scores[0].model_copy(update={"name": "fid", "settings": {"a": 1, "b": "x, y"}})
        write_scores(place / SCORES, file.model_copy(update={"scores": (*file.scores, other)}))
    merged = merge([read_source(export)])
    digests = {name: open_run(export.parent / "runs" / name).digest() for name in SMALL}
    measured = read_measured(scored, merged, dict(digests))
    results = assemble(merged, open_album(merged, {}, None), measured, ())
    table = csv_tables(results)["metrics.csv"].decode().splitlines()
    rows = list(csv.DictReader(table))
    assert [row["settings"] for row in rows] == ["source pyiqa 0.1.14", "a 1; b x, y"] * 2


@pytest.mark.slow
def test_images_without_values_are_said_beside_their_score(
    export: Path, scored: list[Path]
) -> None:
    table = scored[0] / "per_image.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], *(f"other-{line}" for line in lines[1:]), ""]))
    merged = merge([read_source(export)])
    digests = {name: open_run(export.parent / "runs" / name).digest() for name in SMALL}
    values = read_measured(scored, merged, dict(digests)).table.values
    said = f"0 of 12 judged images of {values[0].key} have a value in per_image.csv (other ids?)"
    assert [value.warnings for value in values] == [(said,), ()]
