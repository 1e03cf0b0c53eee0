"""Writing a run folder so that it can be killed at any moment and continued.

While a run is being made its folder holds a journal: a first line that says what is being made,
then one line per finished image. An image counts as done when its line is there and the file still
has the sha256 of the line. The manifest is written last and the journal then removed, so a folder
made in ten pieces is the same, byte for byte, as one made in one go (its times excepted).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from PIL import Image

from generators.errors import ConfigError, GeneratorError, RunError, WriteError, cause
from generators.files import file_sha256, make_folders, remove_made, utc_now, write_atomically
from generators.images.item_names import check_id
from generators.manifest import (
    JOURNAL,
    MANIFEST,
    Item,
    Manifest,
    read_manifest,
    verify_run,
    write_manifest,
)
from generators.resize import Pixels
from generators.runs.place import refuse_other_content

FLAT_LIMIT = 10_000  # above this many items the files go into sub-folders
PER_FOLDER = 1_000


def file_names(ids: Iterable[str]) -> dict[str, str]:
    """Return item id -> file name inside the run folder. Raises `RunError` for an unusable id."""
    ordered = sorted(ids)
    for item in ordered:
        check_id(item)
    if len(ordered) <= FLAT_LIMIT:
        return {item: f"{item}.png" for item in ordered}
    return {item: f"{n // PER_FOLDER:04d}/{item}.png" for n, item in enumerate(ordered)}


def encode_png(pixels: Pixels) -> bytes:
    """Return the PNG file of an ``(H, W, 3)`` uint8 image: equal pixels, equal bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def write_image(folder: Path, name: str, pixels: Pixels, **facts: Any) -> Item:
    """Write one image of a run and return its manifest entry; `facts` are the entry's others."""
    if pixels.dtype != "uint8" or pixels.ndim != 3 or pixels.shape[2] != 3:
        found = f"{pixels.dtype} {pixels.shape}"
        raise GeneratorError(f"item {facts['id']!r}: made {found}, expected uint8 (H, W, 3)")
    data = encode_png(pixels)
    write_atomically(folder / name, data, flush=False)
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(data).hexdigest()
    return Item(file=name, sha256=digest, width=width, height=height, **facts)


