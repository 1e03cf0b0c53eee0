"""Peers of the networks on a device, each fed with files as its users feed it.

torch-fidelity and `lpips` are in the test environment. clean-fid and pyiqa are not (the licence of
the second keeps it out): they take part where they are installed, and one line names them where
they are not.
"""

from __future__ import annotations

import contextlib
import io
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
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
from metrics.progress import on_stderr

Rows = NDArray[np.float32]
Features = Callable[[Path], Rows]  # a folder -> a row for each image, in order of names
Pairs = Callable[[Path, Path], None]


# Peer -> the module that is called, and what pip installs of it without its dependencies.
PEERS = {
    "torch-fidelity": ("torch_fidelity", "torch-fidelity"),
    "clean-fid": ("cleanfid.fid", "clean-fid"),
    "lpips": ("lpips", "lpips"),
    "pyiqa": ("pyiqa.archs.lpips_arch", "pyiqa opencv-python-headless"),
}


def here(wanted: Sequence[str]) -> frozenset[str]:
    """Return the peers that can be imported; name each other one in a line."""
    lacking = set()
    for name in wanted:
        module, packages = PEERS[name]
        try:
            import_module(module)
        except ImportError as error:
            lacking.add(name)
            said = str(error).splitlines()[0]
            click.echo(f"left out: {name} ({said}; pip install --no-deps {packages})")
    return frozenset(wanted) - lacking


@contextmanager
def counted(title: str, total: int, network: type[torch.nn.Module]) -> Iterator[None]:
    """Show how far a peer is, by the images that its network is given."""
    forward = network.forward
    with on_stderr(title, total) as advance:

        def told(self: torch.nn.Module, images: torch.Tensor, *others: Any, **how: Any) -> Any:
            found = forward(self, images, *others, **how)
            advance(len(images))
            return found

        with mock.patch.object(network, "forward", told):
            yield


def fidelity_features(weights: Path, device: str) -> Features:
    """Return torch-fidelity's features, by its own loader."""
    extractor = peers.fidelity_extractor(weights).to(device)

    def features(folder: Path) -> Rows:
        with counted("torch-fidelity", count(folder), type(extractor)):
            return peers.fidelity_files(extractor, folder, cuda=_on_cuda(device))

    return features


def count(*folders: Path) -> int:
    """Return how many images folders hold together."""
    return sum(len(list(folder.glob("*.png"))) for folder in folders)


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
        with counted("clean-fid", count(folder), _Inception):
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


def pairs_of(
    peers: frozenset[str], device: str, batch: int
) -> Iterator[tuple[str, Callable[[], Pairs]]]:
    """Yield what loads each peer's LPIPS with VGG16, by name.

    Random weights: only times are compared.
    """
    size = max(1, batch // 8) if not on_processor(device) else 8
    if "lpips" in peers:
        model, scaled = _lpips_package, (-1.0, 1.0)
        yield "lpips", partial(_pair_by_pair, model, device, size, "lpips", scaled=scaled)
    if "pyiqa" in peers:
        model, scaled = _pyiqa, (0.0, 1.0)
        yield "pyiqa", partial(_pair_by_pair, model, device, size, "pyiqa", scaled=scaled)


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
    load: Callable[[], torch.nn.Module],
    device: str,
    size: int,
    title: str,
    *,
    scaled: tuple[float, float],
) -> Pairs:
    model = load().to(device).eval()
    low, high = scaled

    def tensor(paths: Sequence[Path]) -> torch.Tensor:
        pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device).float()
        return batch / (255 / (high - low)) + low

    def run(fake: Path, real: Path) -> None:
        names = sorted(path.name for path in fake.glob("*.png"))
        with torch.inference_mode(), counted(title, len(names), type(model)):
            for start in range(0, len(names), size):
                part = names[start : start + size]
                model(*(tensor([side / name for name in part]) for side in (fake, real))).cpu()

    return run
