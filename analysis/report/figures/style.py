"""One look for every figure: palette, type, and deterministic saving as SVG and PNG.

The colours in a saved SVG are the page's colour names in disguise: `inline_svg` swaps each hex for
the CSS variable of the same role, which is how the figures follow light and dark. The blue and the
orange are Okabe and Ito's, darkened until text in them passes a 4.5:1 contrast on white.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

INK = "#1d2129"
MUTED = "#59616b"
RULE = "#c9ced4"
BAND = "#e8edf2"
ACCENT = "#0b5e91"
SECOND = "#a8480a"
PAPER = "#fefefe"
ROLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    BAND: "--band",
    ACCENT: "--accent",
    SECOND: "--second",
    PAPER: "--paper",
}

WIDE = 7.5  # inches: 720 CSS pixels
NARROW = 3.72  # inches: 357 CSS pixels, a phone's column

FONT = "DejaVu Sans"  # ships with matplotlib, so layout is the same everywhere
# What draws the names that it has no letters for, in PNGs; browsers find a font of their own.
OTHER_FONTS = (
    *("Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Zen Hei"),
    *("Noto Sans CJK JP", "Hiragino Sans", "Yu Gothic", "Noto Sans CJK KR", "Malgun Gothic"),
    *("Noto Sans Devanagari", "Noto Sans Thai", "Arial Unicode MS"),
)

_RC: Any = {
    "svg.fonttype": "none",
    "font.family": FONT,
    "font.size": 8.5,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8.5,
    "axes.titlesize": 9,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": INK,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.solid_capstyle": "butt",
    "path.simplify": False,
    "text.parse_math": False,
}

_SVG_FONT = "Inter,'Helvetica Neue','Segoe UI',Arial,'Liberation Sans',sans-serif"


@dataclass(frozen=True)
class Mark:
    """What hovering or clicking one point of a figure shows."""

    gid: str
    title: str
    item: str | None = None  # an item id: clicking opens its images
    model: str | None = None


@dataclass(frozen=True)
class Drawing:
    """A finished figure with the words of its points."""

    name: str
    alt: str
    figure: Figure
    marks: tuple[Mark, ...] = field(default=())


@contextmanager
def style() -> Iterator[None]:
    """Apply the report's look, and nothing of the reader's own matplotlibrc."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        here = {font.name for font in fontManager.ttflist}
        mpl.rcParams["font.family"] = [FONT, *(name for name in OTHER_FONTS if name in here)]
        yield


def watermark(figure: Figure, simulated: bool) -> None:
    """Write SIMULATED across a figure made from simulated judgments."""
    if simulated:
        width = figure.get_size_inches()[0]
        size = 15 if width < 5 else 26
        figure.text(
            0.5, 0.5, "SIMULATED", ha="center", va="center", fontsize=size, color=SECOND,
            alpha=0.16, rotation=12, fontweight="bold", zorder=10,
        )  # fmt: skip


def label_room(labels: Sequence[str], width: float) -> float:
    """Return the share of the width that row labels need at the left, at most 45 %."""
    longest = max(map(len, labels), default=0)
    return min(0.45, (0.14 + 0.076 * longest) / width)


def two_columns(axes: Axes, y: float, words: tuple[str, str], *, narrow: bool) -> None:
    """Write a value and its interval in two columns: beside the axes, or inside when narrow."""
    inches = axes.get_window_extent().width / axes.figure.dpi
    ends = (1 - 1.12 / inches, 1.0) if narrow else (1 + 0.54 / inches, 1 + 1.56 / inches)
    for x, text in zip(ends, words, strict=True):
        axes.text(x, y, text, ha="right", va="center", color=INK,
                  transform=axes.get_yaxis_transform())  # fmt: skip


def save_svg(drawing: Drawing, simulated: bool) -> str:
    """Return the figure as a standalone SVG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with mpl.rc_context(), warnings.catch_warnings():
        # The file holds letters and no glyphs, so it does not matter that these fonts lack some.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        mpl.rcParams.update({**_RC, "svg.hashsalt": f"foolrate {drawing.name}"})
        metadata = {"Date": None, "Creator": "foolrate", "Title": _title(drawing, simulated)}
        drawing.figure.savefig(buffer, format="svg", metadata=metadata)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", _SVG_FONT, buffer.getvalue().decode())
    return _name_marks(text, drawing.marks)


def save_png(drawing: Drawing, simulated: bool, dpi: int = 200) -> bytes:
    """Return the figure as PNG bytes on white, without a date."""
    buffer = io.BytesIO()
    metadata = {"Software": "foolrate", "Title": _title(drawing, simulated)}
    drawing.figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata=metadata)
    return buffer.getvalue()


def inline_svg(svg: str, drawing: Drawing, *, themed: bool, variant: str) -> str:
    """Return the SVG as an element of the page: no ids but its own, and the page's colours."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    prefix = f"{drawing.name}-{variant}-"
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", body))
    body = re.sub(r'\sid="([^"]*)"', lambda m: _keep_id(m[1], used, prefix), body)
    body = re.sub(r"(url\(#|href=\"#)", lambda m: m[1] + prefix, body)
    for colour, role in ROLES.items() if themed else ():
        body = body.replace(colour, f"var({role})")
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', body)
    size = (
        f'width="{float(box[1]) * 4 / 3:.0f}" height="{float(box[2]) * 4 / 3:.0f}"' if box else ""
    )
    head = f'<svg class="figure {variant}" role="img" aria-label="{escape(drawing.alt)}" {size}'
    body = re.sub(r'<svg(?:\s+(?:width|height)="[^"]*")*', lambda _: head, body, count=1)
    return re.sub(r'(<svg[^>]*?)\s(?:width|height)="[\d.]+pt"', r"\1", body)


def _keep_id(name: str, used: set[str], prefix: str) -> str:
    return f' id="{prefix}{name}"' if name in used else ""


def _title(drawing: Drawing, simulated: bool) -> str:
    return f"{'SIMULATED judgments: ' if simulated else ''}{drawing.alt}"


def _name_marks(svg: str, marks: tuple[Mark, ...]) -> str:
    for mark in marks:
        extra = ' class="mark"'
        extra += f' data-item="{escape(mark.item)}"' if mark.item is not None else ""
        extra += f' data-model="{escape(mark.model)}"' if mark.model is not None else ""
        svg = svg.replace(
            f'<g id="{mark.gid}">', f"<g{extra}><title>{escape(mark.title)}</title>", 1
        )
    return svg