def check_epoch() -> str | None:
    """Return the time that SOURCE_DATE_EPOCH fixes, or None. Raises `ConfigError`."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        return None
    try:
        return datetime.fromtimestamp(int(given), UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        expected = "expected seconds since 1970, e.g. 1767225600"
        raise ConfigError(f"SOURCE_DATE_EPOCH is {given!r}, {expected}") from None


def versions_of(distributions: Iterable[str]) -> dict[str, str]:
    """Return distribution -> installed version, for the manifest."""
    found = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


class RunWriter:
    """A run folder being written. A context manager: leaving it keeps what is done for next time.

    `identity` is everything that decides the images: generator, config, inputs, checkpoint. `done`
    maps item id to manifest entry. Raises `RunError` when the folder holds anything else, or is
    being written by another process; `advice` ends the line about another run. A run that an error
    refuses before its first image leaves nothing behind.
    """

    def __init__(
        self,
        folder: Path,
        identity: dict[str, Any],
        labels: Mapping[str, str | None],
        *,
        advice: str = "remove it, rename it or begin anew with --start-over",
    ) -> None:
        self.folder = folder
        self.advice = advice
        self.labels = labels  # item id -> class
        self.files = file_names(labels)
        self.identity = identity
        self.finished: Manifest | None = None
        self.done: dict[str, Item] = {}
        self._started = time.monotonic()
        self._seconds = 0.0  # spent by the earlier pieces of this run
        self._journal: IO[str] | None = None
        self._began = False  # with this writer, and not before it
        self._made: list[Path] = []  # folders, for the run

    def __enter__(self) -> Self:
        if (self.folder / MANIFEST).exists():
            self.finished = self._same_run(read_manifest(self.folder))
            return self
        refuse_other_content(self.folder)
        self._journal = self._open_journal()
        try:
            self._lock(self._journal)
            self._resume(self._journal)
        except BaseException as error:
            self._leave(self._journal, error)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._journal is not None:
            self._leave(self._journal, error)

    def _leave(self, journal: IO[str], error: BaseException | None) -> None:
        if isinstance(error, GeneratorError) and self._began and not self.done:
            # The batch that failed may have written images that the journal does not have.
            paths = [self.folder / name for name in self.files.values()]
            below = sorted({path.parent for path in paths} - {self.folder})
            remove_made((*paths, self.folder / JOURNAL), [*self._made, *below])
        _abandon(journal)

    def check(self) -> None:
        """Refuse the folder where entering would, by what it holds, and write nothing."""
        if (self.folder / MANIFEST).exists():
            self._same_run(read_manifest(self.folder))
            return
        refuse_other_content(self.folder)
        try:
            text = (self.folder / JOURNAL).read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise RunError(f"{self.folder / JOURNAL}: cannot be read ({cause(error)})") from None
        self._refuse_other_header(text.split("\n")[:-1])

    def write(self, item: str, pixels: Pixels, **facts: Any) -> Item:
        """Write one image and return its entry; `record` it to count it as done."""
        return write_image(self.folder, self.files[item], pixels, id=item, **facts)

    def record(self, items: Iterable[Item]) -> None:
        """Put finished images into the journal."""
        if self._journal is None:
            raise RunError(f"{self.folder}: is finished, nothing can be added")
        lines = []
        for item in items:
            self.done[item.id] = item
            lines.append(item.model_dump_json())
        seconds = self._seconds + time.monotonic() - self._started
        lines.append(json.dumps({"seconds": round(seconds, 3)}))
        self._append(self._journal, lines)

    def _append(self, journal: IO[str], lines: list[str]) -> None:
        # What a full disk tears off is found torn, or not found, when the run goes on.
        try:
            journal.write("\n".join(lines) + "\n")
            journal.flush()
        except OSError as error:
            _abandon(journal)
            raise WriteError(str(self.folder / JOURNAL), error.strerror) from None

    def finish(self, **fields: Any) -> Manifest:
        """Write the manifest and remove the journal; `fields` are the manifest's others."""
        missing = sorted(set(self.files) - set(self.done))
        if missing:
            raise RunError(f"{self.folder}: {len(missing)} items were not made, e.g. {missing[0]}")
        items = tuple(self.done[item] for item in self.files)
        manifest = Manifest(**self.identity, **fields, **self._times(), items=items)
        os.sync()  # the images reach the disk before the file that vouches for them
        write_manifest(self.folder, manifest)
        (self.folder / JOURNAL).unlink()
        return read_manifest(self.folder)

    def _times(self) -> dict[str, Any]:
        # The reproducible-builds convention: with a fixed date the manifest has no time of its own
        # and two runs are equal to the last byte.
        fixed = check_epoch()
        if fixed is not None:
            return {"created_at": fixed, "wall_seconds": None}
        seconds = self._seconds + time.monotonic() - self._started
        return {"created_at": utc_now(), "wall_seconds": round(seconds, 3)}

    def _same_run(self, manifest: Manifest) -> Manifest:
        found = {key: getattr(manifest, key) for key in self.identity}
        if found.get("arithmetic", "") is None:  # finished before this was recorded
            found["arithmetic"] = self.identity["arithmetic"]
        if found == self.identity and {item.id for item in manifest.items} == set(self.files):
            for item in manifest.items:
                self._refuse_label(item, "finished")
            if problems := verify_run(self.folder):
                raise RunError(f"{problems[0]}; remove {self.folder} to make it again")
            return manifest
        differs = [key for key in self.identity if found[key] != self.identity[key]]
        what = _difference(found, self.identity, differs) if differs else "its items differ"
        raise RunError(f"{self.folder}: holds another finished run ({what}); {self.advice}")

    def _open_journal(self) -> IO[str]:
        try:
            self._made = make_folders(self.folder)
            return (self.folder / JOURNAL).open("a+", encoding="utf-8")
        except OSError as error:
            raise WriteError(str(self.folder), error.strerror) from None

    def _lock(self, journal: IO[str]) -> None:
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{self.folder}: another process is writing this run") from None

    def _resume(self, journal: IO[str]) -> None:
        journal.seek(0)
        lines = journal.read().split("\n")[:-1]  # what follows the last newline is torn
        self._refuse_other_header(lines)
        self._began = not lines
        self._take(lines[1:])
        for part in self.folder.rglob(".*.part"):
            part.unlink()
        # Rewritten whole: a kill may have torn the last line, and damaged files are made again.
        kept = [self._header(), *(item.model_dump_json() for item in self.done.values())]
        kept.append(json.dumps({"seconds": self._seconds}))
        journal.truncate(0)
        self._append(journal, kept)

    def _header(self) -> str:
        return json.dumps({"identity": self.identity, "items": len(self.files)}, sort_keys=True)

    def _refuse_other_header(self, lines: list[str]) -> None:
        if lines and lines[0] != self._header():
            raise RunError(f"{self.folder}: {self._unfinished(lines[0])}")

    def _unfinished(self, header: str) -> str:
        try:
            found = json.loads(header)["identity"]
            keys = sorted(found.keys() | self.identity)
        except (ValueError, KeyError, TypeError, AttributeError):
            return f"{JOURNAL} is no run's; remove it or rename"
        differs = [key for key in keys if found.get(key) != self.identity.get(key)]
        what = _difference(found, self.identity, differs) if differs else "its items differ"
        last = "go on where it began, or begin anew with --start-over"
        if differs != ["arithmetic"]:
            last = self.advice
        return f"holds an unfinished run of other settings ({what}); {last}"

    def _take(self, lines: list[str]) -> None:
        for line in lines:
            # A line that a crash damaged counts for nothing: its image is made again.
            try:
                fields = json.loads(line)
                if isinstance(fields, dict) and "seconds" in fields:
                    self._seconds = float(fields["seconds"])
                    continue
                item = Item.model_validate(fields)
            except (ValueError, TypeError, RecursionError):
                continue
            path = self.folder / item.file
            expected = self.files.get(item.id)
            if item.file == expected and path.is_file() and file_sha256(path) == item.sha256:
                self._refuse_label(item, "unfinished")
                self.done[item.id] = item

    def _refuse_label(self, item: Item, state: str) -> None:
        """Raise `RunError` for an item that was made under another class."""
        if item.label != self.labels[item.id]:
            raise RunError(
                f"{self.folder}: holds a run of other classes, {state} (item {item.id!r} is "
                f"{item.label or 'of none'}, now {self.labels[item.id] or 'of none'}); remove it "
                "or rename it"
            )


def _abandon(stream: IO[str]) -> None:
    # Closing tries once more to write what is buffered.
    with contextlib.suppress(OSError):
        stream.close()


def _difference(found: dict[str, Any], wanted: dict[str, Any], differs: list[str]) -> str:
    key = differs[0]
    old, new = found.get(key), wanted.get(key)
    if isinstance(old, dict) and isinstance(new, dict):
        inner = sorted(name for name in old.keys() | new if old.get(name) != new.get(name))
        key, old, new = f"{key} {inner[0]}", old.get(inner[0]), new.get(inner[0])
    return f"{key} is {old!r}, this run has {new!r}"
