"""Where the window of each trial lies in its images, in a study that shows a part of them."""

from __future__ import annotations

from collections.abc import Callable

from study_server.config import StudyFile
from study_server.studies.design import Stream

Size = tuple[int, int]  # width, height in pixels


def windows(
    file: StudyFile, digest: str, seed: str, block: int
) -> Callable[[Size], dict[str, int | None]]:
    """Return a function that draws the columns of a block's next trial, of images of a size.

    Every place is equally likely, and the same digest, seed and block number give the same places.
    """
    stream = Stream(digest, seed, "windows", str(block))

    def draw(size: Size) -> dict[str, int | None]:
        if file.images.window is None:
            return {"window_x": None, "window_y": None}
        x, y = (
            stream.below(length - shown + 1)
            for length, shown in zip(size, file.images.window, strict=True)
        )
        return {"window_x": x, "window_y": y}

    return draw
