"""The section on class-conditional images: scores, accuracy, curves and samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from generators.manifest import open_run
from replication.results.errors56 import errors_table
from replication.results.measured import Measured, accuracy_of, column, scores_of
from replication.results.notes import score_notes
from replication.results.schema import Curve, Picture, Plate, Point, Section, Table
from replication.results.tables import table_of
from replication.stages.classes import (
    REAL,
    SCORES,
    class_names,
    curves,
)
from replication.stages.commands import computable
from replication.stages.request import Request
from replication.stages.systems import CLASSES, System, here

TITLE = "Class-conditional images, 64×64"
WORDS = (
    "Images: 24 classes of Tiny ImageNet at 64×64; the papers have ImageNet's 1,000 classes at 32 "
    "to 256 pixels. A score over 24 classes is not one over 1,000.",
    "Nets: a few million weights each, trained on 12,000 images on one processor core; the "
    "papers' have hundreds of millions and saw 1.28 million images many times.",
    "Sets: hundreds of samples of each system, where the papers have 50,000. Distances of few "
    "samples are biased upward, all alike; compare the rows here, not with the papers.",
    "Classification accuracy score: a small net at 32×32, trained on as many images of each "
    "system; the papers train a ResNet-50 on 1.28 million.",
)
NO_CLASSES = (
    "Needs photos of the 24 classes, which foolrate may not ship: --classes FOLDER or FILE.zip "
    "with train/ and val/ (docs/paper.md lists the classes)."
)
UNMADE = (
    *("ImageNet 32", "ImageNet 128", "ImageNet 256", "ImageNet 256, class-conditional"),
    *("ImageNet 256, ablation", "ImageNet 128, guided by a classifier"),
    "ImageNet 256, guided by a classifier",
)
CASCADE = {"adm": "no cascade", "cdm-plain": "no conditioning augmentation"}
VARIETY = "Fidelity (precision) and variety (recall), ours only"
PAIR = {column("effnet_precision"), column("effnet_recall")}
SHOWN = 6  # classes of pictures


def classes_section(request: Request) -> Section:
    """Return the section on class-conditional images, or what it lacks."""
    if request.classes is None:
        return Section("classes", TITLE, WORDS, lacks=NO_CLASSES)
    folder, systems = request.out / "classes", here(CLASSES)
    names = computable(SCORES, request.networks)
    rows = (*systems, REAL)
    found = scores_of([folder / f"{one.name}.scores" for one in rows], names)
    scored = list(zip(rows, found, strict=True))
    accuracy = [(one, accuracy_of(folder / f"{one.name}.cas")) for one in (*systems, REAL)]
    variety = table_of("classes-variety", "", _without(scored, variety=True), title=VARIETY)
    tables = (
        table_of("classes-64", "ImageNet 64", _without(scored), notes=score_notes(names)),
        _cascade(_without(scored)),
        table_of("classes-cas", "ImageNet 128: classification accuracy score", accuracy),
        *([variety] if variety.columns else []),
        *errors_table(request),
        *_published_only(),
    )
    plates = (_samples(folder, systems), *_by_level(request, folder))
    return Section("classes", TITLE, WORDS, tables, _curves(request, folder, names), plates)


def _without(
    scored: Sequence[tuple[System, Measured]], *, variety: bool = False
) -> list[tuple[System, Measured]]:
    """Return the scores without precision and recall; or those two only."""
    return [
        (
            system,
            replace(found, cells={c: v for c, v in found.cells.items() if (c in PAIR) == variety}),
        )
        for system, found in scored
    ]


def _cascade(scored: Sequence[tuple[System, Measured]]) -> Table:
    renamed = {**CASCADE, "cdm": "truncated, s = 1001"}
    inside = [
        (replace(system, published=renamed[system.name]), found)
        for system, found in scored
        if system.name in renamed
    ]
    return table_of("classes-cascade", "ImageNet 16→64 cascade", inside)


def _published_only() -> list[Table]:
    titles = (*UNMADE, "ImageNet 256: classification accuracy score")
    note = "Published only: no net of this size is shipped."
    return [table_of(f"published-{n}", title, [], notes=[note]) for n, title in enumerate(titles)]


def _curves(request: Request, folder: Path, names: Sequence[str]) -> tuple[Curve, ...]:
    distance = next((name for name in ("fid", "effnet_kid") if name in names), None)
    quality = next((n for n in ("inception_score", "effnet_class_score") if n in names), None)
    made = curves(request)
    found = []
    if "level" in made and distance:
        found.append(_level_curve(folder, made["level"], distance))
    for name, system in (("guidance", "CDM"), ("truncation", "BigGAN-deep")):
        if name in made and distance and quality:
            found.append(_trade(folder, name, system, made[name], (quality, distance)))
    return tuple(found)


def _level_curve(folder: Path, levels: Sequence[float], metric: str) -> Curve:
    points = []
    measured = scores_of([folder / f"level-{at:g}.scores" for at in levels], [metric])
    for at, found in zip(levels, measured, strict=True):
        (words, cell), *_ = found.cells.items()
        points.append(Point(at, cell.value, cell.low, cell.high))
    return Curve(
        "classes-level",
        "Conditioning augmentation: how much noise the second stage is given",
        "augmentation level",
        words,
        (("CDM, base in 3 evaluations, guided", tuple(points)),),
        "A rough base, where augmentation has something to cure; lower is better.",
    )


def _trade(
    folder: Path, name: str, system: str, values: Sequence[float], metrics: tuple[str, str]
) -> Curve:
    points = []
    measured = scores_of([folder / f"{name}-{at:g}.scores" for at in values], metrics)
    for at, found in zip(values, measured, strict=True):
        (x_words, x), (y_words, y) = sorted(
            found.cells.items(), key=lambda item: "score" not in item[0].lower() and item[0] != "IS"
        )
        points.append(Point(x.value, y.value, y.low, y.high, f"{at:g}"))
    return Curve(
        f"classes-{name}",
        f"{system}: fidelity against variety, by {name}",
        x_words,
        y_words,
        ((f"{system}, {name} beside each point", tuple(points)),),
        "To the right: classes are easier to recognise. Down: nearer to the photographs as a set.",
    )


def _samples(folder: Path, systems: Sequence[System]) -> Plate:
    opened = [(one.title, open_run(folder / one.name)) for one in (*systems, REAL)]
    rows = []
    for label in class_names()[:: max(1, len(class_names()) // SHOWN)][:SHOWN]:
        row = []
        for words, run in opened:
            item = min(item for item, name in run.labels().items() if name == label)
            row.append(Picture(run.files[item], words, f"{label}: {words}"))
        rows.append(tuple(row))
    note = "The first sample of every fourth class, not chosen."
    return Plate("classes-samples", "Samples side by side", tuple(rows), note)


def _by_level(request: Request, folder: Path) -> list[Plate]:
    levels = curves(request).get("level", ())
    if not levels:
        return []
    opened = [(f"level {at:g}", open_run(folder / f"level-{at:g}")) for at in levels]
    items = list(opened[0][1].files)[:: request.size.curve]
    rows = tuple(
        tuple(Picture(run.files[item], words, f"{item}, {words}") for words, run in opened)
        for item in items[:: max(1, len(items) // SHOWN)][:SHOWN]
    )
    note = "One sample a row, the same noise in each column: CDM's Figure 7, with a rough base."
    title = "Samples by the level of conditioning augmentation"
    return [Plate("classes-levels", title, rows, note)]
