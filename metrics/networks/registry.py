"""The feature networks by name; their modules, and torch, are imported when one is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from metrics.weights.registry import WeightRegistry

if TYPE_CHECKING:
    from metrics.networks.extractor import Extractor

Resize = Literal["tf1", "clean"]


@dataclass(frozen=True)
class NetworkSettings:
    """How feature networks are run: what decides their rows besides weights and images."""

    precision: str = "fp32"  # or bf16, or on CUDA tf32
    resize: Resize = "tf1"  # of Inception: the published graph's, or clean-fid's
    device: str = "cpu"  # or cuda, cuda:N, mps: equal within rounding


def load(name: str, registry: WeightRegistry, how: NetworkSettings) -> Extractor:
    """Return an extractor by name. Raises `WeightsError` if its weights are not there."""
    from metrics.networks import dinov2, effnet, inception
    from metrics.networks.devices import check_device

    check_device(how.device, how.precision)
    found = registry.find(name)
    if name == "inception":
        clean = how.resize == "clean"
        return inception.load(found, how.precision, clean=clean, device=how.device)
    loaders: dict[str, Callable[..., Extractor]] = {
        "dinov2": dinov2.load,
        "effnet_lite0": effnet.load,
    }
    return loaders[name](found, how.precision, device=how.device)
