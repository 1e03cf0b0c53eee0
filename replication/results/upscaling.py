"""The sections on super-resolution: fool rates, scores and pictures of photos and of faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from generators.manifest import open_run
from replication.results.measured import fool_rates, scores_of
from replication.results.notes import score_notes, shortfall_notes
from replication.results.schema import Picture, Plate, Section, Table
from replication.results.steps import step_curves
from replication.results.tables import table_of
from replication.stages.commands import computable
from replication.stages.request import Request
from replication.stages.systems import FACES, FACES_128, PHOTOS, System, here
from replication.stages.upscaling import SCORES

SHOWN = 4  # images side by side

PHOTOS_TITLE = "Natural images, 64×64 → 256×256"
PHOTO_WORDS = (
    "Images: crops of 13 photographs, 256×256, shipped with foolrate; the paper has ImageNet's "
    "validation set. Crops of one photograph resemble each other, so intervals are too short.",
    "Nets: 1.3 million weights, trained on 733 crops of 34 photographs on one processor core; "
    "the paper's have 625 million and saw ImageNet for a million steps of 256 images.",
)
FACE_WORDS = (
    "Task: 16×16 → 64×64; the paper's is 16×16 → 128×128, so every number is of an easier task.",
    "Images: the grey Olivetti faces, taken in one room, or your own; the paper trained on FFHQ "
    "and tested on CelebA-HQ, in colour.",
    "Nets: about a million weights, trained on 320 faces of 32 people; the paper's have 550 "
    "million. Where your faces are Olivetti's, only those of the eight people that no net was "
    "trained on are used.",
)
LARGE_FACE_WORDS = (
    "Images and nets: your own. The paper trained on FFHQ and tested on CelebA-HQ; its SR3 net has "
    "550 million weights and saw a million steps of 256 images.",
)
NO_LARGE_FACES = (
    "The paper's own size needs photos of faces of 128 pixels a side or more (--faces-128) and "
    "nets trained on such photos, which foolrate does not ship: docs/paper.md says how."
)
OF_FACES = "Faces 16→128: fool rate, %", "Faces 16→128: scores"  # as published
NO_FACES = "Needs photos of faces, which foolrate does not ship: --faces FOLDER or FILE.zip."


def photos_section(request: Request) -> Section:
    """Return the section on natural images."""
    published = "Natural images 64→256: fool rate, %", "ImageNet 64→256: scores"
    tables, plates = _made(request, "photos", here(PHOTOS), published)
    return Section("photos", PHOTOS_TITLE, PHOTO_WORDS, tables, plates=plates)


def faces_section(request: Request) -> Section:
    """Return the section on faces, or what it lacks."""
    title = "Faces, 16×16 → 64×64"
    if request.faces is None:
        return Section("faces", title, FACE_WORDS, lacks=NO_FACES)
    tables, plates = _made(request, "faces", here(FACES), OF_FACES)
    return Section("faces", title, FACE_WORDS, tables, step_curves(request), plates)


def large_faces_section(request: Request) -> Section:
    """Return the section on faces at the paper's size, or what it lacks."""
    title = "Faces, 16×16 → 128×128"
    if request.faces_128 is None:
        return Section("faces-128", title, (), lacks=NO_LARGE_FACES)
    tables, plates = _made(request, "faces-128", here(FACES_128), OF_FACES)
    return Section("faces-128", title, LARGE_FACE_WORDS, tables, plates=plates)


def _made(
    request: Request, section: str, systems: Sequence[System], published: tuple[str, str]
) -> tuple[tuple[Table, ...], tuple[Plate, ...]]:
    """Return a section's tables and pictures; `published` names the papers' rates and scores."""
    folder, (rates, scores) = request.out / section, published
    tables = (
        _rates(f"{section}-rates", rates, folder, systems),
        _scores(f"{section}-scores", scores, request, folder, systems),
    )
    return tables, (_side_by_side(f"{section}-pictures", folder, systems),)


def _rates(name: str, published: str, folder: Path, systems: Sequence[System]) -> Table:
    found = fool_rates(folder / "fool-rates.json")
    measured = [(system, found[system.name]) for system in systems if system.name in found]
    strangers = sorted(set(found) - {system.name for system in systems})
    measured += [(System(name, name, ""), found[name]) for name in strangers]
    return table_of(name, published, measured)


def _scores(
    name: str, published: str, request: Request, folder: Path, systems: Sequence[System]
) -> Table:
    names = computable(SCORES, request.networks)
    found = scores_of([folder / f"{system.name}.scores" for system in systems], names)
    measured = list(zip(systems, found, strict=True))
    notes = [*shortfall_notes(folder, systems), *score_notes(names)]
    return table_of(name, published, measured, notes=notes)


def _side_by_side(name: str, folder: Path, systems: Sequence[System]) -> Plate:
    runs = [("input", folder / "lr"), *((one.title, folder / one.name) for one in systems)]
    opened = [(words, open_run(path)) for words, path in (*runs, ("real", folder / "real"))]
    items = list(opened[0][1].files)
    step = max(1, len(items) // SHOWN)
    rows = tuple(
        tuple(Picture(run.files[item], words, f"{item}: {words}") for words, run in opened)
        for item in items[::step][:SHOWN]
    )
    return Plate(name, "Side by side", rows, "Evenly spread over the images, not chosen.")
