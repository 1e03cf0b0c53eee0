"""What stands against what in a trial: the labels that the design spreads, and the images of each.

The design (`design`) knows labels only: a condition of a real-or-model study, a pair of models of
a preference study. Here a label becomes the two images of a trial.
"""

from __future__ import annotations

from dataclasses import dataclass

from study_server.config import StudyFile
from study_server.studies.design import DesignCell
from study_server.studies.run_folders import CATCH

AGAINST = " | "  # between two models' names, which cannot hold it
REFERENCE, INPUT = "reference", "input"


@dataclass(frozen=True)
class Contest:
    """The two images of a trial, by name: a condition with "=" before it, or the reference.

    The answer counts for ``condition``; ``other`` is the model that it is held against, None for
    the real photo.
    """

    condition: str
    other: str | None
    images: tuple[str, str]


def labels_of(file: StudyFile) -> list[str]:
    """Return what the design spreads over raters and items."""
    if file.design.trial == "preference":
        return [AGAINST.join(pair) for pair in file.pairs]
    return list(file.conditions)


def contest_of(file: StudyFile, cell: DesignCell) -> Contest:
    """Return what stands against what in one planned trial."""
    if cell.kind == "catch":
        good = sound_image(file)
        other = good.removeprefix("=") if good != REFERENCE else None
        return Contest(CATCH, other, (f"={CATCH}", good))
    if file.design.trial == "preference":
        first, second = cell.condition.split(AGAINST)
        return Contest(first, second, (f"={first}", f"={second}"))
    return Contest(cell.condition, None, (f"={cell.condition}", REFERENCE))


def sound_image(file: StudyFile) -> str:
    """Return what a catch trial's bad image is made of and shown beside.

    The real photo, or the first model's output where a preference study has no photos.
    """
    return REFERENCE if file.images.reference else f"={next(iter(file.conditions))}"


def beside(file: StudyFile, task: str) -> str | None:
    """Return what stands between the two images of a block's trials, None for nothing."""
    if file.design.trial == "preference":
        return None if file.images.beside == "nothing" else file.images.beside
    return INPUT if task == "task1" else None
