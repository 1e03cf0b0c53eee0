"""A metric's facts stand in one row: a metric is one file and one row, and the facts are true."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from metrics import catalogue
from metrics.catalogue import METRICS, Metric
from metrics.cli import metrics
from metrics.distribution import class_score, neighbourhoods
from metrics.errors import InputError
from metrics.scores import read_per_image, read_scores

LIGHT = [m for m in METRICS.values() if m.kind == "paired" and m.extractor is None]

FILE = '''
import numpy as np

def mean_difference(output, reference):
    """Return the mean absolute difference in 0..255."""
    return float(np.abs(output.astype(float) - reference).mean())
'''


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for role, grey in (("fake", 7), ("real", 10)):
        (tmp_path / role).mkdir()
        for name in "abc":
            pixels = np.full((16, 16, 3), grey, np.uint8)
            pixels[0, 0] = ord(name)
            Image.fromarray(pixels).save(tmp_path / role / f"{name}.png")
    return tmp_path


def test_a_metric_is_one_file_and_one_row(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folders / "mean_difference.py").write_text(FILE)
    monkeypatch.syspath_prepend(folders)
    row = Metric(
        "mad",
        "Mean difference",
        "paired",
        "lower",
        "0..255",
        "here",
        "mean_difference:mean_difference",
        settings={"channels": "RGB"},
        least_side=2,
    )
    monkeypatch.setitem(METRICS, "mad", row)

    invoke, out = CliRunner().invoke, folders / "out"
    listed = invoke(metrics, ["list"]).output
    assert "mad" in listed
    assert "here" in listed
    arguments = ["compute", str(folders / "fake"), "--reference", str(folders / "real")]
    arguments += ["--cache", str(folders / "cache"), "-o", str(out), "--border", "1"]
    ran = invoke(metrics, [*arguments, "--metrics", "mad"], catch_exceptions=False)
    assert ran.exit_code == 0
    assert "Mean difference" in ran.output
    score = read_scores(out).score("mad")
    assert score.value == 3.0
    assert (score.direction, score.unit) == ("lower", "0..255")
    assert score.settings == {"channels": "RGB", "border": 1}
    assert read_per_image(out)["mad"] == {"a": 3.0, "b": 3.0, "c": 3.0}
    assert "Mean difference ↓" in invoke(metrics, ["table", str(out)]).output
    with pytest.raises(InputError, match="mad: needs at least 18 pixels a side with a border of 8"):
        invoke(metrics, [*arguments[:-1], "8", "--metrics", "mad"], catch_exceptions=False)
    sys.modules.pop("mean_difference")


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_each_function_is_there_and_says_what_it_returns(metric: Metric) -> None:
    assert metric.load().__doc__.startswith("Return")  # type: ignore[union-attr]


@pytest.mark.parametrize("metric", LIGHT, ids=[metric.name for metric in LIGHT])
def test_the_least_side_is_the_least(metric: Metric) -> None:
    random = np.random.default_rng(0)
    side = metric.least_side
    for shape in ((side, side + 1), (side + 1, side)):
        x, y = random.integers(0, 256, (2, *shape, 3), dtype=np.uint8)
        assert np.isfinite(metric.load()(x, y))
    if side > 1:
        x, y = random.integers(0, 256, (2, side - 1, side + 5, 3), dtype=np.uint8)
        with pytest.raises(InputError, match=f"at least {side} pixels"):
            metric.load()(x, y)


def test_the_least_numbers_of_images_are_those_of_the_measures() -> None:
    least = METRICS["inception_score"].least_images
    class_score.class_score(lambda numbers: np.eye(least)[numbers], least)
    with pytest.raises(InputError):
        class_score.class_score(lambda numbers: np.eye(least)[numbers], least - 1)
    for name in ("precision", "recall", "density", "coverage"):
        assert METRICS[name].neighbours
    for k in (1, 3, 5):
        neighbourhoods.neighbourhoods(np.eye(k + 1), np.eye(k + 1), k)
        with pytest.raises(InputError):
            neighbourhoods.neighbourhoods(np.eye(k + 1), np.eye(k, k + 1), k)


def test_what_nobody_else_prints_is_marked_and_needs_no_download() -> None:
    ours = {name for name, metric in METRICS.items() if not metric.comparable}
    assert ours == {name for name in METRICS if name.startswith("effnet_")} | {"top1", "top5"}
    assert all("no download" in METRICS[name].needs for name in ours)


def test_an_empty_choice_is_refused() -> None:
    with pytest.raises(catalogue.MetricError, match="no metric is named"):
        catalogue.choose(())
