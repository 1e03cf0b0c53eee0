"""What is scored: a run, its reference and its inputs, scanned and paired by item id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from generators.errors import GeneratorError, ImageError, SharedIdError
from generators.manifest import Manifest, Run, content_digest, open_run, unlisted
from generators.pairing import IdRule, pair_ids, strip_template
from generators.pixels import profile_notes
from generators.reductions import reduction_of
from metrics.errors import InputError, counted, few, unusable
from metrics.images.decode import Scanned, scan
from metrics.progress import Advance, unseen
from metrics.scores import ScoredRun


@dataclass(frozen=True)
class ImageFiles:
    """A run, or a plain folder, whose files have all been hashed and whose headers are sound."""

    name: str
    folder: Path
    digest: str
    generator: str | None
    files: Mapping[str, Scanned]  # item id -> file, in id order
    labels: Mapping[str, str]  # item id -> class label, where there is one
    notes: tuple[str, ...] = ()  # what was left out, converted or renamed
    shared_id: str = ""  # why the files' stems are no ids, so that nothing pairs; "" if they are
    reduction: str | None = None  # of a run of low-resolution inputs, how they were made

    @property
    def sizes(self) -> set[tuple[int, int]]:
        """Return the (width, height) pairs that occur."""
        return {(file.width, file.height) for file in self.files.values()}

    @property
    def lossy(self) -> int:
        """Return the number of files stored with lossy compression."""
        return sum(file.lossy for file in self.files.values())

    @property
    def scored(self) -> ScoredRun:
        """Return what a scores file says of these images."""
        return ScoredRun(
            name=self.name,
            folder=str(self.folder),
            digest=self.digest,
            generator=self.generator,
        )


def open_images(
    folder: Path, *, ids: IdRule | None = None, workers: int = 2, advance: Advance = unseen
) -> ImageFiles:
    """Return the images of a run or folder. Raises `InputError` with the list of unusable files.

    A finished run's files are compared with its manifest, because scores carry its digest. A set of
    images needs no ids to be compared with a set: where `ids` is None and stems occur twice, the
    paths are the ids, and `shared_id` says why nothing pairs.
    """
    run, shared_id = _open(folder, ids)
    files, problems = _scan_all(run.files, workers, advance)
    problems += _altered(run, files)
    problems += unlisted(folder, run.manifest) if run.manifest else []
    if problems:
        listed = few(problems, between="; ")
        raise InputError(f"{folder}: {unusable(len(problems))}: {listed}")
    manifest = run.manifest
    digest = content_digest({item: file.digest for item, file in files.items()})
    return ImageFiles(
        name=run.name,
        folder=folder,
        digest=digest if manifest is None else manifest.digest,
        generator=None if manifest is None else manifest.generator,
        files=files,
        labels=run.labels(),
        notes=run.notes + profile_notes(file.profile for file in files.values()),
        shared_id=shared_id,
        reduction=_reduction(manifest),
    )


def _reduction(manifest: Manifest | None) -> str | None:
    if manifest is None or manifest.generator != "downsample":
        return None
    return reduction_of(manifest.config)


def _open(folder: Path, ids: IdRule | None) -> tuple[Run, str]:
    try:
        try:
            return open_run(folder, ids or "stem"), ""
        except SharedIdError as error:
            if ids is not None:
                raise
            return open_run(folder, "path"), str(error)
    except GeneratorError as error:
        raise InputError(str(error)) from None


def without_template(images: ImageFiles, template: str | None) -> ImageFiles:
    """Return the images under the part ``{id}`` of their ids. Raises `InputError`."""
    if template is None:
        return images
    try:
        bare = strip_template(images.folder, list(images.files), template)
    except GeneratorError as error:
        raise InputError(str(error)) from None
    return _renamed(images, dict(zip(images.files, bare, strict=True)))


def with_ids_of(images: ImageFiles, other: ImageFiles) -> ImageFiles:
    """Return the images under the ids of `other` where they pair completely, else as they are.

    The order stays, so that no score over the set changes with its names.
    """
    pairing = pair_ids(list(images.files), list(other.files))
    if pairing is None or not pairing.said:
        return images
    said = f"pairs with {other.folder}: {pairing.said}"
    return replace(_renamed(images, pairing.partner), notes=(*images.notes, said))


def _renamed(images: ImageFiles, names: Mapping[str, str]) -> ImageFiles:
    files = {names[item]: file for item, file in images.files.items()}
    labels = {names[item]: label for item, label in images.labels.items()}
    return replace(images, files=files, labels=labels)


def _scan_all(
    paths: Mapping[str, Path], workers: int, advance: Advance
) -> tuple[dict[str, Scanned], list[str]]:
    files: dict[str, Scanned] = {}
    problems: list[str] = []
    with ThreadPoolExecutor(workers) as pool:
        for item, found in zip(paths, pool.map(_scan_one, paths.values()), strict=True):
            if isinstance(found, str):
                problems.append(found)
            else:
                files[item] = found
            advance(1)
    return files, problems


def _scan_one(path: Path) -> Scanned | str:
    try:
        return scan(path)
    except ImageError as error:
        return str(error)


def _altered(run: Run, files: Mapping[str, Scanned]) -> list[str]:
    items = run.manifest.items if run.manifest else ()
    return [
        f"{files[item.id].path}: altered, its sha256 is {files[item.id].digest[:12]}… "
        f"and the manifest says {item.sha256[:12]}…"
        for item in items
        if item.id in files and files[item.id].digest != item.sha256
    ]


def paired_items(run: ImageFiles, other: ImageFiles, role: str) -> list[str]:
    """Return the run's item ids if `other` has the same ones. Raises `InputError` with the list."""
    missing = [item for item in run.files if item not in other.files]
    extra = [item for item in other.files if item not in run.files]
    if missing or extra:
        parts = [
            f"{counted(len(ids), *words)} {where}: {few(ids)}"
            for ids, words, where in (
                (missing, ("item has", "items have"), f"no {role} in {other.folder}"),
                (extra, ("item is", "items are"), f"in {other.folder} and not in {run.folder}"),
            )
            if ids
        ]
        raise InputError(f"{run.folder}: cannot be paired: {'; '.join(parts)}")
    return list(run.files)


