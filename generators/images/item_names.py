"""From file names to item ids and class labels: one rule for folders, zips and every command."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from generators.errors import RunError, SharedIdError
from generators.images.listing import SUFFIXES, counted, few

IdRule = Literal["stem", "path"]
_FORBIDDEN = frozenset('/\\:*?"<>|')  # no file name on every system may hold these
_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", *(port + n for port in ("COM", "LPT") for n in "123456789¹²³")]
)
_CONTENT = frozenset(
    [
        "image",
        "images",
        "img",
        "imgs",
        "jpeg",
        "jpegs",
        "jpegimages",
        "jpg",
        "jpgs",
        "photos",
        "pictures",
        "png",
    ]
)
_SPLITS = frozenset(["dev", "test", "testing", "train", "training", "val", "valid", "validation"])


@dataclass(frozen=True)
class NamedFile:
    """One file of a folder or zip: `name` inside it, with ``/``; `label` is its class."""

    id: str
    name: str
    label: str | None


def name_items(
    where: object, names: Iterable[str], ids: IdRule = "stem", template: str | None = None
) -> tuple[list[NamedFile], tuple[str, ...]]:
    """Return the files in name order with their ids and labels, and notes on changed names.

    The id is the file's stem, or with ``ids="path"`` its path with ``-`` for ``/`` below the folder
    that all files share; of `template` (such as ``{id}_SRx4``) the part ``{id}``. Ids are in
    Unicode's composed form (NFC), and have ``_`` for what no file name may hold. Raises
    `SharedIdError` where two files share an id; capitals and small letters count as the same.
    """
    places = [PurePosixPath(name) for name in sorted(names)]
    shared = _shared_folder(places)
    labels = class_labels([place.relative_to(shared) for place in places])
    raw = [_raw_id(place.relative_to(shared), ids) for place in places]
    clean = [clean_id(name) for name in raw]
    bare = clean if template is None else strip_template(where, clean, template)
    named = [
        NamedFile(item, place.as_posix(), label)
        for item, place, label in zip(bare, places, labels, strict=True)
    ]
    _refuse_duplicates(where, named, shared, ids)
    changed = [f"{name!r}" for name in raw if clean_id(name) != unicodedata.normalize("NFC", name)]
    names_hold = counted(len(changed), "name holds", "names hold")
    what = f"{names_hold} what no file name may on every system, '_' stands for it"
    return named, (f"{what}: {few(changed)}",) if changed else ()


def _shared_folder(places: Sequence[PurePosixPath]) -> PurePosixPath:
    return (
        PurePosixPath(os.path.commonpath([place.parent for place in places]))
        if places
        else PurePosixPath()
    )


def _raw_id(below: PurePosixPath, ids: IdRule) -> str:
    return below.stem if ids == "stem" else "-".join(below.with_suffix("").parts)


def clean_id(name: str) -> str:
    """Return a name as an item id: composed (NFC), with ``_`` for what no file name may hold.

    Names that Windows keeps for devices, whatever follows their first dot, get a ``_`` behind them.
    """
    head, dot, tail = _allowed(name).partition(".")
    return f"{head}_{dot}{tail}" if _is_device(head) else head + dot + tail


def _allowed(name: str) -> str:
    composed = unicodedata.normalize("NFC", name)
    return "".join(
        letter if letter.isprintable() and letter not in _FORBIDDEN else "_" for letter in composed
    )


def _is_device(head: str) -> bool:
    return head.rstrip(" ").upper() in _DEVICES


def check_id(item: str) -> None:
    """Refuse an item id that cannot be a file name. Raises `RunError`."""
    if _is_device(item.partition(".")[0]):
        raise RunError(f"item id {item!r}: Windows keeps this name for a device, expected another")
    printable = item.isprintable() and not set(item) & _FORBIDDEN
    if not item or item.startswith(".") or not printable or len(item.encode()) > 200:
        raise RunError(f"item id {item!r}: cannot be a file name, expected e.g. 'photo-003'")


def same_id(item: str) -> str:
    """Return what two ids have in common that would be one file name on some systems."""
    return unicodedata.normalize("NFC", item).casefold()


def strip_template(where: object, ids: Sequence[str], template: str) -> list[str]:
    """Return the part ``{id}`` of each id. Raises `RunError` for ids that do not fit `template`.

    The template is read as ids are: composed, with ``_`` for what no file name may hold.
    """
    before, found, after = (_allowed(part) for part in template.partition("{id}"))
    if not found or "{id}" in after:
        raise RunError(f"{template!r}: expected one {{id}} in it, e.g. '{{id}}_SRx4'")
    longer = len(before) + len(after)
    strangers = [
        item
        for item in ids
        if not (item.startswith(before) and item.endswith(after) and len(item) > longer)
    ]
    if strangers:
        names = counted(len(strangers), "name is", "names are")
        ending = after.lower().endswith(SUFFIXES)
        hint = f"; names are without their ending, expected {_bare(template)!r}" if ending else ""
        raise RunError(f"{where}: {names} not {template!r}: {few(strangers)}{hint}")
    return [item[len(before) : len(item) - len(after)] for item in ids]


def _bare(template: str) -> str:
    return template[: template.rindex(".")]


def class_labels(places: Sequence[PurePosixPath]) -> list[str | None]:
    """Return the class of each file: the name of its folder, or None where there is none.

    The paths are relative to the folder that all share. A folder that only says what is in it
    (``CLASS/images/x.JPEG``, as in Tiny ImageNet) is not the class, nor is a top level that holds
    nothing but splits (``train``, ``val``, ``test``).
    """
    folders = [_without_content(place.parent.parts) for place in places]
    tops = {parts[0].casefold() for parts in folders if parts}
    if tops and tops <= _SPLITS and all(folders):
        folders = [parts[1:] for parts in folders]
    return [parts[-1] if parts else None for parts in folders]


def _without_content(parts: tuple[str, ...]) -> tuple[str, ...]:
    while len(parts) > 1 and parts[-1].casefold() in _CONTENT:
        parts = parts[:-1]
    return parts


def _refuse_duplicates(
    where: object, named: Sequence[NamedFile], shared: PurePosixPath, ids: IdRule
) -> None:
    first: dict[str, NamedFile] = {}
    for one in named:
        other = first.setdefault(same_id(one.id), one)
        if other is not one:
            both = f"{other.name} and {one.name}"
            hint = _hint(named, shared) if ids == "stem" else ""
            raise SharedIdError(f"{where}: {both} share the item id {one.id!r}{hint}")


def _hint(named: Sequence[NamedFile], shared: PurePosixPath) -> str:
    paths = {
        same_id(clean_id(_raw_id(PurePosixPath(one.name).relative_to(shared), "path")))
        for one in named
    }
    if len(paths) < len(named):
        return ""  # two files of one name and other formats: their paths are one as well
    return '; --ids path (in a file of settings: ids = "path") makes ids of the whole path'
