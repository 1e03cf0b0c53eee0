"""Anybody's outputs as a run: a folder of images or an ``.npz`` of the kind ADM and CDM publish."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from generators.config import GenerateConfig, refuse_unused
from generators.errors import RunError
from generators.files import file_sha256
from generators.images.item_names import check_id, clean_id, same_id, strip_template
from generators.images.listing import few
from generators.manifest import Run, open_run, refuse_unusable
from generators.methods.contract import Facts, Generator, Runtime, Task
from generators.methods.foreign.npz_images import read_npz
from generators.pairing import pair_ids, why_unpaired
from generators.pixels import read_image
from generators.progress import say
from generators.prompts import complete, prompts_of, read_prompts
from generators.resize import Pixels


class ImportedConfig(GenerateConfig):
    """Settings of an imported run."""

    generator: Literal["imported"]
    source: Path  # a folder of images, or an .npz
    made_by: str = ""  # what made the images, in words, for the report
    names: str | None = None  # how the files are named, such as "{id}_SRx4"
    ids_from: Path | None = None  # a run with the same ids; it also gives the class labels
    order: Literal["id", "number"] | None = None  # of `ids_from`, for an .npz without ids
    prompts: Path | None = None  # a CSV file of the columns id and prompt

    @model_validator(mode="after")
    def _no_inputs(self) -> ImportedConfig:
        if self.inputs is not None:
            raise ValueError("an imported run takes no `inputs`; name the images as `source`")
        return self

    @model_validator(mode="after")
    def _names_what_it_reads(self) -> ImportedConfig:
        if self.source.suffix.lower() == ".npz":
            of_files = ["names", "ids"] if self.ids_from is None else ["names"]
            refuse_unused(self, of_files, "which is of files, and an .npz has none")
        else:
            refuse_unused(self, ["order"], "which is of an .npz without ids, and files have names")
        if self.ids_from is None:
            refuse_unused(self, ["order"], "which is that of `ids_from`, and that is not set")
        return self


@dataclass(frozen=True)
class Outputs:
    """Somebody's images: item id -> a function that reads the pixels, and the class labels."""

    read: dict[str, Callable[[], Pixels]]
    labels: dict[str, str]
    digest: str
    notes: tuple[str, ...] = ()


def open_outputs(config: ImportedConfig) -> Outputs:
    """Return the images of the source by item id. Raises `RunError` where the ids do not fit."""
    reference = open_run(config.ids_from, config.ids) if config.ids_from else None
    if config.source.suffix.lower() == ".npz":
        outputs = _open_npz(config, reference)
    else:
        outputs = _open_folder(config)
    if reference is not None:
        outputs = _with_ids_of(config.source, outputs, reference)
        return replace(outputs, labels=outputs.labels | reference.labels())
    return outputs


def items(config: ImportedConfig) -> list[tuple[str, str | None]]:
    """Return (item id, class label) of every imported image."""
    outputs = open_outputs(config)
    return [(item, outputs.labels.get(item)) for item in outputs.read]


def prompts(config: ImportedConfig, items: Sequence[str]) -> dict[str, str]:
    """Return the prompts of the images: of the file, else those of the source or of `ids_from`.

    Raises `RunError` for an image without one, where a file is named.
    """
    if config.prompts is not None:
        return complete(read_prompts(config.prompts), items, str(config.prompts))
    folders = [config.source, *([config.ids_from] if config.ids_from else [])]
    found: dict[str, str] = {}
    for folder in reversed([each for each in folders if each.is_dir()]):
        found |= prompts_of(open_run(folder, config.ids))
    return {item: found[item] for item in items if item in found}


def load(config: ImportedConfig, runtime: Runtime) -> Generator:  # noqa: ARG001
    """Return the generator that hands the source's images over, unchanged."""
    outputs = open_outputs(config)
    say(outputs.notes)

    def images(tasks: Sequence[Task]) -> list[Pixels]:
        return [outputs.read[task.id]() for task in tasks]

    facts = Facts(inputs={"source": outputs.digest}, seeded=False)
    return Generator(images=images, facts=facts)


