"""What stands against what in a trial: the labels that the design spreads, and the images of each.

The design (`design`) knows labels only: a condition of a real-or-model study, a pair of models of
a preference study, a model or the real photos in a study of single images. Here a label becomes
the images of a trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from study_server.config import StudyFile
from study_server.studies.design import DesignCell
from study_server.studies.images.run_folders import CATCH
from study_server.trial_kinds import REAL, of_each

AGAINST = " | "  # between two models' names, which cannot hold it
REFERENCE, INPUT = "reference", "input"


@dataclass(frozen=True)
class Contest:
    """The two images of a trial, by name: a condition with "=" before it, or the reference.

    The answer counts for ``condition``; ``other`` is the model that it is held against, None for
    the real photo. Of a trial with one image both are that image.
    """

    condition: str
    other: str | None
    images: tuple[str, str]


def mixes_of(file: StudyFile) -> dict[str | None, list[str]]:
    """Return what each kind of block mixes in equal numbers, as `plan_blocks` wants it."""
    within = file.design.kind == "within-raters"
    if file.design.trial == "single":
        names = list(file.conditions)
        share = file.design.made_share
        return {
            None if within else shown[0]: with_photos(shown, share)
            for shown in ([names] if within else [[name] for name in names])
        }
    pairs = [AGAINST.join(pair) for pair in file.pairs]
    labels = pairs if file.design.trial == "preference" else list(file.conditions)
    return {None: labels} if within else {label: [label] for label in labels}


def with_photos(models: Sequence[str], made_share: float) -> list[str]:
    """Return models' names and, evenly between them, the real photos' in their share."""
    photos, each = of_each(made_share, len(models))
    made = [name for name in models for _ in range(each)]
    total = photos + len(made)
    fakes = iter(made)
    real = {place * total // photos for place in range(photos)}
    return [REAL if place in real else next(fakes) for place in range(total)]


def contest_of(file: StudyFile, cell: DesignCell) -> Contest:
    """Return what stands against what in one planned trial."""
    if file.design.trial == "single":
        name = CATCH if cell.kind == "catch" else cell.condition
        image = REFERENCE if name == REAL else f"={name}"
        return Contest(name, None, (image, image))
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
        return file.images.beside if file.images.beside in (REFERENCE, INPUT) else None
    return INPUT if task == "task1" else None
