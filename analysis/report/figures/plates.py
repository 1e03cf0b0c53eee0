"""Every figure of a report, drawn once at each size: for the page, the PDF and the files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analysis.report.figures.checks import draw_checks
from analysis.report.figures.forest import draw_forest
from analysis.report.figures.items import draw_items
from analysis.report.figures.pairs import draw_pairs
from analysis.report.figures.ranking import draw_ranking
from analysis.report.figures.ratings import draw_ratings
from analysis.report.figures.scatter import draw_scatter, panel_points
from analysis.report.figures.style import NARROW, WIDE, Drawing, save_png, save_svg, style
from analysis.report.results.schema import Results

FIGURES: dict[str, Callable[[Results, float], Drawing]] = {
    "ranking": draw_ranking,
    "forest": draw_forest,
    "ratings": draw_ratings,
    "pairs": draw_pairs,
    "items": draw_items,
    "scatter": draw_scatter,
    "checks": draw_checks,
}
SIZES = {"wide": WIDE, "narrow": NARROW}


@dataclass(frozen=True)
class Plate:
    """A figure with its SVG."""

    drawing: Drawing
    svg: str


Plates = dict[tuple[str, str], Plate]  # (figure, wide or narrow) -> plate


def draw_plates(results: Results) -> Plates:
    """Return every figure that these results have, wide and narrow."""
    found: Plates = {}
    with style():
        for name in figure_names(results):
            for size, width in SIZES.items():
                drawing = FIGURES[name](results, width)
                found[name, size] = Plate(drawing, save_svg(drawing, results.simulated))
    return found


def figure_names(results: Results) -> list[str]:
    """Return the figures that these results have, in the page's order."""
    present = {
        "ranking": bool(results.rankings),
        "forest": bool(results.models),
        "ratings": bool(results.ratings),
        "pairs": bool(results.differences),
        "items": bool(results.item_rates),
        "scatter": bool(panel_points(results)),
        "checks": bool(results.diagnostics),
    }
    return [name for name in FIGURES if present[name]]


def figure_files(plates: Plates, simulated: bool) -> dict[str, bytes]:
    """Return file name -> bytes: each wide figure as SVG and as PNG."""
    files: dict[str, bytes] = {}
    with style():
        for (name, size), plate in plates.items():
            if size == "wide":
                files[f"{name}.svg"] = plate.svg.encode()
                files[f"{name}.png"] = save_png(plate.drawing, simulated)
    return files
