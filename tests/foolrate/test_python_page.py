"""docs/python.md and the notebook do what they show, and the page names all there is."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import pytest

import foolrate
from analysis.report.results.schema import read_results

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOOLRATE_CACHE", str(tmp_path / "cache"))
    matplotlib.use("Agg")


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does; return the value of its last expression, if it has one."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is None:
        return None
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


@pytest.mark.slow
def test_every_example_of_the_page_runs(tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    for block in BLOCKS:
        run_cell(block, names)
    plt.close("all")
    assert len(BLOCKS) >= 7
    assert (tmp_path / "rates.pdf").stat().st_size > 1000
    assert read_results(tmp_path / "report" / "results.json").title == "Three models"


@pytest.mark.slow
def test_the_notebook_goes_from_a_table_to_the_report(tmp_path: Path) -> None:
    notebook = json.loads((DOCS / "first-five-minutes.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    shown = []
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])  # format 4.5
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            value = run_cell("".join(cell["source"]), names)
            if hasattr(value, "_repr_html_"):
                shown.append(value._repr_html_())
    plt.close("all")
    assert len(shown) >= 6
    assert all("<table" in html for html in shown)
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Three models" in page
    assert "SIMULATED" in page


def test_every_public_name_is_on_the_page() -> None:
    for name in foolrate.__all__:
        assert re.search(rf"fr\.{name}\b", PAGE), name
        assert getattr(foolrate, name).__doc__
