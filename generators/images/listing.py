"""The image files below a folder or in a zip, and in words what is left out. One rule for all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from generators.errors import RunError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
DEPTH = 64  # folders inside each other; deeper is a loop or an attack
_THUMBNAILS = frozenset({"@eadir", "__macosx", "thumbnails", "thumbs"})
_OTHER_FORMATS = frozenset(
    [
        ".apng",
        ".arw",
        ".avif",
        ".bmp",
        ".cr2",
        ".dng",
        ".exr",
        ".gif",
        ".hdr",
        ".heic",
        ".heif",
        ".ico",
        ".j2k",
        ".jfif",
        ".jp2",
        ".jpe",
        ".jxl",
        ".nef",
        ".pbm",
        ".pcx",
        ".pfm",
        ".pgm",
        ".pnm",
        ".ppm",
        ".psd",
        ".qoi",
        ".svg",
        ".tga",
        ".tif",
        ".tiff",
    ]
)


@dataclass(frozen=True)
class Listing:
    """Image files by their name inside the folder (with ``/``), and a sentence for each reason."""

    files: dict[str, Path]
    notes: tuple[str, ...]


def counted(number: int, one: str, many: str) -> str:
    """Return a number with the right form of its noun: `1 file`, `2 files`."""
    return f"{number} {one if number == 1 else many}"


def few(names: Sequence[str], most: int = 5, between: str = ", ") -> str:
    """Return the first names and how many more there are: for one-line messages."""
    rest = len(names) - most
    return between.join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def reason_left_out(place: PurePosixPath) -> str | None:
    """Return why a file of this name is not an image of a folder, or None if it is one."""
    if any(part.startswith(".") for part in place.parts):
        return "hidden"
    if any(part.casefold() in _THUMBNAILS for part in place.parts):
        return "thumbnail or system folder"
    suffix = place.suffix.lower()
    if suffix in SUFFIXES:
        return None
    return "other image format" if suffix in _OTHER_FORMATS else "not an image"


def left_out_notes(reasons: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return one sentence for each reason, from (reason, file name) pairs."""
    grouped: dict[str, list[str]] = {}
    for reason, name in reasons:
        grouped.setdefault(reason, []).append(name)
    return tuple(
        f"left out {counted(len(names), 'entry', 'entries')} ({reason}): {few(sorted(names))}"
        for reason, names in sorted(grouped.items())
    )


def no_images(where: object, notes: Sequence[str]) -> str:
    """Return in words that a folder has no images, with what was left out of it."""
    left = "".join(f"; {note}" for note in notes)
    return f"{where}: holds no images, expected {', '.join(SUFFIXES)} files{left}"


def list_images(root: Path) -> Listing:
    """Return the image files below a folder, in name order.

    Links are followed, to files and to folders; a folder that was seen already is not entered
    again. Hidden files and folders, thumbnail folders, other formats and other files are left out
    with a note. What is called an image is listed even if it is none, or a broken link: reading it
    says so. Raises `RunError` for a folder that cannot be read.
    """
    return _Walk(root).listing()


class _Walk:
    """One walk over a folder: real folders first, links to folders after them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, Path] = {}
        self._left_out: list[tuple[str, str]] = []
        self._followed: list[str] = []
        self._foreign: list[str] = []  # names that are not UTF-8
        self._seen: set[tuple[int, int]] = set()
        self._links: list[Path] = []

    def listing(self) -> Listing:
        self._enter(self._root)
        while self._links:
            link = self._links.pop(0)
            if self._mark(link):
                self._followed.append(self._name(link))
                self._enter(link)
            else:
                self._left_out.append(("link to a folder that is there already", self._name(link)))
        notes = left_out_notes(self._left_out)
        if self._followed:
            links = counted(len(self._followed), "link", "links")
            notes += (f"followed {links}: {few(sorted(self._followed))}",)
        if self._foreign:
            names = counted(len(self._foreign), "file name", "file names")
            shown = few(sorted(self._foreign))
            notes += (f"{names} not in UTF-8, read as Latin-1: {shown}",)
        return Listing(dict(sorted(self._files.items())), notes)

    def _enter(self, top: Path) -> None:
        self._mark(top)
        for folder, folders, names in os.walk(top, onerror=_raise):
            here = Path(folder)
            folders[:] = sorted(name for name in folders if self._goes_into(here / name))
            for name in sorted(names):
                self._take(here / name)

    def _goes_into(self, folder: Path) -> bool:
        reason = reason_left_out(PurePosixPath(folder.name, "x.png"))
        if reason is None and len(folder.relative_to(self._root).parts) > DEPTH:
            reason = f"more than {DEPTH} folders deep"
        if reason is not None:
            self._left_out.append((reason, f"{self._name(folder)}/"))
        elif folder.is_symlink():
            self._links.append(folder)
        else:
            return self._mark(folder)
        return False

    def _take(self, path: Path) -> None:
        name = self._name(path)
        reason = reason_left_out(PurePosixPath(path.name))
        if reason is not None:
            broken = path.is_symlink() and not path.exists()
            self._left_out.append(("broken link" if broken else reason, name))
            return
        if path.is_symlink():
            self._followed.append(name)
        self._files[name] = path.absolute()

    def _mark(self, folder: Path) -> bool:
        """Return whether a folder is seen for the first time, and remember it."""
        found = folder.stat()
        new = (found.st_dev, found.st_ino) not in self._seen
        self._seen.add((found.st_dev, found.st_ino))
        return new

    def _name(self, path: Path) -> str:
        name = path.relative_to(self._root).as_posix()
        readable = readable_name(name)
        if readable != name and path.suffix.lower() in SUFFIXES:
            self._foreign.append(readable)
        return readable


def _raise(error: OSError) -> None:
    # A folder that may not be read must not look like an empty one.
    raise RunError(f"{error.filename}: cannot be read ({error.strerror})")


def readable_name(name: str) -> str:
    """Return a file name as text: bytes that are not UTF-8 (old zips, old disks) as Latin-1."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("latin-1")
    return name
