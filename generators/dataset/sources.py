"""The image files of a folder or a zip: their names, ids, class labels and bytes."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from generators.dataset.zip_limits import check_zip
from generators.errors import RunError
from generators.files import read_file
from generators.images.header import byte_limit
from generators.images.item_names import IdRule, name_items
from generators.images.listing import (
    DEPTH,
    left_out_notes,
    list_images,
    no_images,
    reason_left_out,
)

Readers = dict[str, Callable[[], bytes]]  # name inside the folder or zip -> its bytes


@dataclass(frozen=True)
class ImageSource:
    """One image file. `name` is its path inside the folder or zip; `read` returns its bytes."""

    id: str
    name: str
    label: str | None
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Sources:
    """The image files of a folder or zip, and in words what was left out of it."""

    images: list[ImageSource]
    notes: tuple[str, ...]


@contextmanager
def open_sources(
    path: Path, ids: IdRule = "stem", within: str = "", names: str | None = None
) -> Iterator[Sources]:
    """Give the images of a folder or zip in name order. Nothing of a zip is ever extracted.

    `within` takes only the files of one folder in it; ids, labels and the template `names` are as
    in `generators.images.item_names`. Raises `RunError` for a path that is neither folder nor zip,
    one without images, a zip whose members point outside it, and ids that occur twice.
    """
    if path.is_dir():
        yield _named(path, _folder(path, within), ids, within, names)
    elif path.is_file() and zipfile.is_zipfile(path):
        check_zip(path)
        with zipfile.ZipFile(path) as archive:
            yield _named(path, _zip(path, archive, within), ids, within, names)
    elif path.exists():
        raise RunError(f"{path}: neither a folder nor a zip file")
    else:
        raise RunError(f"{path}: no such folder or zip file")


def _folder(root: Path, within: str) -> tuple[Readers, tuple[str, ...]]:
    inside = PurePosixPath(within)
    if ".." in inside.parts or inside.is_absolute() or not (root / inside).is_dir():
        return {}, ()
    listing = list_images(root / inside)
    readers: Readers = {
        (inside / name).as_posix(): partial(read_file, file, byte_limit())
        for name, file in listing.files.items()
    }
    return readers, listing.notes


def _zip(path: Path, archive: zipfile.ZipFile, within: str) -> tuple[Readers, tuple[str, ...]]:
    readers: Readers = {}
    left_out: list[tuple[str, str]] = []
    for member in archive.infolist():
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts:
            raise RunError(f"{path}: member {member.filename!r} points outside the archive")
        if member.is_dir() or not place.is_relative_to(within):
            continue
        name, reason = place.as_posix(), reason_left_out(place.relative_to(within))
        if reason is None and len(place.parts) > DEPTH:
            reason = f"more than {DEPTH} folders deep"
        if reason is not None:
            left_out.append((reason, name))
            continue
        if name in readers:
            raise RunError(f"{path}: member {member.filename!r} is there twice")
        readers[name] = partial(_read_member, path, archive, member)
    return readers, left_out_notes(left_out)


def _read_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.file_size > byte_limit():
        what = f"has {member.file_size} bytes, expected at most {byte_limit()}"
        raise OSError(0, what, str(path))
    try:
        return archive.read(member)
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, zlib.error) as error:
        raise OSError(0, f"zip member is damaged or encrypted: {error}", str(path)) from None


def _named(
    root: Path, found: tuple[Readers, tuple[str, ...]], ids: IdRule, within: str, names: str | None
) -> Sources:
    readers, notes = found
    if not readers:
        raise RunError(no_images(f"{root}, folder {within!r}" if within else root, notes))
    named, changed = name_items(root, readers, ids, names)
    images = [ImageSource(one.id, one.name, one.label, readers[one.name]) for one in named]
    return Sources(images, notes + changed)
