"""What the seed draws of each trial besides the design: its window, whether a reason is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


def reasons_asked(
    file: StudyFile, digest: str, seed: str, block: int, kinds: Sequence[str]
) -> list[bool]:
    """Return for each trial of a block, given their kinds, whether a reason is asked.

    Of practice it is the first trial, so that raters know the page; of the others the file's share,
    at least one, wherever they lie: catch trials are asked about like any.
    """
    if file.reason.ask == "never":
        return [False] * len(kinds)
    stream = Stream(digest, seed, "reasons", str(block))
    judged = [at for at, kind in enumerate(kinds) if kind != "practice"]
    count = max(1, round(file.reason.share * len(judged)))
    asked = {*stream.shuffled(judged)[:count], *([0] if kinds[0] == "practice" else [])}
    return [at in asked for at in range(len(kinds))]
