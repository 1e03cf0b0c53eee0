"""How much of its images a trial shows. A format module (no flask, no sqlalchemy)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from study_server.sections import is_pair

View = Literal["whole", "crop", "zoom"]


def _of_pixels(given: Any) -> Any:
    """Return a window's sides as they are. Raises ValueError where they are no two numbers."""
    if not is_pair(given, int) or not all(8 <= side <= 8192 for side in given):
        raise ValueError(
            f"{given!r}, expected [width, height], each 8 to 8192 pixels, such as [512, 512]"
        )
    return given


Window = Annotated[tuple[int, int], BeforeValidator(_of_pixels)]  # width, height


def check_view(images: Any) -> None:
    """Raise ValueError for keys of ``[images]`` that its view needs, or has no use for."""
    if images.view == "crop" and images.window is None:
        raise ValueError(
            'images.view is "crop": images.window is missing, expected [width, height]'
        )
    if images.window is not None and images.view != "crop":
        raise ValueError('images.window is for images.view = "crop"')
    if images.flicker and images.view != "zoom":
        raise ValueError('images.flicker is for images.view = "zoom"')


def view_in_words(view: str, window: Sequence[int] | None, *, flicker: bool) -> str:
    """Return what raters see of the images, for whoever reads about the study."""
    if view == "crop" and window:
        across, down = window
        return f"a window of {across}x{down} pixels, at the same place of all, drawn for each trial"
    if view == "zoom":
        places = ", and see in each other's place while they hold a key" if flicker else ""
        return f"whole images at first, which raters enlarge and move together{places}"
    return "whole images"
