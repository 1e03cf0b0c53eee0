"""A made-up study export with small images, and its results, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_study import ITEMS, SMALL, rows, write_export, write_images

from analysis.report.figures.plates import Plates, draw_plates
from analysis.report.results.assemble import assemble
from analysis.report.results.inputs.album import open_album
from analysis.report.results.inputs.scores import Measured
from analysis.report.results.inputs.sources import merge, read_source
from analysis.report.results.schema import Results
from analysis.report.text.published import published_rows
from generators.manifest import open_run


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/ and export/: 2 conditions x 12 raters x 12 items."""
    root = tmp_path_factory.mktemp("study")
    for seed, name in enumerate(("real", *SMALL)):
        write_images(root / "runs" / name, ITEMS, seed=seed)
    digests = {name: open_run(root / "runs" / name).digest() for name in ("real", *SMALL)}
    conditions = {
        name: {"run": f"../runs/{name}", "run_digest": digests[name], "generator": name}
        for name in SMALL
    }
    reference = {"run": "../runs/real", "run_digest": digests["real"]}
    made = rows(ITEMS, rates=SMALL, raters=12, trials=12)
    return write_export(root / "export", made, conditions=conditions, reference=reference)


@pytest.fixture(scope="session")
def results(export: Path) -> Results:
    """The results of the export, without scores."""
    merged = merge([read_source(export)])
    return assemble(merged, open_album(merged, {}, None), Measured(), published_rows())


@pytest.fixture(scope="session")
def plates(results: Results) -> Plates:
    """The figures of the results."""
    return draw_plates(results)


@pytest.fixture
def drawn(plates: Plates, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a report take the figures of `results`, and write no image files: of tests of words.

    Drawing is more than half of a report's time.
    """
    monkeypatch.setattr("analysis.report.build.draw_plates", lambda _: plates)
    monkeypatch.setattr("analysis.report.build.figure_files", lambda *_: {})
