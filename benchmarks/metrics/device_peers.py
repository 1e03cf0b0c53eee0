"""Peers of the networks on a device, each fed with files as its users feed it.

torch-fidelity and `lpips` are in the test environment. clean-fid and pyiqa are not (the licence of
the second keeps it out): they take part where they are installed, and are named where they are not.
"""

from __future__ import annotations

import contextlib
import io
import types
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import click
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.metrics import peers
from benchmarks.support import published_inception
from metrics.networks.devices import on_processor

Rows = NDArray[np.float32]
Features = Callable[[Path], Rows]  # a folder -> a row for each image, in order of names
Pairs = Callable[[Path, Path], None]


def installed(package: str, name: str, why: str = "") -> bool:
    """Return whether a peer can be imported; say so if it cannot."""
    if find_spec(package):
        return True
    click.echo(f"{name}: not installed, left out{why}")
    return False


def fidelity_features(weights: Path, device: str) -> Features:
    """Return torch-fidelity's features, by its own loader."""
    extractor = peers.fidelity_extractor(weights).to(device)
    return lambda folder: peers.fidelity_files(extractor, folder, cuda=_on_cuda(device))


def _on_cuda(device: str) -> bool:
    return device.startswith("cuda")


class _Inception(torch.nn.Module):
    """What clean-fid loads as TorchScript: pixels 0..255 of 299x299 in, 2048 features out."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.layers = published_inception.network()
        state = torch.load(weights, weights_only=True)
        self.layers.load_state_dict({key: state[key] for key in self.layers.state_dict()})

    def forward(self, pixels: torch.Tensor) -> Any:
        return self.layers((pixels - 128) / 128)


def clean_fid_features(weights: Path, device: str, *, batch: int, workers: int) -> Features:
    """Return clean-fid's features: its loader and its resize, with these weights for its own."""
    from cleanfid.fid import get_folder_features

    model = _Inception(weights).to(device).eval()

    def features(folder: Path) -> Rows:
        found: Rows = get_folder_features(
            str(folder),
            model,
            num_workers=workers,
            batch_size=batch,
            device=torch.device(device),
            mode="clean",
            verbose=False,
        )
        return found

    return features


def pairs_of(device: str, batch: int) -> Iterator[tuple[str, Pairs]]:
    """Yield each peer's LPIPS with VGG16, by name. Random weights: only times are compared."""
    size = max(1, batch // 8) if not on_processor(device) else 8
    yield "the lpips package", _pair_by_pair(_lpips_package(), device, size, scaled=(-1.0, 1.0))
    licence = " (its licence keeps it out of ours: install it beside them)"
    if installed("pyiqa", "pyiqa", licence):
        yield "pyiqa", _pair_by_pair(_pyiqa(), device, size, scaled=(0.0, 1.0))


def _lpips_package() -> torch.nn.Module:
    import lpips

    with contextlib.redirect_stdout(io.StringIO()):
        found: torch.nn.Module = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
    return found


def _pyiqa() -> torch.nn.Module:
    import torchvision.models
    from pyiqa.archs import lpips_arch

    def untrained(**_: object) -> Any:  # it asks for the published ones, whatever it is told
        return torchvision.models.vgg16(weights=None)

    models = types.SimpleNamespace(vgg16=untrained)
    with mock.patch.object(lpips_arch, "models", models):
        found: torch.nn.Module = lpips_arch.LPIPS(net="vgg", pretrained=False)
    return found


def _pair_by_pair(
    model: torch.nn.Module, device: str, size: int, *, scaled: tuple[float, float]
) -> Pairs:
    model = model.to(device).eval()
    low, high = scaled

    def tensor(paths: Sequence[Path]) -> torch.Tensor:
        pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device).float()
        return batch / (255 / (high - low)) + low

    def run(fake: Path, real: Path) -> None:
        names = sorted(path.name for path in fake.glob("*.png"))
        with torch.inference_mode():
            for start in range(0, len(names), size):
                part = names[start : start + size]
                model(*(tensor([side / name for name in part]) for side in (fake, real))).cpu()

    return run
