"""Scores that other packages made of a run's images, taken into its scores.json and per_image.csv.

foolrate has not computed them and cannot check them. It holds what it can: each value belongs to an
image of the run, each metric has one direction and one source, and two sources never meet in one
table. Their names are those that `metrics.catalogue` does not know.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from generators.files import in_turn
from generators.foreign_text import as_meant
from generators.pairing import IdRule, pair_ids
from metrics.catalogue import METRICS
from metrics.compute.foreign_table import Column, check_names, read_table
from metrics.compute.request import Outcome
from metrics.errors import ScoreError, counted, few
from metrics.images.pairing import ImageFiles, open_images
from metrics.intervals import mean_interval
from metrics.scores import (
    Score,
    ScoreFile,
    read_per_image,
    read_scores,
    write_scored,
    write_scores,
)

Columns = Mapping[str, Mapping[str, float]]  # metric -> item id -> value


def add_scores(
    run: Path, table: Path, scores: Path, per_image: Path, ids: IdRule | None = None
) -> Outcome:
    """Write a table's metrics into a run's files of scores, and return all that they hold then.

    `table` is a CSV of `foreign_table.COLUMNS`, a row for each image and metric. A metric that was
    added before is replaced. Raises `ScoreError`, and writes nothing, for a row that cannot be
    right, an image without a value, or files of scores that are of other images.
    """
    found = read_table(table)
    images = open_images(run, ids=ids)
    values, said = _values(table, found, images)
    with in_turn(scores.parent, per_image.parent):
        before = _read_before(scores, images)
        earlier = before.scores if before else ()
        for name in found:
            check_names(f"{table}", name, [score.name for score in earlier])
        kept = [score for score in earlier if score.name not in found]
        added = [
            own_score(name, values[name], column.direction, column.source)
            for name, column in found.items()
        ]
        reference = before.reference if before else None
        file = ScoreFile(run=images.scored, reference=reference, scores=(*kept, *added))
        columns = dict(read_per_image(per_image)) if before and per_image.is_file() else {}
        columns |= _under_ids_of(values, columns)
        write_scored(scores, file, per_image, columns)
    return Outcome(file, columns, said, {})


def write_with_added(
    outcome: Outcome, scores: Path, per_image: Path, *, values: bool = True
) -> Outcome:
    """Write an outcome's files with what `keep_added` keeps, and return all that they hold then.

    Without `values`, ``per_image.csv`` stays as it is.
    """
    with in_turn(scores.parent, *[per_image.parent] * values):
        kept = keep_added(outcome, scores, per_image)
        if values:
            write_scored(scores, kept.scores, per_image, kept.columns)
        else:
            write_scores(scores, kept.scores)
    return kept


def keep_added(outcome: Outcome, scores: Path, per_image: Path) -> Outcome:
    """Return an outcome with the added scores of the file that it is about to replace.

    Scores of other images than the outcome's are not kept.
    """
    if not scores.is_file():
        return outcome
    try:
        before = read_scores(scores)
        columns = read_per_image(per_image) if per_image.is_file() else {}
    except ScoreError as error:
        said = f"scores that were added before are lost, the file cannot be read: {error}"
        return replace(outcome, notes=(*outcome.notes, said))
    added = [score for score in before.scores if score.name not in METRICS]
    if not added or before.run.digest != outcome.scores.run.digest:
        return outcome
    file = outcome.scores.model_copy(update={"scores": (*outcome.scores.scores, *added)})
    own = {score.name: columns[score.name] for score in added if score.name in columns}
    kept = _under_ids_of(own, outcome.columns)
    return replace(outcome, scores=file, columns=outcome.columns | kept)


def own_score(name: str, values: Mapping[str, float], direction: str, source: str) -> Score:
    """Return the mean over images of another program's metric, with its interval.

    `values` is item id -> value.
    """
    array = np.array([values[item] for item in sorted(values)])
    low, high = mean_interval(array) or (None, None)
    return Score(
        name=name,
        value=float(array.mean()),
        direction="higher" if direction == "higher" else "lower",
        unit="",
        n=len(array),
        low=low,
        high=high,
        settings={"source": source},
    )


def _under_ids_of(new: Columns, others: Columns) -> dict[str, dict[str, float]]:
    """Return columns under the ids that other columns have, where they pair by one pattern."""
    theirs = list(next(iter(others.values()), {}))
    result = {}
    for name, values in new.items():
        pairing = pair_ids(list(values), theirs)
        names = pairing.partner if pairing else {item: item for item in values}
        result[name] = {names[item]: value for item, value in values.items()}
    return result


def _read_before(scores: Path, images: ImageFiles) -> ScoreFile | None:
    if not scores.is_file():
        return None
    before = read_scores(scores)
    if before.run.digest != images.digest:
        raise ScoreError(
            f"{scores}: holds scores of images with digest {before.run.digest[:12]}…, those of "
            f"{images.folder} have {images.digest[:12]}…; `metrics compute` scores them anew"
        )
    return before


def _values(
    table: Path, found: Mapping[str, Column], images: ImageFiles
) -> tuple[dict[str, dict[str, float]], tuple[str, ...]]:
    """Return metric -> item id of the run -> value, and in words how the ids were paired.

    Each item of the run has one value of each metric. Raises `ScoreError`.
    """
    given = dict.fromkeys(item for column in found.values() for item in column.values)
    plain = {item: _plain(item, images) for item in given}
    pairing = pair_ids(list(dict.fromkeys(plain.values())), list(images.files))
    partner = pairing.partner if pairing else {}
    result: dict[str, dict[str, float]] = {}
    for name, column in found.items():
        mine: dict[str, float] = {}
        for item, value in column.values.items():
            to = partner.get(plain[item], plain[item])
            if to in mine:
                raise ScoreError(f"{table}: {name} of item {to!r} stands there twice")
            mine[to] = value
        _check_items(table, name, mine, images)
        result[name] = mine
    said = pairing.said if pairing else ""
    return result, (f"pairs {table} with {images.folder}: {said}",) if said else ()


def _plain(item: str, images: ImageFiles) -> str:
    """Return the id that a cell means: as it stands, composed, or without spaces or apostrophe."""
    bare = unicodedata.normalize("NFC", item.strip())
    means = (item, unicodedata.normalize("NFC", item), bare, as_meant(bare))
    return next((one for one in means if one in images.files), bare)


def _check_items(table: Path, name: str, values: Mapping[str, float], images: ImageFiles) -> None:
    strange = [repr(item) for item in values if item not in images.files]
    if strange:
        known = few([repr(item) for item in images.files], most=3)
        raise ScoreError(
            f"{table}: {name} has {counted(len(strange), 'item', 'items')} that "
            f"{images.folder} has not: {few(strange)}; its items are {known}"
        )
    missing = [repr(item) for item in images.files if item not in values]
    if missing:
        words = counted(len(missing), "item has", "items have")
        raise ScoreError(f"{table}: {words} no value of {name}: {few(missing)}")
