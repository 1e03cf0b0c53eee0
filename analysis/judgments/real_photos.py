"""Names of conditions that sound like real photos: a trial that showed one is no 2AFC."""

from __future__ import annotations

import re

WORDS = frozenset(
    (
        *("real", "reals", "realphoto", "realphotos", "realimage", "realimages", "photo", "photos"),
        *("photograph", "photographs", "groundtruth", "gt", "original", "originals", "natural"),
        *("reference", "camera", "authentic", "human"),
    )
)
DATA_SETS = frozenset(
    ("ffhq", "celeba", "celebahq", "imagenet", "coco", "lsun", "cifar10", "div2k")
)


def says_real(name: str) -> bool:
    """Return whether a condition is called real photos in so many words.

    >>> says_real("Real photos"), says_real("FFHQ"), says_real("surreal")
    (True, False, False)
    """
    return _bare(name) in WORDS


def sounds_real(name: str) -> bool:
    """Return whether a condition is called so, or like a data set of photos (whose fakes may be).

    >>> sounds_real("FFHQ"), sounds_real("sr3")
    (True, False)
    """
    return _bare(name) in WORDS | DATA_SETS


def _bare(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())
