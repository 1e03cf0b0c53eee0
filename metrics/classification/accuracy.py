"""Classification accuracy of outputs (SR3, Table 3): does a classifier still see the label?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.errors import cause
from metrics.errors import InputError, NumericError, few
from metrics.intervals import wilson

CLASSES = 1000
WORDNET_ID = re.compile(r"n\d{8} ")

# Logits (N, classes) and true classes, some images at a time.
Blocks = Iterable[tuple[NDArray[Any], Sequence[int]]]


@cache
def _wordnet_ids() -> dict[str, int]:
    """Return WordNet id -> ImageNet index; the classes stand in the order of their ids."""
    return {row[0]: index for index, row in enumerate(_table())}


@cache
def _names() -> dict[str, frozenset[int]]:
    """Return class name, in lower case -> the ImageNet indices of all classes called so."""
    found: dict[str, set[int]] = {}
    for index, (_, names) in enumerate(_table()):
        for name in names.split(","):
            found.setdefault(name.strip().lower(), set()).add(index)
    return {name: frozenset(indices) for name, indices in found.items()}


@cache
def _table() -> list[list[str]]:
    text = Path(__file__).with_name("imagenet_classes.tsv").read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()]


def read_classes(path: Path) -> dict[str, str]:
    """Return label -> class names from a file of lines such as a WordNet id, a tab and names.

    A WordNet id may be followed by a space instead, as in Kaggle's LOC_synset_mapping.txt. Raises
    `InputError` for a line without names.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({cause(error)})") from None
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        spaced = "\t" not in line and WORDNET_ID.match(line)
        label, _, names = line.partition(" " if spaced else "\t")
        if not names.strip():
            raise InputError(f"{path}: line {number} has one column, expected label and names")
        found[label.strip()] = names.split("\t")[0].strip()
    return found


def class_indices(labels: Mapping[str, str], classes: Mapping[str, str]) -> dict[str, int]:
    """Return item id -> ImageNet index of labels: index, WordNet id, class name, or in `classes`.

    Raises `InputError` naming the labels that are none of these.
    """
    found = {label: _index(label, classes) for label in sorted(set(labels.values()))}
    unknown = [label for label, index in found.items() if index is None]
    if unknown:
        raise InputError(
            f"labels are no ImageNet classes: {few(unknown)}; expected an index 0..{CLASSES - 1}, "
            "a WordNet id, an English class name, or --classes with a file of label and names"
        )
    return {item: index for item, label in labels.items() if (index := found[label]) is not None}


def _index(label: str, classes: Mapping[str, str]) -> int | None:
    """Return a label's ImageNet index, or None. Raises `InputError` for a name of two classes."""
    if label.isdecimal() and int(label) < CLASSES:
        return int(label)
    if label in _wordnet_ids():
        return _wordnet_ids()[label]
    names = [label] if label not in classes else classes[label].split(",")
    meant = [_names()[key] for name in names if (key := name.strip().lower()) in _names()]
    if not meant:
        return None
    shared = frozenset.intersection(*meant)
    if len(shared) == 1:
        return next(iter(shared))
    every = sorted(shared or frozenset.union(*meant))
    choices = "; ".join(f"{_table()[index][0]} {_table()[index][1]}" for index in every)
    raise InputError(f"label {label!r} may be several classes ({choices}); label by WordNet id")


def hits(logits: NDArray[Any], truth: Sequence[int], k: int) -> NDArray[np.bool_]:
    """Return whether the true class ``(N,)`` is among the k largest logits ``(N, classes)``.

    A tie with the true class counts against it. Raises `NumericError` for logits that are not
    numbers, of which none is larger than another.
    """
    if np.isnan(logits).any():
        raise NumericError("logits are not numbers: the network diverged")
    own = logits[np.arange(len(logits)), np.asarray(truth)]
    better: NDArray[np.bool_] = (logits >= own[:, None]).sum(axis=1) <= k
    return better


def top1(blocks: Blocks) -> dict[str, Any]:
    """Return the share of images whose class has the largest logit, as fields of a score."""
    return _share(blocks, 1)


def top5(blocks: Blocks) -> dict[str, Any]:
    """Return the share of images whose class is among the five largest logits."""
    return _share(blocks, 5)


def _share(blocks: Blocks, k: int) -> dict[str, Any]:
    right = np.concatenate([hits(logits, truth, k) for logits, truth in blocks])
    share = float(right.mean())
    low, high = wilson(share, len(right))
    settings = {"classes": CLASSES}
    return {"value": share, "n": len(right), "low": low, "high": high, "settings": settings}
