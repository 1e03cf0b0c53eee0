"""Stages of class-conditional images, 64×64: samples, scores, accuracy of a net trained on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from replication.errors import ReplicationError
from replication.stages.commands import (
    computable,
    generating,
    importing,
    scoring,
    training_on,
)
from replication.stages.configs import changed, config_of
from replication.stages.request import Request, zip_members
from replication.stages.stage import Stage
from replication.stages.systems import CLASSES, System, here, preset

SCORES = (
    "fid",
    "inception_score",
    "effnet_fd",
    "effnet_kid",
    "effnet_precision",
    "effnet_recall",
    "effnet_class_score",
    "top1",
    "top5",
)
SIDE = 64
LEVELS = (0.0, 0.03, 0.06, 0.1, 0.15)  # of conditioning augmentation; the net was trained to .15
GUIDANCE = (1.0, 2.0, 4.0, 6.0)  # of the base; the paper samples without, 1
TRUNCATIONS = (0.5, 1.0, 1.5, 2.0)
REAL = System("real", "real photographs", "", "Real")


def class_stages(request: Request) -> list[Stage]:
    """Return the stages of the class-conditional tables; none without class folders."""
    if request.classes is None:
        return []
    check_classes(request.classes)
    systems = here(CLASSES)
    stages = _imports(request, request.classes)
    stages += [_samples(request, system) for system in systems]
    stages += _curve_stages(request)
    stages += [_scores(request, system) for system in (REAL, *systems)]
    return stages + [_accuracy(request, system) for system in (REAL, *systems)]


def class_names() -> list[str]:
    """Return the classes that the shipped nets make."""
    names: list[str] = preset("runs/train-cdm-base.toml")["model"]["classes"]
    return names


def check_classes(source: Path) -> None:
    """Raise `ReplicationError` unless train/ and val/ hold folders of the classes of the nets."""
    names = set(class_names())
    found: dict[str, set[str]] = {"train": set(), "val": set()}
    for path in _members(source):
        if len(path.parts) > 2 and path.parts[0] in found:
            found[path.parts[0]].add(path.parts[1])
    for part, classes in found.items():
        if classes != names:
            odd = sorted(names ^ classes)[0]
            raise ReplicationError(
                f"{source}: {part}/ has {len(classes)} class folders, expected those of the "
                f"{len(names)} classes that the shipped nets make ({odd!r} is one too "
                f"{'few' if odd in names else 'many'})"
            )


def _members(source: Path) -> Iterator[PurePosixPath]:
    if source.is_dir():
        for folder in ("train", "val"):
            for path in (source / folder).glob("*/*"):
                yield PurePosixPath(path.relative_to(source).as_posix())
    else:
        yield from zip_members(source)


def _imports(request: Request, source: Path) -> list[Stage]:
    folder, size = request.out / "classes", request.size
    parts = (
        ("reference", "train", size.reference),
        ("equal", "train", size.samples),
        ("real", "val", size.test),
    )
    return [
        importing(
            f"classes-{name}",
            f"Classes: {count} real images of each class, of {within}",
            source,
            folder / name,
            SIDE,
            within=within,
            per_class=count,
        )
        for name, within, count in parts
    ]


def _samples(request: Request, system: System) -> Stage:
    config = changed(system.config(), {"per_class": request.size.samples})
    return _made(request, system.name, system, config, request.size.samples)


def _made(request: Request, name: str, system: System, config: dict[str, Any], count: int) -> Stage:
    images = count * len(class_names())
    return generating(
        f"classes-{name}",
        f"Classes: {images} samples of {system.title}",
        config_of(request.out / "configs" / f"{name}.toml", config),
        request.out / "classes" / name,
        checkpoints=system.checkpoints,
        seconds=system.seconds * images,
    )


def curves(request: Request) -> dict[str, tuple[float, ...]]:
    """Return curve -> where it is measured, of the curves whose nets are here."""
    at = {"level": LEVELS, "guidance": GUIDANCE, "truncation": TRUNCATIONS}
    nets = {"level": "cdm", "guidance": "cdm-guided", "truncation": "biggan"}
    found = {system.name for system in here(CLASSES)}
    return {name: at[name][:: request.size.stride] for name, net in nets.items() if net in found}


def _curve_stages(request: Request) -> list[Stage]:
    points = {"level": _at_level, "guidance": _at_guidance, "truncation": _at_truncation}
    measured = curves(request).items()
    return [
        stage for name, values in measured for at in values for stage in points[name](request, at)
    ]


def _at_level(request: Request, level: float) -> list[Stage]:
    system = System("level", f"CDM, level {level:g}", "cdm-16-64-quick.toml", seconds=0.06)
    config = system.config()
    config["stages"] = [config["stages"][0] | {"level": level}]
    return _point(request, system, config, level)


def _at_guidance(request: Request, guidance: float) -> list[Stage]:
    system = System(
        "guidance", f"CDM, guidance {guidance:g}", "cdm-16-64-guided.toml", seconds=0.06
    )
    config = changed(system.config(), {"base": {"guidance": guidance}})
    config["stages"] = [config["stages"][0] | {"guidance": 1.0}]
    return _point(request, system, config, guidance)


def _at_truncation(request: Request, truncation: float) -> list[Stage]:
    words = f"BigGAN-deep, truncation {truncation:g}"
    system = System("truncation", words, "biggan-deep-64.toml", seconds=0.05)
    return _point(request, system, changed(system.config(), {"truncation": truncation}), truncation)


def _point(request: Request, system: System, config: dict[str, Any], at: float) -> list[Stage]:
    config = changed(config, {"per_class": request.size.curve})
    name = f"{system.name}-{at:g}"
    made = _made(request, name, system, config, request.size.curve)
    return [made, _scored(request, name, f"Classes: scores of {system.title}", request.size.curve)]


def _scores(request: Request, system: System) -> Stage:
    count = request.size.test if system is REAL else request.size.samples
    return _scored(request, system.name, f"Classes: scores of {system.title}", count)


def _scored(request: Request, name: str, says: str, count: int) -> Stage:
    folder = request.out / "classes"
    return scoring(
        f"classes-{name}-scores",
        says,
        folder / name,
        folder / f"{name}.scores",
        computable(SCORES, request.networks),
        reference=folder / "reference",
        images=count * len(class_names()),
    )


def _accuracy(request: Request, system: System) -> Stage:
    folder, size = request.out / "classes", request.size
    trained_on = folder / ("equal" if system is REAL else system.name)
    fields = {
        "test": folder / "real",
        "generated": trained_on,
        "network": "resnet10",
        "image_size": 32,
        "epochs": size.epochs,
        "batch": 64,
        "learning_rate": 0.2,
        "weight_decay": 5e-4,
        "precision": "bf16",
        "seed": 0,
    }
    images = size.samples * len(class_names())
    return training_on(
        f"classes-{system.name}-accuracy",
        f"Classes: a classifier trained on {images} samples of {system.title}",
        config_of(request.out / "configs" / f"cas-{system.name}.toml", fields),
        folder / f"{system.name}.cas",
        reads=(trained_on, folder / "real"),
        seconds=0.002 * images * size.epochs,
    )