def _open_folder(config: ImportedConfig) -> Outputs:
    run = open_run(config.source, config.ids)
    notes = run.notes + refuse_unusable(run)
    read = {item: _reader(path) for item, path in run.files.items()}
    labels, digest = run.labels(), run.digest()
    if config.names is not None:
        bare = dict(zip(read, strip_template(config.source, list(read), config.names), strict=True))
        read = {bare[item]: reader for item, reader in read.items()}
        labels = {bare[item]: label for item, label in labels.items()}
    return Outputs(read, labels, digest, notes)


def _reader(path: Path) -> Callable[[], Pixels]:
    return lambda: read_image(path)


def _open_npz(config: ImportedConfig, reference: Run | None) -> Outputs:
    source = config.source
    found = read_npz(source)
    count = found.stack.count
    if found.ids is not None and config.order is not None:
        raise RunError(f"{source}: has ids, so order = {config.order!r} says nothing; leave it out")
    ids = found.ids if found.ids is not None else _ids_by_order(config, reference, count)
    ids = [clean_id(item) for item in ids]
    if len(ids) != count:
        raise RunError(f"{source}: has {count} images for {len(ids)} ids, expected one for each")
    _check_ids(source, ids)
    labels = dict(zip(ids, found.labels, strict=True)) if found.labels is not None else {}
    read = {item: found.stack.reader(number) for number, item in enumerate(ids)}
    return Outputs(read, labels, file_sha256(source), found.notes)


def _check_ids(source: Path, ids: list[str]) -> None:
    """Raise `RunError` for ids that cannot be file names, or are one but for their capitals."""
    first: dict[str, str] = {}
    for item in ids:
        try:
            check_id(item)
        except RunError as error:
            raise RunError(f"{source}: {error}") from None
        if (key := same_id(item)) in first:
            both = f"{first[key]!r} and {item!r}"
            raise RunError(f"{source}: two images share the item id {both}, expected one each")
        first[key] = item


def _ids_by_order(config: ImportedConfig, reference: Run | None, count: int) -> list[str]:
    """Return ids for images that have only an order: numbers, or the ids of `ids_from`.

    Raises `RunError` where the order of `ids_from` can be read in two ways and `order` is not set:
    by id, 10 comes before 2.
    """
    if reference is None:
        return [f"{number:06d}" for number in range(count)]
    by_id, by_number = sorted(reference.files), sorted(reference.files, key=_by_number)
    if config.order is None and by_id != by_number:
        raise RunError(
            f"{config.source}: has no ids, and those of `ids_from` have two orders: "
            f"{few(by_id, 4)} by id, {few(by_number, 4)} by number; "
            'expected order = "id" or order = "number"'
        )
    return by_number if config.order == "number" else by_id


def _by_number(item: str) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isascii() and part.isdigit() else (-1, part)
        for part in re.split(r"([0-9]+)", item)
    ]


def _with_ids_of(source: Path, outputs: Outputs, reference: Run) -> Outputs:
    """Return the outputs under the ids of `ids_from`. Raises `RunError` if they do not pair."""
    found, wanted = list(outputs.read), list(reference.files)
    pairing = pair_ids(found, wanted)
    if pairing is None:
        _refuse_other_ids(source, found, wanted)
        return outputs
    read = {pairing.partner[item]: reader for item, reader in outputs.read.items()}
    labels = {pairing.partner[item]: label for item, label in outputs.labels.items()}
    said = (f"{source}: {pairing.said}",) if pairing.said else ()
    return replace(outputs, read=read, labels=labels, notes=outputs.notes + said)


def _refuse_other_ids(source: Path, found: list[str], wanted: list[str]) -> None:
    if not set(found) & set(wanted):
        raise RunError(f"{source}: no id is one of `ids_from`: {why_unpaired(found, wanted)}")
    for what, ids in (
        ("lacks", set(wanted) - set(found)),
        ("has unknown", set(found) - set(wanted)),
    ):
        if ids:
            raise RunError(
                f"{source}: {what} {len(ids)} item ids of `ids_from`: {few(sorted(ids))}"
            )