def check_equal_sizes(run: ImageFiles, reference: ImageFiles) -> None:
    """Raise `InputError`, listing the items, unless each pair has one size."""
    _check_pairs(run, reference, "as large as the reference", lambda a, b: a == b)


def check_whole_factor(run: ImageFiles, low: ImageFiles) -> None:
    """Raise `InputError`, listing the items, unless outputs are 2, 3, … times as large as inputs.

    Images of the outputs' own size are no inputs: a mistaken folder would give a number.
    """
    _check_pairs(run, low, "twice or another whole multiple of the input's size", _whole_factor)


def _whole_factor(size: tuple[int, int], low: tuple[int, int]) -> bool:
    factor = size[0] // low[0]
    return factor >= 2 and size == (low[0] * factor, low[1] * factor)


def _check_pairs(
    run: ImageFiles,
    other: ImageFiles,
    expected: str,
    fits: Callable[[tuple[int, int], tuple[int, int]], bool],
) -> None:
    bad = [
        f"{item} is {mine.width}x{mine.height} against {theirs.width}x{theirs.height}"
        for item, mine, theirs in _both(run, other)
        if not fits((mine.width, mine.height), (theirs.width, theirs.height))
    ]
    if bad:
        words = counted(len(bad), "image is", "images are")
        raise InputError(f"{run.folder}: {words} not {expected}: {few(bad)}")


def _both(run: ImageFiles, other: ImageFiles) -> Iterable[tuple[str, Scanned, Scanned]]:
    return ((item, file, other.files[item]) for item, file in run.files.items())
