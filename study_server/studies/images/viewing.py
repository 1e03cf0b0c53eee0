"""How large images are shown: whole, a window, or a viewport that raters move.

* ``whole``: every pixel, as docs/decisions/0007 says.
* ``crop``: a window of a stated size, at the same place of every image of a trial.
* ``zoom``: first the whole image, reduced; then raters enlarge and move it, all images of a trial
  together. The reductions are made on the server by one kernel and stand below the image in the
  same file, so that nothing is asked for while a rater looks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

DIVISORS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)
SMALLEST = 160  # pixels: a reduction whose longer side is no longer fits every screen
LARGEST = 4096  # pixels a side: a browser holds four such images at once


class Level(NamedTuple):
    """One reduction: its divisor, and its place and size in the file, in pixels."""

    divisor: int
    x: int
    y: int
    width: int
    height: int


@lru_cache(maxsize=256)
def levels(width: int, height: int) -> tuple[Level, ...]:
    """Return the reductions of a ``width`` x ``height`` image, the largest first, on shelves.

    The last is the first that is at most 160 pixels long; there is none of a smaller image.
    """
    found: list[Level] = []
    x, y, shelf, longest = 0, height, 0, max(width, height)
    for divisor in DIVISORS:
        if longest <= SMALLEST:
            break
        across, down = max(1, width // divisor), max(1, height // divisor)
        if x + across > width:
            x, y, shelf = 0, y + shelf, 0
        found.append(Level(divisor, x, y, across, down))
        x, shelf, longest = x + across, max(shelf, down), max(across, down)
    return tuple(found)


def sheet_height(width: int, height: int) -> int:
    """Return how many rows an image and its reductions take."""
    return max([height, *(level.y + level.height for level in levels(width, height))])


def misfit(images: Any, width: int, height: int) -> str | None:
    """Return why an image of this size cannot be shown in the file's view, None where it can."""
    size = f"{width}x{height}"
    if images.view == "crop":
        across, down = images.window
        if across > width or down > height:
            return f"is {size}, expected at least images.window, {across}x{down}"
    if images.view == "zoom" and max(width, height) > LARGEST:
        return (
            f"is {size}, expected at most {LARGEST} a side with images.view = 'zoom'"
            " (or set images.show_at)"
        )
    return None


# ── what a rater does with the viewport ─────────────────────────────────────────────────────────

MOST_GLANCES = 200  # of one trial; the page keeps the first ones and the last
GLANCE_COLUMNS = ("kind", "at_ms", "magnification", "x", "y", "width", "height")

Milliseconds = Annotated[float, Field(ge=0, le=86_400_000, allow_inf_nan=False)]
Place = Annotated[int, Field(ge=0, le=8192)]  # in pixels of the image


class Glance(NamedTuple):
    """What is seen from one moment on: an event, and the part of the images that shows.

    ``magnification`` is in device pixels to an image pixel; ``at_ms`` counts from the images'
    first frame.
    """

    kind: Literal["fit", "zoom", "move", "swap", "back"]
    at_ms: Milliseconds
    magnification: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
    x: Place
    y: Place
    width: Place
    height: Place


def text_of(glances: Sequence[Glance] | None) -> str | None:
    """Return glances as they are stored, None for none."""
    return json.dumps(glances, separators=(",", ":")) if glances else None


def glances_in(text: str | None) -> Iterator[dict[str, Any]]:
    """Yield stored glances as rows."""
    for event, glance in enumerate(json.loads(text or "[]")):
        yield {"event": event} | dict(zip(GLANCE_COLUMNS, glance, strict=True))
