"""The feature networks by name."""

from __future__ import annotations

from collections.abc import Callable

from metrics import effnet, inception
from metrics.backbone import Extractor
from metrics.weights import Shelf

WIDTHS: dict[str, int] = {"inception": inception.WIDTH, "effnet_lite0": effnet.WIDTH}

_LOADERS: dict[str, Callable[..., Extractor]] = {
    "inception": inception.load,
    "effnet_lite0": effnet.load,
}

# Compiling takes about half a minute, which pays from about this many images.
WORTH_COMPILING = 600


def load(name: str, shelf: Shelf, precision: str, *, images: int) -> Extractor:
    """Return an extractor, compiled if `images`, all images of the request, make it worth while.

    The number decides and not what the cache lacks, so that an interrupted extraction goes on with
    the same arithmetic.
    """
    return _LOADERS[name](shelf.find(name), precision, compiled=worth_compiling(images))


def worth_compiling(images: int) -> bool:
    """Return whether a request of so many images gains from compiled networks."""
    return images >= WORTH_COMPILING
