"""The run folder and its manifest. A format module: downstream packages import this and `pixels`.

A run is one generator's images for one item list: PNG files and, written last and atomically,
``manifest.json``. A folder without a manifest is a plain folder of images, and works as a run whose
items are its files' stems.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from generators.errors import ImageError, RunError
from generators.files import file_sha256, read_file, write_atomically
from generators.images.item_names import IdRule, name_items
from generators.images.listing import counted, few, list_images, no_images
from generators.pairing import pair_ids
from generators.pixels import (
    ImageFacts,
    check_image,
    image_sha256,
    image_size,
    profile_notes,
)

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
_MANIFEST_BYTES = 1 << 30  # ImageNet's train set takes 400 MB
JOURNAL = ".progress.jsonl"  # there while a run is being written (`generators.runs.writer`)


class Item(BaseModel):
    """One image of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    file: str  # relative to the run folder, with forward slashes
    sha256: str  # of the file's bytes
    width: int
    height: int
    seed: int | None = None
    label: str | None = None  # class label
    source: str | None = None  # what this image was made from: an item id or an original file name
    shortfall: str | None = None  # what the generator says the image falls short of, as one line
    prompt: str | None = None  # the text that the image was made from

    @field_validator("file")
    @classmethod
    def _inside(cls, file: str) -> str:
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts or "\\" in file:
            raise ValueError(f"file {file!r} lies outside the run folder")
        return file


class Manifest(BaseModel):
    """Everything needed to repeat a run, and to know that its bytes are still the ones it wrote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    generator: str
    config: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)  # role -> digest of that run
    checkpoint: dict[str, str] | None = None  # file name -> sha256
    sampler: str | None = None
    evaluations: int | None = None  # network evaluations per image
    dtype: str = "uint8"
    micro_batch: int | None = None
    device: str = "cpu"
    arithmetic: str | None = None  # what computed the nets; None: no net, or a run of before
    versions: dict[str, str] = Field(default_factory=dict)
    created_at: str = ""
    wall_seconds: float | None = None
    seal: str = ""  # sha256 of this file with an empty seal; set by `write_manifest`
    items: tuple[Item, ...]

    @field_validator("items")
    @classmethod
    def _unique(cls, items: tuple[Item, ...]) -> tuple[Item, ...]:
        for what in ("id", "file"):
            counts = Counter(getattr(item, what) for item in items)
            if twice := [name for name, count in counts.items() if count > 1]:
                raise ValueError(f"{len(twice)} items share one {what}: {few(twice)}")
        return items

    @property
    def digest(self) -> str:
        """Return the sha256 over every item's id and file digest: equal images, equal digest."""
        return content_digest({item.id: item.sha256 for item in self.items})

    @property
    def shortfalls(self) -> str:
        """Return in one line how many items fall short of what was sought, or ``""``."""
        short = [f"{item.id}: {item.shortfall}" for item in self.items if item.shortfall]
        if not short:
            return ""
        return f"{len(short)} of {len(self.items)} images fall short ({few(short, 1, '; ')})"


