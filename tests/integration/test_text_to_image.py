"""The guide's text-to-image study, as it stands there: two folders, a table of prompts."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import manage
from analysis.report.results.schema import read_results

GUIDE = Path(__file__).parents[2] / "docs" / "study.md"
ITEMS = 16


def section() -> str:
    text = GUIDE.read_text(encoding="utf-8")
    return text.split("### Text to image, step by step")[1].split("\n### ")[0]


def write_inputs(folder: Path) -> None:
    draws = np.random.default_rng(7)
    for model in ("ours", "theirs"):
        (folder / "my" / model).mkdir(parents=True)
        for item in range(ITEMS):
            pixels = draws.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "my" / model / f"shape-{item:02d}.png")
    rows = [f'shape-{item:02d},"a shape, number {item}, 水"' for item in range(ITEMS)]
    table = "\r\n".join(["id,prompt", *rows, ""])
    (folder / "my" / "prompts.csv").write_bytes(b"\xef\xbb\xbf" + table.encode())


def passed_by_the_audit(command: str) -> None:
    """Run the guide's audit on few pairs."""
    for seed in ("1", "2"):  # one interval in twenty excludes chance by chance; not two
        code = manage.run([*command.split(), "--pairs", "40", "--seed", seed])
        if code == 0:
            break
    assert code == 0


@pytest.mark.integration
@pytest.mark.slow
def test_the_guides_study_runs_from_the_study_file_to_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    toml, commands = re.findall(r"```(?:toml)?\n(.+?)```", section(), re.DOTALL)
    study = tmp_path / "my" / "shapes.toml"
    study.write_text(toml.replace("trials = 10 ", "trials = 12 "), encoding="utf-8")
    create, audit, *others = [
        line.removeprefix("python manage.py ") for line in commands.split("\n")
    ]
    assert manage.run(create.split()) == 1
    assert capsys.readouterr().err.endswith(
        "error: my/shapes.toml: design.trials is 12, expected at most 10: 16 items less 4 for"
        " practice and 2 for catch trials\n"
    )
    study.write_text(toml, encoding="utf-8")
    assert manage.run(create.split()) == 0
    said = capsys.readouterr()
    assert f"note: the prompts of 16 images come from {tmp_path}/my/prompts.csv\n" in said.err
    assert "questions: alignment, realism," in said.out
    passed_by_the_audit(audit)
    assert "# Audit of shapes version 1" in (tmp_path / "audit" / "audit.md").read_text()
    said = capsys.readouterr()
    assert "warning: 16 items are too few for pixel probes, expected 20\n" in said.out
    assert "Nothing on the way to the browser tells; the pixels were not probed." in said.out
    for command in filter(None, others):
        assert manage.run(command.split()) == 0, command
    results = read_results(tmp_path / "report" / "results.json")
    assert [each.key for each in results.rankings] == ["alignment", "realism"]
    assert results.simulated
    assert "under a text prompt" in (tmp_path / "report" / "methods.md").read_text()
