"""What is asked for: where to, from which data, how large."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from replication.errors import ReplicationError


@dataclass(frozen=True)
class Size:
    """How much is made.

    Judgments: `raters` of each system and task, `trials` each. Class-conditional images: `samples`
    of each class and system, against `reference` real ones of each class; `test` of each class
    are for tests, `curve` at each point of a curve, `errors` for the table of errors. `steps` faces
    are made at each point of the curve against evaluations; of the points of each curve every one,
    or every second, third, … one is made (`stride`).
    """

    photos: int
    faces: int
    raters: int
    trials: int
    samples: int = 1
    reference: int = 2
    test: int = 2
    epochs: int = 1
    curve: int = 1
    errors: int = 1
    steps: int = 4
    stride: int = 1


FULL = Size(
    photos=100, faces=100, raters=12, trials=24, samples=24, reference=100, test=25, epochs=30,
    curve=8, errors=8, steps=40,
)  # fmt: skip
QUICK = Size(
    photos=20, faces=12, raters=4, trials=8, samples=4, reference=16, test=5, epochs=15, curve=2,
    errors=1, steps=6, stride=2,
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What one call of the command asks for."""

    out: Path  # absolute
    size: Size = FULL
    faces: Path | None = None  # a folder or zip of faces; None: not here
    classes: Path | None = None  # a folder or zip with train/ and val/ of class folders
    judgments: dict[str, Path] = field(default_factory=dict)  # section -> judgments.csv of people
    networks: frozenset[str] = frozenset()  # feature networks whose weights are here
    faces_128: Path | None = None  # faces of 128 pixels a side or more


def there(path: Path | None, what: str) -> Path | None:
    """Return a path that was given, whole. Raises `ReplicationError` where nothing is there."""
    if path is not None and not path.exists():
        raise ReplicationError(f"{path}: no such file or folder, expected {what}")
    return None if path is None else path.resolve()


def exports(given: Mapping[str, Path | None]) -> dict[str, Path]:
    """Return section -> judgments.csv of the exports that are given. Raises `ReplicationError`."""
    found = {}
    for section, path in given.items():
        if path is None:
            continue
        file = path / "judgments.csv" if path.is_dir() else path
        if not file.is_file():
            raise ReplicationError(f"{path}: holds no judgments.csv, expected a study's export")
        found[section] = file.resolve()
    return found


def zip_members(source: Path) -> list[PurePosixPath]:
    """Return the names in a zip file. Raises `ReplicationError` for what is none, or is damaged."""
    if not zipfile.is_zipfile(source):
        raise ReplicationError(f"{source}: neither a folder nor a zip file")
    try:
        with zipfile.ZipFile(source) as archive:
            return [PurePosixPath(member.filename) for member in archive.infolist()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ReplicationError(f"{source}: a damaged zip file ({error})") from None
