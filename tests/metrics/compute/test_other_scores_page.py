"""The recipes of docs/other-scores.md, run where their package is installed; weights are not."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from benchmarks.support.torchvision_import import define_operators
from manage import run
from metrics.scores import read_scores

PAGE = (Path(__file__).parents[3] / "docs" / "other-scores.md").read_text(encoding="utf-8")
RECIPES = {
    re.search(r"import (pyiqa|open_clip)", code).group(1): code  # type: ignore[union-attr]
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
}
WITHOUT_WEIGHTS = {
    "pyiqa": ('"niqe"', '"entropy"'),
    "open_clip": ("pretrained=weights", "pretrained=None"),
}
METRIC = {"pyiqa": "entropy", "open_clip": "clip_score"}


def test_both_recipes_stand_on_the_page() -> None:
    assert RECIPES.keys() == METRIC.keys()
    for package, (old, _) in WITHOUT_WEIGHTS.items():
        assert RECIPES[package].count(old) == 1
        compile(RECIPES[package], package, "exec")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("package", METRIC)
def test_a_recipe_makes_a_table_that_is_taken(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    define_operators()
    pytest.importorskip(package, reason=f"outside the test environment: {package}")
    monkeypatch.chdir(tmp_path)
    Path("demo/bicubic").mkdir(parents=True)
    for name in ("chelsea", "coffee"):
        Image.fromarray(getattr(data, name)()[:224, :224]).save(f"demo/bicubic/{name}.png")
    with Path("prompts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["item", "prompt"], ["chelsea", "a cat"], ["coffee", "a cup"]])
    exec(RECIPES[package].replace(*WITHOUT_WEIGHTS[package]), {})
    table = next(path for path in Path().glob("*.csv") if path.name != "prompts.csv")
    assert run(["metrics", "add", "demo/bicubic", "--csv", str(table)]) == 0
    score = read_scores(Path("demo/bicubic.scores")).score(METRIC[package])
    assert score.settings["source"].startswith(package)
    assert score.n == 2
