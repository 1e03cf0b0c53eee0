"""Real photos into a run, prepared as the SR3 paper prepares ImageNet.

Images whose shorter side is below the size are dropped; of the others the largest central square is
cut out and resized by area averaging in whole numbers, rounded once. The low-resolution inputs
are made from the result as it is stored (`generators.resize`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import Any

from generators.dataset.sources import ImageSource, open_sources
from generators.errors import ConfigError, ImageError, RunError
from generators.generate.run import identity_of, make_run
from generators.images.item_names import IdRule, check_id
from generators.images.listing import counted, readable_name
from generators.manifest import JOURNAL, MANIFEST, Item, Manifest, content_digest, read_manifest
from generators.methods.contract import Runtime
from generators.methods.registry import kind_of
from generators.methods.resampling.downsample import DownsampleConfig
from generators.pixels import decode_image, image_facts, profile_notes
from generators.progress import progress
from generators.reductions import DEFAULT, ReductionName
from generators.resize import Pixels, area, central_square
from generators.runs.place import refuse_place
from generators.runs.writer import (
    RunWriter,
    check_epoch,
    encode_png,
    versions_of,
)

BATCH = 32
ADVICE = "remove it, rename it or name another folder"  # where one holds another run


@dataclass(frozen=True)
class Preparation:
    """How photos are chosen and prepared."""

    size: int = 256  # pixels a side of the high-resolution images
    factor: int = 4  # of the low-resolution inputs
    reduction: ReductionName = DEFAULT  # how they are made smaller
    ids: IdRule = "stem"
    within: str = ""  # only this folder of the source
    names: str | None = None  # how the files are named, such as "{id}_HR"
    skip_bad: bool = False  # leave unusable files out instead of refusing them all
    only: tuple[str, ...] = ()  # patterns; empty: every id
    per_class: int | None = None  # the first of each class, in id order; None: all


@dataclass(frozen=True)
class Imported:
    """What an import did. The lists hold file names, of bad files with the reason."""

    run: Manifest
    inputs: Manifest | None
    small: list[str]
    bad: list[str]
    notes: tuple[str, ...] = ()  # what else was left out, and what was converted


@dataclass(frozen=True)
class _Checked:
    source: ImageSource
    digest: str = ""  # sha256 of the file's bytes
    profile: str = ""  # the colour profile it is converted from
    small: bool = False
    fault: str | None = None  # why the file cannot be used


def import_photos(
    path: Path,
    out: Path,
    *,
    inputs_out: Path | None = None,
    preparation: Preparation | None = None,
    runtime: Runtime | None = None,
) -> Imported:
    """Make a run of real images, and one of their low-resolution inputs, from a folder or zip.

    Every file is decoded before anything is written. Raises `ImageError` with the list of the files
    that cannot be used, `RunError` when none is left.
    """
    how, runtime = preparation or Preparation(), runtime or Runtime()
    if inputs_out and how.size % how.factor:
        raise ConfigError(f"size {how.size}: not a multiple of the factor {how.factor}")
    _check_places(path / how.within, out, inputs_out)
    check_epoch()
    with open_sources(path, how.ids, how.within, how.names) as sources:
        checked = _check(_chosen(path, sources.images, how), how.size, runtime)
        bad = [entry.fault for entry in checked if entry.fault]
        if bad and not how.skip_bad:
            raise ImageError(_bad_list(path, bad))
        small = [entry.source.name for entry in checked if entry.small]
        good = [entry for entry in checked if not entry.small and not entry.fault]
        if not good:
            raise RunError(f"{path}: none of {len(checked)} images is {how.size} pixels or more")
        identity = _identity(path, good, how)
        identity["config"]["dropped"] = {"small": small, "bad": bad}
        if inputs_out:
            _refuse_other_inputs(out, inputs_out, good, how, runtime)
        run = _write(out, identity, good, runtime)
    inputs = _make_inputs(out, inputs_out, how, runtime) if inputs_out else None
    notes = sources.notes + profile_notes(entry.profile for entry in good)
    return Imported(run=run, inputs=inputs, small=small, bad=bad, notes=notes)


def _check_places(source: Path, out: Path, inputs_out: Path | None) -> None:
    refuse_place(out, [source])
    if inputs_out is None:
        return
    refuse_place(inputs_out, [source])
    first, second = sorted((out.resolve(), inputs_out.resolve()), key=lambda one: len(one.parts))
    if second.is_relative_to(first):
        raise RunError(
            f"{inputs_out}: the inputs need a folder beside {out}, not in it or around it"
        )


def prepare(pixels: Pixels, size: int) -> Pixels:
    """Return the largest central square resized by area averaging to ``(size, size, 3)``."""
    return area(central_square(pixels), size)


def _chosen(path: Path, sources: Sequence[ImageSource], how: Preparation) -> Sequence[ImageSource]:
    """Return the images whose ids fit a pattern of `only`, and of each class the first few.

    Raises `RunError` for a pattern that no id fits, and for an image without a class to count in.
    """
    for pattern in how.only:
        if not any(fnmatchcase(one.id, pattern) for one in sources):
            raise RunError(f"{path}: none of {len(sources)} ids fits the pattern {pattern!r}")
    fits = [one for one in sources if not how.only or _fits(one.id, how.only)]
    if how.per_class is None:
        return fits
    bare = [one.name for one in fits if one.label is None]
    if bare:
        raise RunError(
            f"{path}: {bare[0]} is in no class folder, expected one (per class: {how.per_class})"
        )
    ordered = sorted(fits, key=lambda one: (str(one.label), one.id))
    classes = groupby(ordered, key=lambda one: one.label)
    return [one for _, members in classes for one in list(members)[: how.per_class]]


def _fits(item: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(item, pattern) for pattern in patterns)


def _check(sources: Sequence[ImageSource], size: int, runtime: Runtime) -> list[_Checked]:
    def check(source: ImageSource) -> _Checked:
        try:
            check_id(source.id)
            data = source.read()
            height, width = decode_image(data, source.name).shape[:2]
        except (ImageError, RunError) as error:
            return _Checked(source, fault=str(error))
        except OSError as error:
            return _Checked(source, fault=f"{source.name}: cannot be read ({error.strerror})")
        digest = hashlib.sha256(data).hexdigest()
        profile = image_facts(data, source.name).profile
        return _Checked(source, digest, profile, small=min(height, width) < size)

    checked: list[_Checked] = []
    with (
        progress("checking", len(sources)) as advance,
        ThreadPoolExecutor(runtime.workers) as pool,
    ):
        for start in range(0, len(sources), BATCH):
            checked += pool.map(check, sources[start : start + BATCH])
            advance(min(BATCH, len(sources) - start))
    return checked


def _identity(path: Path, good: Sequence[_Checked], how: Preparation) -> dict[str, Any]:
    name = readable_name(path.resolve().name)
    config: dict[str, Any] = {"source": name, "within": how.within, "ids": how.ids}
    config |= {"names": how.names} if how.names else {}
    config |= {"only": list(how.only)} if how.only else {}
    config |= {"per_class": how.per_class} if how.per_class else {}
    return {
        "generator": "real",
        "config": config | {"size": how.size, "crop": "largest central square", "resize": "area"},
        "inputs": {"source": content_digest({e.source.id: e.digest for e in good})},
    }


def _write(
    out: Path, identity: dict[str, Any], good: Sequence[_Checked], runtime: Runtime
) -> Manifest:
    size = identity["config"]["size"]
    labels = {entry.source.id: entry.source.label for entry in good}
    with RunWriter(out, identity, labels, advice=ADVICE) as writer:
        if writer.finished:
            return writer.finished
        todo = [entry.source for entry in good if entry.source.id not in writer.done]

        def write(source: ImageSource) -> Item:
            pixels = prepare(decode_image(source.read(), source.name), size)
            return writer.write(source.id, pixels, label=source.label, source=source.name)

        with (
            progress(out.name, len(good), len(writer.done)) as advance,
            ThreadPoolExecutor(runtime.workers) as pool,
        ):
            for start in range(0, len(todo), BATCH):
                items = list(pool.map(write, todo[start : start + BATCH]))
                writer.record(items)
                advance(len(items))
        return writer.finish(versions=versions_of(("numpy", "pillow")))


def _make_inputs(run: Path, out: Path, how: Preparation, runtime: Runtime) -> Manifest:
    return make_run(_inputs_config(run, out, how), kind_of("downsample", out), runtime)


def _inputs_config(run: Path, out: Path, how: Preparation) -> DownsampleConfig:
    return DownsampleConfig(
        generator="downsample", inputs=run, out=out, factor=how.factor, reduction=how.reduction
    )


def _refuse_other_inputs(
    run: Path, out: Path, good: Sequence[_Checked], how: Preparation, runtime: Runtime
) -> None:
    """Raise `RunError` where `out` holds other inputs than will be made, before anything is."""
    if not any((out / name).exists() for name in (JOURNAL, MANIFEST)):
        return
    config = _inputs_config(run, out, how)
    generator = kind_of("downsample", out).load(config, runtime)
    finished = (run / MANIFEST).exists()
    digest = read_manifest(run).digest if finished else _digest_to_be(good, how, runtime)
    identity = identity_of(config, generator, digest, runtime)
    labels = {entry.source.id: entry.source.label for entry in good}
    RunWriter(out, identity, labels, advice=ADVICE).check()


def _digest_to_be(good: Sequence[_Checked], how: Preparation, runtime: Runtime) -> str:
    """Return the digest of the run that an import will write."""

    def sha256(source: ImageSource) -> str:
        pixels = prepare(decode_image(source.read(), source.name), how.size)
        return hashlib.sha256(encode_png(pixels)).hexdigest()

    sources = [entry.source for entry in good]
    with ThreadPoolExecutor(runtime.workers) as pool:
        found = pool.map(sha256, sources)
        return content_digest(dict(zip([one.id for one in sources], found, strict=True)))


def _bad_list(path: Path, bad: list[str]) -> str:
    first = "; ".join(bad[:5]) + (f"; and {len(bad) - 5} more" if len(bad) > 5 else "")
    files = counted(len(bad), "file", "files")
    return f"{path}: {files} cannot be used (--skip-bad leaves them out): {first}"
