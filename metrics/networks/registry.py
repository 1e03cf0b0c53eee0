"""The feature networks by name."""

from __future__ import annotations

from collections.abc import Callable

from metrics.networks import dinov2, effnet, inception
from metrics.networks.extractor import Extractor
from metrics.weights.registry import WeightRegistry

WIDTHS: dict[str, int] = {
    "inception": inception.WIDTH,
    "dinov2": dinov2.WIDTH,
    "effnet_lite0": effnet.WIDTH,
}

_LOADERS: dict[str, Callable[..., Extractor]] = {
    "inception": inception.load,
    "dinov2": dinov2.load,
    "effnet_lite0": effnet.load,
}


def load(name: str, registry: WeightRegistry, precision: str) -> Extractor:
    """Return an extractor by name. Raises `WeightsError` if its weights are not there."""
    return _LOADERS[name](registry.find(name), precision)
