"""Each figure that the documentation quotes is the measured one, or the one that the code gives."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from analysis.planning.plan import StudyDesign, plan

ROOT = Path(__file__).resolve().parents[2]
MEASURED = json.loads((ROOT / "docs" / "figures" / "coverage.json").read_text())
KERNELS = json.loads((ROOT / "docs" / "figures" / "kernels.json").read_text())
DEMO = json.loads((ROOT / "docs" / "figures" / "demo.json").read_text())
EXPOSURE = json.loads((ROOT / "docs" / "figures" / "exposure.json").read_text())
PAGES = [
    ROOT / "README.md",
    ROOT / "kernels" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
STATISTICS = (ROOT / "docs" / "statistics.md").read_text()
# A figure is the words before its comment: `42.9–78.1 %<!-- coverage.pooled -->`.
MARKED = re.compile(r"([^<\n]*)<!-- ([\w.]+) -->")
TWO_WAY = "two-way (default)"


def percent(share: float) -> str:
    """Return a share as the pages print it."""
    return f"{100 * share:.1f}"


def ends(rows: str, column: str) -> str:
    """Return the least and the largest percentage of a measured column."""
    shares = [row[column] for row in MEASURED[rows]]
    return f"{percent(min(shares))}–{percent(max(shares))} %"


def times_faster() -> str:
    """Return how many times the images a second of torch and of diffusers the kernels make."""
    ours = KERNELS["foolrate-cpu-kernels"]
    peers = (KERNELS["diffusers with our kind of blocks"], KERNELS["torch"])
    return " to ".join(f"{ours / peer:.1f}" for peer in peers) + " times"


def half_width(rate: float, sd: float) -> str:
    """Return the planned half-width of SR3's design, in points."""
    return f"±{100 * plan(StudyDesign(rate=rate, sd_rater=sd, sd_item=sd)).half_width:.1f}"


DEMO_FORMATS: dict[str, Callable[[float], str]] = {
    "psnr": "{:.2f}".format,
    "ssim": lambda value: f"{value:.3f}".removeprefix("0"),
    "consistency": "{:.2f}".format,
}


def of_demo(run: str, metric: str) -> str:
    """Return a score of the demo with its interval, as results.md prints it."""
    value, low, high = map(DEMO_FORMATS[metric], DEMO[run][metric])
    return f"{value} [{low}, {high}]"


FIGURES: dict[str, Callable[[], str]] = {
    "coverage.pooled": lambda: ends("coverage", "pooled Wilson"),
    "coverage.rater_means": lambda: ends("coverage", "per-rater t"),
    "coverage.two_way": lambda: ends("coverage", TWO_WAY),
    "small.pooled": lambda: ends("small", "pooled Wilson"),
    "small.two_way": lambda: ends("small", TWO_WAY),
    "peeking.wilson": lambda: ends("peeking", "repeated Wilson"),
    "plan.usual": lambda: half_width(0.4, 0.8),
    "plan.least": lambda: half_width(0.3, 0.5),
    "plan.largest": lambda: half_width(0.5, 1.0),
    "kernels": times_faster,
    "kernels.with": lambda: f"{KERNELS['foolrate-cpu-kernels']}",
    "kernels.without": lambda: f"{KERNELS['torch']}",
    "exposure": lambda: f"{EXPOSURE['minimum_ms']} to {EXPOSURE['maximum_ms']} ms",
    **{
        f"demo.{run}.{metric}": partial(of_demo, run, metric)
        for run, metrics in DEMO.items()
        for metric in metrics
    },
}


def quotations() -> list[tuple[str, str, str]]:
    """Return (page, words before the comment, name) for every marked figure."""
    return [
        (str(page.relative_to(ROOT)), words, name)
        for page in PAGES
        if page.parent.name != "figures"
        for words, name in MARKED.findall(page.read_text())
    ]


@pytest.mark.parametrize(("page", "words", "name"), quotations())
def test_a_quoted_figure_is_the_measured_one(page: str, words: str, name: str) -> None:
    assert name in FIGURES, f"{page}: no figure {name}"
    assert words.replace("*", "").endswith(FIGURES[name]()), (
        f"{page}: {words!r}, expected {FIGURES[name]()}"
    )


def test_every_figure_is_quoted() -> None:
    assert {name for _, _, name in quotations()} == set(FIGURES)


def columns(title: str) -> str:
    """Return the table of statistics.md that begins with this header."""
    return STATISTICS[STATISTICS.index(title) :].split("\n\n")[0]


def values(row: dict[str, Any], *keys: str) -> list[Any]:
    """Return the named values of a measured row."""
    return [row[key] for key in keys]


def coverage_rows() -> list[list[Any]]:
    """Return the rows of the table of all methods, of which the slow ones were run less often."""
    fast = ("rate", "sd_rater", "sd_item", "pooled Wilson", "per-rater t", TWO_WAY)
    slow = ("rater bootstrap", "pigeonhole", "GLMM marginal")
    both = zip(MEASURED["coverage"], MEASURED["slow"], strict=True)
    return [[*values(one, *fast), *values(other, *slow)] for one, other in both]


def of_design(rows: str, peer: str) -> list[list[Any]]:
    """Return the rows of a table of designs beside another method."""
    keys = ("rate", "covers", "±", "width", f"{peer} covers", f"{peer} width")
    return [values(row, *keys) for row in MEASURED[rows]]


TABLES: dict[str, tuple[int, Callable[[], list[list[Any]]]]] = {
    "| rate | rater sd | image sd |": (3, coverage_rows),
    "| raters × trials of images | rate | sds | **two-way**": (
        1,
        lambda: of_design("population", "pooled Wilson"),
    ),
    "| raters × trials of images | rate | sds | **fixed-images**": (
        1,
        lambda: of_design("fixed_images", "pooled Wilson"),
    ),
    "| raters × trials of images | rate | sds | **shrunken**": (
        1,
        lambda: of_design("single_images", "Wilson"),
    ),
    "| rate | logit sds | repeated Wilson": (
        1,
        lambda: [
            values(row, "rate", "repeated Wilson", "confidence sequence")
            for row in MEASURED["peeking"]
        ],
    ),
}


@pytest.mark.parametrize("title", TABLES)
def test_the_tables_of_coverage_are_the_measured_ones(title: str) -> None:
    keys, rows = TABLES[title]
    printed = columns(title).splitlines()[2:]
    assert len(printed) == len(rows())
    for line, row in zip(printed, rows(), strict=True):
        cells = [cell.strip(" *%") for cell in line.strip("|").split("|")]
        numbers = [cell for cell in cells if "/" not in cell and "×" not in cell]
        assert [float(cell) for cell in numbers[:keys]] == row[:keys], line
        assert numbers[keys:] == [percent(share) for share in row[keys:]], line
