"""The image files of a folder or a zip: their names, ids, class labels and bytes."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

from generators.errors import RunError
from generators.images.listing import SUFFIXES

IdRule = Literal["stem", "path"]
MEMBER_LIMIT = 1 << 29  # bytes; a zip member that claims more is no photo


@dataclass(frozen=True)
class Source:
    """One image file. `name` is its path inside the folder or zip; `read` returns its bytes."""

    id: str
    name: str
    label: str | None
    read: Callable[[], bytes]


@contextmanager
def open_sources(path: Path, ids: IdRule = "stem", within: str = "") -> Iterator[list[Source]]:
    """Give the images of a folder or zip in name order. Nothing of a zip is ever extracted.

    `within` takes only the files of one folder in it. The id is the file's stem, or with
    ``ids="path"`` its path with ``-`` for ``/``; the label is the name of the file's folder, unless
    all files lie in one. Raises `RunError` for a path that is neither folder nor zip, one without
    images, a zip whose members point outside it, and ids that occur twice.
    """
    if path.is_dir():
        yield _named(path, _folder(path), ids, within)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield _named(path, _zip(path, archive), ids, within)
    elif path.exists():
        raise RunError(f"{path}: neither a folder nor a zip file")
    else:
        raise RunError(f"{path}: no such folder or zip file")


def _folder(root: Path) -> dict[str, Callable[[], bytes]]:
    files = {}
    for folder, _folders, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            files[path.relative_to(root).as_posix()] = path.read_bytes
    return files


def _zip(path: Path, archive: zipfile.ZipFile) -> dict[str, Callable[[], bytes]]:
    files: dict[str, Callable[[], bytes]] = {}
    for member in archive.infolist():
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts:
            raise RunError(f"{path}: member {member.filename!r} points outside the archive")
        if not _is_image(place):
            continue
        if member.file_size > MEMBER_LIMIT:
            raise RunError(f"{path}: member {member.filename!r} has {member.file_size} bytes")
        if place.as_posix() in files:
            raise RunError(f"{path}: member {member.filename!r} is there twice")
        files[place.as_posix()] = partial(_read_member, path, archive, member)
    return files


def _read_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(member)
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, zlib.error) as error:
        raise OSError(0, f"zip member is damaged or encrypted: {error}", str(path)) from None


def _is_image(place: PurePosixPath) -> bool:
    # Hidden files and the resource forks that macOS puts into zips are not images.
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in place.parts)
    return not hidden and place.suffix.lower() in SUFFIXES


def _named(
    root: Path, files: dict[str, Callable[[], bytes]], ids: IdRule, within: str
) -> list[Source]:
    inside = PurePosixPath(within)
    places = [PurePosixPath(name) for name in sorted(files)]
    places = [place for place in places if _is_image(place) and place.is_relative_to(inside)]
    if not places:
        where = f"{root}, folder {within!r}" if within else str(root)
        raise RunError(f"{where}: holds no images, expected {', '.join(SUFFIXES)} files")
    shared = PurePosixPath(os.path.commonpath([place.parent for place in places]))
    sources = []
    for place in places:
        below = place.relative_to(shared)
        item = place.stem if ids == "stem" else "-".join(below.with_suffix("").parts)
        label = place.parent.name if place.parent != shared else None
        sources.append(Source(item, place.as_posix(), label, files[place.as_posix()]))
    _refuse_duplicates(root, sources, ids)
    return sources


def _refuse_duplicates(root: Path, sources: list[Source], ids: IdRule) -> None:
    first: dict[str, str] = {}
    # Compared without case: two such files would be one on many file systems.
    for source in sources:
        key = source.id.casefold()
        if key in first:
            hint = "; --ids path makes ids of the whole path" if ids == "stem" else ""
            both = f"{first[key]} and {source.name}"
            raise RunError(f"{root}: {both} share the item id {source.id!r}{hint}")
        first[key] = source.name
