"""Stages of SR3's Table 3: photographs of 56 pixels enlarged to 224, then named by a classifier.

The nets enlarge 64 to 256, so the way is 56 → 64 → 256 → 224, as in the paper.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from replication.stages.classes import class_names
from replication.stages.commands import computable, generating, importing, scoring
from replication.stages.configs import config_of
from replication.stages.request import Request
from replication.stages.stage import Stage
from replication.stages.systems import PHOTOS, System, here

LOW, NET, SIDE = 56, 64, 224
METRICS = ("top1", "top5")
BASELINE = System("baseline", "the 64-pixel originals, enlarged", "", "baseline")
BICUBIC = System("bicubic", "bicubic", "demo-bicubic.toml")


def error_stages(request: Request) -> list[Stage]:
    """Return the stages of the table; none without class folders or a classifier."""
    if request.classes is None or not computable(METRICS, request.networks):
        return []
    folder, count = request.out / "errors", request.size.errors
    stages = [
        _imported(request, request.classes, folder / "real", NET),
        _imported(request, request.classes, folder / "low", LOW),
        _resized(request, folder / "real", folder / BASELINE.name, SIDE),
        _resized(request, folder / "low", folder / BICUBIC.name, SIDE),
        _resized(request, folder / "low", folder / "inputs", NET),
    ]
    for system in nets():
        stages += _by_net(request, system, count * len(class_names()))
    return stages + [_scored(request, system) for system in systems()]


def nets() -> list[System]:
    """Return the nets of the table."""
    return [system for system in here(PHOTOS) if system.published]


def systems() -> list[System]:
    """Return everything that is measured."""
    return [BASELINE, BICUBIC, *nets()]


def _imported(request: Request, source: Path, out: Path, side: int) -> Stage:
    says = f"Table 3: {request.size.errors} photographs of each class, at {side} pixels"
    return importing(
        f"errors-{out.name}", says, source, out, side, within="val",
        per_class=request.size.errors,
    )  # fmt: skip


def _resized(request: Request, inputs: Path, out: Path, side: int) -> Stage:
    fields: dict[str, Any] = {"generator": "bicubic", "size": side}
    fields |= {"inputs": inputs, "out": out}
    config = config_of(request.out / "configs" / f"errors-{out.name}.toml", fields)
    says = f"Table 3: {inputs.name} to {side} pixels"
    return generating(f"errors-{out.name}", says, config, out, inputs=inputs, seconds=2)


def _by_net(request: Request, system: System, images: int) -> list[Stage]:
    folder = request.out / "errors"
    large = folder / f"{system.name}-256"
    says = f"Table 3: {images} images by {system.title}"
    made = generating(
        f"errors-{large.name}", says, system.file, large, inputs=folder / "inputs",
        checkpoints=system.checkpoints, seconds=system.seconds * images,
    )  # fmt: skip
    return [made, _resized(request, large, folder / system.name, SIDE)]


def _scored(request: Request, system: System) -> Stage:
    folder = request.out / "errors"
    return scoring(
        f"errors-{system.name}-scores",
        f"Table 3: errors of {system.title}",
        folder / system.name,
        folder / f"{system.name}.scores",
        METRICS,
        images=request.size.errors * len(class_names()),
    )