class Run(BaseModel):
    """A folder of images opened for reading; `manifest` is None for a plain folder."""

    model_config = ConfigDict(frozen=True)

    folder: Path
    name: str
    files: dict[str, Path]  # item id -> absolute path, in id order
    manifest: Manifest | None = None
    folder_labels: dict[str, str] = Field(default_factory=dict)  # of a plain folder
    notes: tuple[str, ...] = ()  # what was left out or read in its own way, what falls short
    own_ids: dict[str, str] = Field(default_factory=dict)  # where the items took another run's ids

    def digest(self) -> str:
        """Return the digest of the run's content (a plain folder's files are hashed here).

        Raises `ImageError` for a file of a plain folder that cannot be read.
        """
        if self.manifest is not None:
            return self.manifest.digest
        digests = {item: image_sha256(path) for item, path in self.files.items()}
        return content_digest({self.own_ids.get(item, item): d for item, d in digests.items()})

    def sizes(self, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Return item id -> (width, height) of these items. Raises `ImageError`."""
        if self.manifest is None:
            return {item: image_size(self.files[item]) for item in ids}
        known = {one.id: (one.width, one.height) for one in self.manifest.items}
        return {item: known[self.own_ids.get(item, item)] for item in ids}

    def with_ids_of(self, other: Run) -> Run:
        """Return the run under the ids of another where they pair by one pattern, and say so.

        Its digest stays. The run comes back as it is where ids are equal or nothing pairs.
        """
        pairing = pair_ids(list(self.files), list(other.files))
        if pairing is None or not pairing.said:
            return self
        own = {pairing.partner[item]: item for item in self.files}
        said = f"pairs with {other.folder}: {pairing.said}"
        return self.model_copy(
            update={
                "files": {item: self.files[mine] for item, mine in sorted(own.items())},
                "own_ids": own,
                "notes": (*self.notes, said),
            }
        )

    def labels(self) -> dict[str, str]:
        """Return item id -> class label for the items that carry one."""
        own = self.folder_labels
        if self.manifest is not None:
            own = {one.id: one.label for one in self.manifest.items if one.label is not None}
        mine = {item: self.own_ids.get(item, item) for item in self.files}
        return {item: own[name] for item, name in mine.items() if name in own}


def content_digest(digests: dict[str, str]) -> str:
    """Return one sha256 for a mapping of item id to sha256, whatever the order."""
    lines = "".join(f"{item}\0{digest}\n" for item, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` into the run folder, atomically; this is what finishes a run."""
    write_atomically(folder / MANIFEST, manifest_bytes(manifest))


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the one serialisation of a manifest, its seal computed over all the rest.

    Because there is only one, a changed, added or missing byte anywhere in the file shows: either
    the fields no longer give the seal, or serialising them no longer gives the file.
    """
    unsealed = manifest.model_copy(update={"seal": ""})
    seal = hashlib.sha256(_canonical(unsealed)).hexdigest()
    return _canonical(manifest.model_copy(update={"seal": seal}))


def _canonical(manifest: Manifest) -> bytes:
    # A key that came later: left out where it says nothing, so that earlier manifests stay whole.
    unsaid = {"arithmetic"} if manifest.arithmetic is None else set()
    fields = manifest.model_dump(mode="json", exclude=unsaid)
    for item in fields["items"]:
        for added in ("shortfall", "prompt"):
            if item[added] is None:
                del item[added]
    text = json.dumps(fields, indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False)
    return (text + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a finished run. Raises `RunError` where a byte of it was changed."""
    path = folder / MANIFEST
    try:
        found = read_file(path, _MANIFEST_BYTES)
        manifest = _parse(path, found)
        whole = found == manifest_bytes(manifest)
    except FileNotFoundError:
        raise RunError(f"{path}: missing, so {folder} is not a finished run") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{path}: not a run manifest ({where}: {first['msg']})") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, nested too deep, NaN
        raise RunError(f"{path}: not a run manifest ({error})") from None
    if not whole:
        raise RunError(f"{path}: altered since it was written (its seal does not fit its bytes)")
    return manifest


def _parse(path: Path, data: bytes) -> Manifest:
    fields = json.loads(data.decode("utf-8"))
    version = fields.get("format_version") if isinstance(fields, dict) else None
    if version != FORMAT_VERSION:
        raise RunError(f"{path}: format_version is {version!r}, expected {FORMAT_VERSION}")
    return Manifest.model_validate(fields)


def open_run(folder: Path, ids: IdRule = "stem") -> Run:
    """Open a run folder, or a plain folder of images, for reading.

    The items of a plain folder are its files' stems, or with ``ids="path"`` their paths; the class
    is the name of the file's folder (`generators.images.item_names`). Raises `RunError` for a
    folder that is missing or empty, for a file the manifest names and the folder lacks, and for two
    plain files that share an id (items pair by id, never by order).
    """
    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder, expected a run or a folder of images")
    if (folder / MANIFEST).exists():
        return _open_finished(folder)
    if (folder / JOURNAL).exists():
        raise RunError(f"{folder}: is an unfinished run; the command that began it will finish it")
    return _open_plain(folder, ids)


def _open_plain(folder: Path, ids: IdRule) -> Run:
    listing = list_images(folder)
    if not listing.files:
        raise RunError(no_images(folder, listing.notes))
    named, changed = name_items(folder, listing.files, ids)
    return Run(
        folder=folder,
        name=folder.resolve().name,
        files=dict(sorted((one.id, listing.files[one.name]) for one in named)),
        folder_labels={one.id: one.label for one in named if one.label is not None},
        notes=listing.notes + changed,
    )


def _open_finished(folder: Path) -> Run:
    manifest = read_manifest(folder)
    files = {item.id: (folder / item.file).absolute() for item in manifest.items}
    if not files:
        raise RunError(f"{folder}/{MANIFEST}: lists no items, expected at least one")
    missing = [str(path) for path in files.values() if not path.is_file()]
    if missing:
        raise RunError(
            f"{folder}: {counted(len(missing), 'file', 'files')} of the manifest missing: "
            f"{few(missing)}"
        )
    ordered = dict(sorted(files.items()))
    said = tuple(line for line in (manifest.shortfalls,) if line)
    name = folder.resolve().name
    return Run(folder=folder, name=name, files=ordered, manifest=manifest, notes=said)


def verify_run(folder: Path) -> list[str]:
    """Return one line per difference between a finished run and its manifest; empty when whole.

    Every file is hashed again, its size compared, and files the manifest does not list are named.
    """
    try:
        manifest = read_manifest(folder)
    except RunError as error:
        return [str(error)]
    problems = [line for item in manifest.items if (line := _verify_item(folder, item))]
    return problems + unlisted(folder, manifest)


def unlisted(folder: Path, manifest: Manifest) -> list[str]:
    """Return one line for each image in a run's folder that its manifest does not list."""
    listed = {item.file for item in manifest.items}
    extra = sorted(list_images(folder).files.keys() - listed)
    return [f"{folder / name}: not in the manifest" for name in extra]


def _verify_item(folder: Path, item: Item) -> str | None:
    path = folder / item.file
    if not path.is_file():
        return f"{path}: missing, the manifest lists it as item {item.id!r}"
    found = file_sha256(path)
    if found != item.sha256:
        return f"{path}: sha256 is {found[:12]}…, the manifest says {item.sha256[:12]}…"
    try:
        size = image_size(path)
    except ImageError as error:
        return str(error)
    if size != (item.width, item.height):
        return f"{path}: is {size[0]}x{size[1]}, the manifest says {item.width}x{item.height}"
    return None


def refuse_unusable(run: Run, ids: Iterable[str] | None = None) -> tuple[str, ...]:
    """Refuse files that were altered, or that `read_image` would refuse, before any long work.

    A finished run is verified whole; of a plain folder the files of `ids` (by default all) are
    decoded once. Returns what a person should know: the colour profiles that are converted. Raises
    `ImageError` with the first faults and the number of others.
    """
    if run.manifest is not None:
        problems, profiles = verify_run(run.folder), []
    else:
        paths = [run.files[item] for item in (ids or run.files)]
        with ThreadPoolExecutor(2) as pool:
            facts = list(pool.map(_examined, paths))
        problems = [fact for fact in facts if isinstance(fact, str)]
        profiles = [fact.profile for fact in facts if not isinstance(fact, str)]
    if problems:
        rest = f" (and {len(problems) - 5} more such files)" if len(problems) > 5 else ""
        raise ImageError("; ".join(problems[:5]) + rest)
    return profile_notes(profiles)


def _examined(path: Path) -> ImageFacts | str:
    try:
        return check_image(path)
    except ImageError as error:
        return str(error)
