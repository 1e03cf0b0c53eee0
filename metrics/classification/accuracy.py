"""Classification accuracy of outputs (SR3, Table 3): does a classifier still see the label?"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.errors import InputError, few
from metrics.intervals import wilson
from metrics.networks.torchvision_import import cure

CLASSES = 1000

# Logits (N, classes) and true classes, some images at a time.
Blocks = Iterable[tuple[NDArray[Any], Sequence[int]]]


@cache
def _names() -> dict[str, int]:
    """Return ImageNet class name, in lower case -> index, from torchvision's list."""
    cure()
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    return {name.lower(): index for index, name in reversed(list(enumerate(_IMAGENET_CATEGORIES)))}


def read_classes(path: Path) -> dict[str, str]:
    """Return label -> class names from a tab-separated file, such as WordNet id and names.

    Raises `InputError` unless each line has two columns.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.reader(stream, delimiter="\t") if row]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    for number, row in enumerate(rows, 1):
        if len(row) < 2:
            raise InputError(f"{path}: line {number} has one column, expected label and names")
    return {row[0]: row[1] for row in rows}


def class_indices(labels: Mapping[str, str], classes: Mapping[str, str]) -> dict[str, int]:
    """Return item id -> ImageNet index of labels that are an index, a class name, or in `classes`.

    Raises `InputError` naming the labels that are none of these.
    """
    found = {label: _index(label, classes) for label in sorted(set(labels.values()))}
    unknown = [label for label, index in found.items() if index is None]
    if unknown:
        raise InputError(
            f"labels are no ImageNet classes: {few(unknown)}; expected an index 0..{CLASSES - 1}, "
            "an English class name, or --classes with a file of label and names"
        )
    return {item: index for item, label in labels.items() if (index := found[label]) is not None}


def _index(label: str, classes: Mapping[str, str]) -> int | None:
    if label.isdigit() and int(label) < CLASSES:
        return int(label)
    for name in (label, *classes.get(label, "").split(",")):
        index = _names().get(name.strip().lower())
        if index is not None:
            return index
    return None


def hits(logits: NDArray[Any], truth: Sequence[int], k: int) -> NDArray[np.bool_]:
    """Return whether the true class ``(N,)`` is among the k largest logits ``(N, classes)``.

    A tie with the true class counts against it.
    """
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
