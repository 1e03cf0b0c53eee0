"""Stages of super-resolution: photos or faces, every system's outputs, their scores, a study."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from analysis.errors import AnalysisError
from replication.errors import ReplicationError
from replication.stages.commands import computable, generating, importing, scoring
from replication.stages.configs import Config, changed, config_of
from replication.stages.making import ROOT
from replication.stages.request import Request, zip_members
from replication.stages.stage import Stage
from replication.stages.systems import FACES, FACES_128, PHOTOS, System, here, preset

SCORES = (
    "psnr",
    "ssim",
    "consistency",
    "fid",
    "inception_score",
    "lpips_alex",
    "effnet_kid",
    "effnet_fd",
)
OLIVETTI = re.compile(r"subject(0[1-9]|[123]\d|40)_0\d")  # the ids that the trainings know
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
RATERS = ROOT / "studies/paper-raters.toml"
FEWEST = 6  # images of a study: two for practice, two for catch trials, and some to judge
PHOTO_CROPS = ROOT / "generators/photos/crops"


@dataclass(frozen=True)
class Task:
    """One task of super-resolution: which images, of which size, by which systems."""

    section: str
    title: str
    source: Path
    side: int
    systems: list[System]
    items: list[str]
    factor: int = 4  # how many times smaller the inputs are


def photo_stages(request: Request) -> list[Stage]:
    """Return the stages of natural images 64→256, on the shipped photos."""
    items = choose(PHOTO_CROPS, request.size.photos)
    return _stages(request, Task("photos", "Photos", PHOTO_CROPS, 256, here(PHOTOS), items))


def face_stages(request: Request) -> list[Stage]:
    """Return the stages of faces 16→64; none without faces."""
    if request.faces is None:
        return []
    items = _faces(request, request.faces)
    return _stages(request, Task("faces", "Faces", request.faces, 64, here(FACES), items))


def large_face_stages(request: Request) -> list[Stage]:
    """Return the stages of faces 16→128, by the user's nets; none without such faces.

    Raises `ReplicationError` where none of the nets is there.
    """
    if request.faces_128 is None:
        return []
    systems = here(FACES_128)
    if not any(system.checkpoints for system in systems):
        files = [path.relative_to(ROOT).as_posix() for one in FACES_128 for path in one.checkpoints]
        raise ReplicationError(
            f"--faces-128 needs nets that make faces of 128 pixels, expected one or more of "
            f"{', '.join(files)} (docs/paper.md says how to train them)"
        )
    items = _faces(request, request.faces_128)
    task = Task("faces-128", "Faces 16→128", request.faces_128, 128, systems, items, factor=8)
    return _stages(request, task)


def _faces(request: Request, source: Path) -> list[str]:
    items = choose(source, request.size.faces)
    if len(items) < FEWEST:
        raise ReplicationError(f"{source}: {len(items)} images, expected {FEWEST} or more")
    return items


def _stages(request: Request, task: Task) -> list[Stage]:
    folder, count = request.out / task.section, len(task.items)
    real, lr = folder / "real", folder / "lr"
    says = f"{task.title}: {count} images and their inputs, {task.factor} times smaller"
    stages = [
        importing(
            f"{task.section}-import",
            says,
            task.source,
            real,
            task.side,
            lr=lr,
            factor=task.factor,
            items=task.items,
        )
    ]
    for system in task.systems:
        stages.append(
            generating(
                f"{task.section}-{system.name}",
                f"{task.title}: {system.title}",
                system.file,
                folder / system.name,
                inputs=lr,
                checkpoints=system.checkpoints,
                seconds=system.seconds * count,
            )
        )
    metrics = computable(SCORES, request.networks)
    for system in task.systems:
        stages.append(
            scoring(
                f"{task.section}-{system.name}-scores",
                f"{task.title}: scores of {system.title}",
                folder / system.name,
                folder / f"{system.name}.scores",
                metrics,
                reference=real,
                lr=lr,
                images=count,
            )
        )
    return [*stages, _study(request, task)]


def choose(source: Path, count: int) -> list[str]:
    """Return the ids of at most `count` images of a folder or zip, evenly spread over their order.

    Of the Olivetti faces, on which shipped nets were trained, only those of people held out of the
    training are taken; they are known by their names. Raises `ReplicationError` for a source that
    is none, or holds other faces beside them.
    """
    ids = _unseen(source, _ids(source))
    step = max(1.0, len(ids) / count)
    return [ids[int(k * step)] for k in range(min(count, len(ids)))]


def _unseen(source: Path, ids: list[str]) -> list[str]:
    """Return the ids of images that no shipped net was trained on."""
    olivetti = [item for item in ids if OLIVETTI.fullmatch(item)]
    if not olivetti:
        return ids
    if others := sorted(set(ids) - set(olivetti)):
        raise ReplicationError(
            f"{source}: {len(olivetti)} of {len(ids)} images have names of the Olivetti faces, "
            f"such as {olivetti[0]!r}, and others have not, such as {others[0]!r}; expected only "
            "those faces (subject01_00 to subject40_09), or only faces under other names"
        )
    patterns = preset("runs/train-faces-sr3.toml")["data"]["validation"]
    held_out = [item for item in ids if any(fnmatchcase(item, one) for one in patterns)]
    if not held_out:
        raise ReplicationError(
            f"{source}: all {len(ids)} images, such as {ids[0]!r}, have names of Olivetti faces "
            f"that shipped nets were trained on; expected those of the people held out "
            f"({patterns[0]} to {patterns[-1]}), or faces under other names"
        )
    return held_out


def _ids(source: Path) -> list[str]:
    ids = sorted({path.stem for path in _files(source) if path.suffix.lower() in SUFFIXES})
    if not ids:
        raise ReplicationError(f"{source}: holds no PNG, JPEG or WebP images")
    return ids


def _files(source: Path) -> list[PurePosixPath]:
    if source.is_dir():
        return [PurePosixPath(path.name) for path in source.rglob("*") if path.name[0] != "."]
    if not source.exists():
        raise ReplicationError(f"{source}: no such folder or zip file")
    return [
        path
        for path in zip_members(source)
        if path.name and path.name[0] != "." and path.parts[0] != "__MACOSX"
    ]


def _study(request: Request, task: Task) -> Stage:
    section, systems = task.section, task.systems
    folder = request.out / section
    rates = folder / "fool-rates.json"
    people = request.judgments.get(section)
    if people is not None:
        _refuse_strangers(people, task)
        return Stage(
            f"{section}-rates",
            f"{task.title}: fool rates of {people}",
            (("analysis", "fool-rates", str(people), "--json", str(rates)),),
            (people,),
            (rates,),
            seconds=5,
        )
    study = _study_file(request, task)
    database, export = folder / "study.sqlite3", folder / "export"
    place = ("--database", f"sqlite:///{database}")
    raters = 2 * request.size.raters * len(systems)
    truth = ("--seed", "1", "--model", str(RATERS), "--at-once", "1")  # in one order
    return Stage(
        f"{section}-rates",
        f"{task.title}: a study, Task-1 and Task-2, by {raters} simulated raters",
        (
            ("study", "create", str(study.path), *place),
            ("study", "simulate", section, "--raters", str(raters), *truth, *place),
            ("study", "export", section, "-o", str(export), *place),
            ("analysis", "fool-rates", str(export / "judgments.csv"), "--json", str(rates)),
        ),
        (
            study.path,
            RATERS,
            folder / "real",
            folder / "lr",
            *(folder / one.name for one in systems),
        ),
        (rates,),
        seconds=15 + 0.03 * raters * request.size.trials,
        resumes=False,
        scratch=(database, export),
        configs=(study,),
    )


def _refuse_strangers(judgments: Path, task: Task) -> None:
    """Raise `ReplicationError` unless people judged images of this task's source."""
    from analysis.judgments.table import read_judgments

    try:
        judged = set(read_judgments(judgments)["item_id"])
    except AnalysisError as error:
        raise ReplicationError(str(error)) from None
    if strangers := sorted(judged - set(_ids(task.source))):
        raise ReplicationError(
            f"{judgments}: {len(strangers)} of {len(judged)} items, such as {strangers[0]!r}, are "
            f"no images of {task.source}, expected the judgments of a study on those"
        )


def _study_file(request: Request, task: Task) -> Config:
    """Return the study of `studies/faces.toml` on these images: both tasks, fewer raters."""
    section, size = task.section, request.size
    folder = request.out / section
    images = {"reference": str(folder / "real"), "inputs": str(folder / "lr")}
    design = {
        "raters": size.raters,
        "trials": min(size.trials, len(task.items) - 4),
        "seed": 20260401,
    }
    changes = {
        "study": {"id": section, "title": "The paper's two tasks", "tasks": ["task1", "task2"]},
        "images": images,
        "design": design,
        "practice": {"trials": 2},
        "catch": {"trials": 2},
    }
    fields = changed(preset("studies/faces.toml"), changes)
    fields["conditions"] = {system.name: str(folder / system.name) for system in task.systems}
    return config_of(request.out / "configs" / f"study-{section}.toml", fields)
